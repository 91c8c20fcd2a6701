//! Silver: each raw file is appended to the Delta table once, in the columns of [`SILVER`], enriched by the lookups.
//!
//! A file is told by its content. It is read in pieces of at most [`PIECE_ROWS`] rows, fewer if they are long; a piece is
//! one Delta commit that carries the transaction id (`enrichment_silver:<digest>`, number of the piece), so that a file that
//! comes again, under whatever name, and an attempt after a crash append nothing twice.
//!
//! Source: pipelines.md 4.2.

mod lookup;
mod raw_rows;
mod record;
mod source;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use self::lookup::Lookups;
use self::record::Record;
use self::source::Source;
use super::super::apart::check_apart;
use super::bad_records::{BadRecords, Place};
use super::columns::{PARTITION, SILVER};
use super::settings;
use crate::catalog::{Catalog, CatalogColumn, Registration, TableDescription, database};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError, QualityCheck, QualityStatus};
use crate::lake::delta::{Delta, Write, Written};
use crate::lake::read::Format;
use crate::lake::{Folder, Object};
use crate::query::Query;

/// The job `enrichment-silver`.
pub const SILVER_JOB: JobDefinition = JobDefinition {
    name: "enrichment-silver",
    summary: "Appends raw transactions, enriched by the lookups, to the silver Delta table; each file once.",
    arguments: &[
        "environment",
        "root",
        "ds",
        "raw_path",
        "lookup_path",
        "users_lookup",
        "products_lookup",
        "plans_lookup",
        "ip_risk_lookup",
        "gold_read_path",
        "silver_bad_records_path",
        "catalog_database",
    ],
    run: start,
};

/// The table's name in the catalog: a database may hold the silver of several systems.
const CATALOG_NAME: &str = "enrichment_silver";

/// Rows joined and committed at once: some tens of megabytes. Part of what a transaction id means, so it never changes.
const PIECE_ROWS: usize = 50_000;
/// The text after which a piece is full however few its rows are; it never changes, either. One row may have a megabyte.
const PIECE_TEXT_BYTES: usize = 64 << 20;

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let catalog = Catalog::from_env().await?;
    let mut raw = settings::folder(context, "raw_path", "raw/stream_input")?;
    let silver = settings::silver(context)?;
    let bad_records = settings::folder(context, "silver_bad_records_path", "bad_records/silver")?;
    // What is set aside must not be read as raw again.
    let place = |what: &str, folder: &Folder| (what.to_owned(), folder.uri());
    check_apart(&[place("the raw data", &raw), place("silver", &silver)], &[place("the bad records", &bad_records)])?;
    if context.arguments.optional("ds").is_some() {
        raw = raw.child(&format!("ds={}", context.arguments.date("ds")?));
    }
    let mut objects = raw.data_objects().await?;
    let before = objects.len();
    objects.retain(|object| Format::of_name(&object.name) == Some(Format::Json));
    if objects.len() < before {
        context.warn(format!("{} object(s) of `{}` are no JSON lines: left alone", before - objects.len(), raw.uri()));
    }
    context.metric("raw_objects", objects.len());
    if objects.is_empty() {
        return Ok(Finish::skipped(Code::NoRawData, format!("no raw data in `{}`", raw.uri())));
    }
    let lookups = Lookups::read(context).await?;
    context.lock_folder(&silver).await?;
    let table = Delta::create(&silver, &SILVER, &[PARTITION], "silver").await?;
    let mut ingest = Ingest { context, lookups, table, totals: Totals::default() };
    let ended = ingest.files(&raw, &objects, &bad_records).await;
    ingest.report(&bad_records);
    // Whatever became of it: files before a refused one are in, and an earlier run may not have come to that.
    let registration = ingest.register(&catalog).await;
    ended?;
    Ok(registration.finish(ingest.finish()))
}

#[derive(Default)]
struct Totals {
    files_ingested: u64,
    files_known: u64,
    records: u64,
    bad: u64,
    malformed_ips: u64,
    written: Option<Written>,
}

struct Ingest<'a> {
    context: &'a JobContext,
    lookups: Lookups,
    table: Delta,
    totals: Totals,
}

impl<'a> Ingest<'a> {
    async fn files(&mut self, raw: &Folder, objects: &[Object], bad_records: &Folder) -> Result<(), JobError> {
        for object in objects {
            let source = Source::open(raw, &object.name).await?;
            let digest = source.digest().await?;
            let mut bad = BadRecords::into(bad_records.child(&format!("file={digest}")));
            self.file(&source, &digest, &mut bad).await?;
            self.totals.bad += bad.finish().await?;
        }
        Ok(())
    }

    async fn file(&mut self, source: &Source<'_>, digest: &str, bad: &mut BadRecords) -> Result<(), JobError> {
        let application = format!("enrichment_silver:{digest}");
        let done = self.table.transaction(&application).await?.unwrap_or(-1);
        let mut pieces = source.pieces();
        let mut records: Vec<Record> = Vec::new();
        let (mut piece, mut added, mut text_bytes) = (0, 0, 0);
        let (name, mut number) = (source.uri(), 0);
        while let Some(text) = pieces.next().await? {
            // Pieces are whole lines: what follows the last break is the end of the file.
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                number += 1;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                match record::parse(line.strip_suffix(b"\n").unwrap_or(line)) {
                    Ok(record) => {
                        records.push(record);
                        text_bytes += line.len();
                    }
                    Err((reason, kept)) => {
                        bad.add(&reason, &kept, Some(Place { file: &name, line: number })).await?;
                    }
                }
                if records.len() == PIECE_ROWS || text_bytes >= PIECE_TEXT_BYTES {
                    added += self.piece(&application, piece, done, std::mem::take(&mut records)).await?;
                    (piece, text_bytes) = (piece + 1, 0);
                }
            }
        }
        // The last piece may be empty: it says that the file is in.
        added += self.piece(&application, piece, done, records).await?;
        if done >= piece {
            self.totals.files_known += 1;
            tracing::info!("`{name}` is in silver already: nothing appended");
        } else {
            self.totals.files_ingested += 1;
            tracing::info!(row_count = added, "Appended {added} row(s) of `{name}` to silver");
        }
        Ok(())
    }

    /// Appends a piece, unless it is in; how many rows.
    async fn piece(&mut self, app: &str, number: i64, done: i64, records: Vec<Record>) -> Result<u64, JobError> {
        self.totals.records += records.len() as u64;
        self.totals.malformed_ips += records.iter().filter(|record| record.malformed_ip).count() as u64;
        if number <= done {
            return Ok(0);
        }
        let query = Query::new(self.context)?;
        self.lookups.register(&query).await?;
        query.rows("raw", &raw_rows::COLUMNS, vec![raw_rows::batch(&records)?]).await?;
        let rows = query.stream(include_str!("../sql/silver.sql"), &[], &SILVER).await?;
        let written = self.table.write(rows, Write::Append, Some((app, number)), &self.context.run_id).await?;
        let rows = written.rows;
        self.totals.written = Some(match self.totals.written.take() {
            None => written,
            Some(before) => Written {
                version: written.version,
                rows: before.rows + written.rows,
                files: before.files + written.files,
                bytes: before.bytes + written.bytes,
            },
        });
        Ok(rows)
    }

    fn report(&self, bad_records: &Folder) {
        let Ingest { context, table, totals, .. } = self;
        context.metric("files_ingested", totals.files_ingested);
        context.metric("files_known", totals.files_known);
        context.metric("records", totals.records);
        context.metric("bad_records", totals.bad);
        context.metric("silver_version", table.version());
        if totals.bad > 0 {
            let (bad, place) = (totals.bad, bad_records.uri());
            context.warn(format!("{bad} raw record(s) cannot be used and are set aside in `{place}`"));
        }
        let malformed = totals.malformed_ips;
        context.quality(QualityCheck {
            table: "silver".to_owned(),
            check: "ip_address format".to_owned(),
            status: if malformed == 0 { QualityStatus::Pass } else { QualityStatus::Warn },
            expected: Value::from(0),
            actual: Value::from(malformed),
            tolerance: Value::from(0),
            details: format!("{malformed} of {} addresses are not four groups of digits", totals.records),
        });
        if let Some(written) = &totals.written {
            context.metric("rows", written.rows);
            context.delta_output(table, written);
        }
    }

    async fn register<'c>(&self, catalog: &'c Catalog) -> Registration<'c>
    where
        'a: 'c,
    {
        let database = database(self.context, settings::SYSTEM);
        let columns = SILVER.iter().map(CatalogColumn::from).collect();
        let described = TableDescription::of_delta(database, CATALOG_NAME, &self.table, columns).await;
        let mut registration = Registration::begin(self.context, catalog);
        registration.add(CATALOG_NAME, described).await;
        registration
    }

    fn finish(&self) -> Finish {
        let Totals { files_known, files_ingested, written, .. } = &self.totals;
        match written {
            None => Finish::skipped(Code::IdempotentSkip, format!("all {files_known} file(s) are in silver already")),
            Some(written) => {
                let rows = written.rows;
                Finish::succeeded(format!("appended {rows} row(s) of {files_ingested} file(s) to silver"))
            }
        }
    }
}
