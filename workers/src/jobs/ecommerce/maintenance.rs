//! Upkeep: small files compacted, gold clustered, old versions removed.
//!
//! Source: pipelines.md 5.7.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::argument::{arguments, flag, given};
use super::catalog::tables;
use super::settings::Settings;
use super::table::{Layer, SOURCES, TableShape};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::Folder;
use crate::lake::delta::Delta;

/// The job `ecommerce-maintenance`.
pub(crate) const MAINTENANCE: JobDefinition = JobDefinition {
    name: "ecommerce-maintenance",
    summary: "Compacts the Delta tables, clusters gold, and removes the files of versions past their retention.",
    arguments: arguments!["date", "layer", "optimize", "vacuum"],
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

/// Hours a layer's old versions are kept, and the aimed size of its files in MiB.
fn rules(layer: Layer) -> (u64, u64) {
    match layer {
        Layer::Raw | Layer::Bronze => (7 * 24, 128),
        Layer::Silver => (30 * 24, 256),
        Layer::Gold => (90 * 24, 512),
    }
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let settings = Settings::of(context)?;
    let only = match given(&context.arguments, "layer") {
        None | Some("all") => None,
        Some("bronze") => Some(Layer::Bronze),
        Some("silver") => Some(Layer::Silver),
        Some("gold") => Some(Layer::Gold),
        Some(other) => {
            let message = format!("--layer is `{}`; give bronze, silver, gold or all", other.escape_debug());
            return Err(JobError::arguments(message));
        }
    };
    let optimize = flag(&context.arguments, "optimize", "ECOM_OPTIMIZE", true)?;
    let vacuum = flag(&context.arguments, "vacuum", "ECOM_VACUUM", true)?;
    // Refused rows are kept as long as silver's.
    let rejected = SOURCES.iter().map(|source| (Layer::Silver, &source.rejected, settings.rejected(source.name)));
    let tables = tables().map(|(layer, shape)| (layer, shape, settings.table(layer, shape.name)));
    let mut totals = Totals::default();
    for (layer, shape, folder) in tables.chain(rejected).filter(|(layer, ..)| only.is_none_or(|only| only == *layer)) {
        let (hours, target_mb) = rules(layer);
        let work = Work { shape, folder: &folder, hours, target_mb, optimize, vacuum };
        if let Err(error) = work.keep_up(context, &mut totals).await {
            context.warn(format!("`{}` is left as it is: {}", folder.uri(), error.message));
            totals.failures.push((error.code, format!("`{}`: {}", folder.uri(), error.message)));
        }
    }
    context.metric("tables", totals.tables);
    context.metric("files_compacted", totals.compacted);
    context.metric("files_written", totals.written);
    context.metric("files_vacuumed", totals.vacuumed);
    let message = format!(
        "{} tables: {} files became {}, {} old ones removed",
        totals.tables, totals.compacted, totals.written, totals.vacuumed
    );
    match totals.failures.first() {
        None => Ok(Finish::succeeded(message)),
        Some((code, first)) if totals.tables == 0 => Err(JobError::new(*code, first.clone())),
        Some((code, first)) => {
            Ok(Finish::partial(*code, format!("{message}; {} tables failed: {first}", totals.failures.len())))
        }
    }
}

#[derive(Debug, Default)]
struct Totals {
    tables: u64,
    compacted: u64,
    written: u64,
    vacuumed: u64,
    failures: Vec<(Code, String)>,
}

struct Work<'a> {
    shape: &'a TableShape,
    folder: &'a Folder,
    hours: u64,
    target_mb: u64,
    optimize: bool,
    vacuum: bool,
}

impl Work<'_> {
    async fn keep_up(&self, context: &JobContext, totals: &mut Totals) -> Result<(), JobError> {
        // A job that writes the table has it now; the next upkeep comes.
        let lock = context.lock_folder(self.folder).await?;
        let done = self.keep_up_locked(totals).await;
        lock.release().await?;
        done
    }

    async fn keep_up_locked(&self, totals: &mut Totals) -> Result<(), JobError> {
        let Some(mut table) = Delta::open(self.folder).await? else { return Ok(()) };
        if self.optimize {
            let optimized = table.optimize(self.shape.z_order, None, self.target_mb).await?;
            totals.compacted += optimized.files_removed;
            totals.written += optimized.files_added;
        }
        if self.vacuum {
            totals.vacuumed += table.vacuum(self.hours, false).await?;
        }
        totals.tables += 1;
        Ok(())
    }
}
