//! The tables of all layers into the catalog: created where missing, updated where their columns changed.
//!
//! Runs after the data are published: a failure leaves them so and ends with exit status 3. Source: pipelines.md 5.7.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::argument::arguments;
use super::settings::Settings;
use super::table::{Field, GOLD, Layer, SOURCES, TableShape};
use crate::catalog::{Catalog, CatalogColumn, CatalogPartition, TableDescription, TableFormat};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::delta::Delta;

/// The job `ecommerce-catalog`.
pub(crate) const CATALOG: JobDefinition = JobDefinition {
    name: "ecommerce-catalog",
    summary: "Registers the bronze, silver and gold tables in the catalog.",
    arguments: arguments!["date"],
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let settings = Settings::of(context)?;
    let catalog = Catalog::from_env().await?;
    let mut registered = 0;
    let mut failures = Vec::new();
    for (layer, shape) in tables() {
        match register(context, &settings, &catalog, layer, shape).await {
            Ok(true) => registered += 1,
            Ok(false) => context.warn(format!("there is no table {layer}/{} yet", shape.name)),
            Err(error) => {
                context.warn(format!("cannot register {layer}/{}: {}", shape.name, error.message));
                failures.push(format!("{layer}/{}: {}", shape.name, error.message));
            }
        }
    }
    context.metric("tables_registered", registered);
    context.metric("tables_failed", failures.len());
    match failures.first() {
        None => Ok(Finish::succeeded(format!("{registered} tables are in the catalog"))),
        Some(first) => {
            let message = format!("{} tables are not in the catalog, the data are published; {first}", failures.len());
            Ok(Finish::partial(Code::CatalogFailed, message))
        }
    }
}

/// All tables of the lake, by layer.
pub(super) fn tables() -> impl Iterator<Item = (Layer, &'static TableShape)> {
    let sources =
        SOURCES.into_iter().flat_map(|source| [(Layer::Bronze, &source.bronze), (Layer::Silver, &source.silver)]);
    sources.chain(GOLD.into_iter().map(|shape| (Layer::Gold, shape)))
}

/// Registers a table; `false` if it does not exist.
async fn register(
    context: &JobContext,
    settings: &Settings,
    catalog: &Catalog,
    layer: Layer,
    shape: &TableShape,
) -> Result<bool, JobError> {
    let folder = settings.table(layer, shape.name);
    let Some(table) = Delta::open(&folder).await? else { return Ok(false) };
    let details = table.details().await?;
    let column = |field: &Field| CatalogColumn::new(field.name, field.kind.catalog_name()).with_comment(field.comment);
    let keys = shape.fields.iter().filter(|field| shape.partition_by.contains(&field.name));
    // The figures of a table without partition keys; those of the others are in their logs.
    let figures = shape.partition_by.is_empty().then(|| CatalogPartition {
        values: Vec::new(),
        location: None,
        rows: Some(details.rows),
        bytes: details.bytes,
        files: details.files,
    });
    let description = TableDescription {
        database: settings.database(layer),
        name: shape.name.to_owned(),
        location: folder.uri(),
        columns: shape.fields.iter().map(column).collect(),
        partition_keys: keys.map(column).collect(),
        partitions: figures.into_iter().collect(),
        format: TableFormat::Delta,
    };
    catalog.register(context, &description).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_known_with_its_keys() {
        let tables: Vec<String> = tables().map(|(layer, shape)| format!("{layer}/{}", shape.name)).collect();
        assert_eq!(tables.len(), 10, "{tables:?}");
        for (layer, shape) in super::tables() {
            for key in shape.partition_by.iter().chain(shape.z_order) {
                assert!(shape.fields.iter().any(|field| field.name == *key), "{layer}/{}: {key}", shape.name);
            }
        }
    }
}
