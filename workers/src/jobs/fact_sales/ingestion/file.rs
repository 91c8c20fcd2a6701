//! One sales file, from its zone to the archive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::arrow::array::{Array, AsArray, RecordBatch};
use serde_json::{Value as Json, json};

use super::super::columns::PROCESSED;
use super::super::pending::{Intent, Move};
use super::parse::{Counts, Stopped, by_reason, parse};
use super::source::{ObjectReader, Source};
use super::spool::{ACCEPTED, Spool, reject_paths};
use super::zones::{Names, RAW, VALIDATED, Zones};
use crate::job::{Code, JobContext, JobError};
use crate::lake::{
    Codec, Column, Error, Kind, Object, ParquetFile, PartitionLock, SuccessFile, audit_time, column, schema_of,
};
use crate::query::{Query, Value};

const ACCEPTED_SQL: &str = include_str!("../sql/accepted.sql");
/// The date a row is filed under; in the path, not in the file.
const SOLD_ON: Column = column("sold_on", Kind::Text);

/// What a run does with every file.
pub(super) struct Run<'a> {
    pub context: &'a JobContext,
    pub zones: Zones,
    pub lock: Arc<PartitionLock>,
    pub started_at: DateTime<Utc>,
}

/// A file that was ingested.
#[derive(Debug)]
pub(super) struct Ingested {
    pub file: String,
    pub counts: Counts,
    pub sha256: String,
    /// Good rows that were exact copies of others.
    pub duplicates: u64,
    pub repeated_headers: Vec<String>,
    /// Where its rejected rows are, as CSV.
    pub rejects: String,
    /// What was written to the processed zone, by date.
    pub written: BTreeMap<String, SuccessFile>,
}

impl Ingested {
    /// The file's data quality report.
    ///
    /// Source: pipelines.md 2.7, "Alarms".
    pub fn report(&self) -> Json {
        let Counts { rows, good, recovered, revenue, .. } = &self.counts;
        json!({
            "file": self.file,
            "sha256": self.sha256,
            "rows": rows,
            "good": good,
            "rejected": self.counts.rejects(),
            "rejected_by_reason": by_reason(&self.counts),
            "delimiter_recovered_rows": recovered,
            "duplicate_rows_dropped": self.duplicates,
            "revenue": (revenue * 100.0).round() / 100.0,
            "dates": self.written.keys().collect::<Vec<_>>(),
        })
    }
}

impl Run<'_> {
    /// Ingests a file of a zone.
    ///
    /// # Errors
    /// [`Stopped`]; nothing of the file is visible then, and it is where it was (or, after a fault, in the validated
    /// zone).
    pub async fn ingest(&self, zone: &str, object: &Object) -> Result<Ingested, Stopped> {
        // A fault of this machine, which is not held against the file.
        let place = tempfile::tempdir().map_err(|error| {
            let folder = std::env::temp_dir();
            let folder = folder.display();
            let message =
                format!("cannot make a temporary folder in `{folder}`: {error}; is TMPDIR right, the disk full?");
            JobError::new(Code::StorageError, message)
        })?;
        let folder = self.zones.base.child(zone);
        // As it is now: it may have been delivered again since it was listed.
        let before = folder.state(&object.name).await.map_err(JobError::from)?;
        let before = before.ok_or_else(|| JobError::from(Error::NotFound { uri: folder.uri_of(&object.name) }))?;
        let reader = ObjectReader::new(folder, &object.name, before.size_bytes);
        let path = place.path().to_owned();
        let parsing = tokio::task::spawn_blocking(move || {
            let mut spool = Spool::create(&path)?;
            let parsed = parse(Source::new(reader), &mut spool)?;
            spool.finish()?;
            Ok::<_, Stopped>(parsed)
        });
        let parsed = parsing
            .await
            .map_err(|error| JobError::new(Code::UnexpectedError, format!("reading the file broke off: {error}")))??;

        let names = Names::new(&object.name, &parsed.sha256);
        let dates =
            if parsed.counts.good > 0 { self.file_by_date(place.path(), &object.name).await? } else { Vec::new() };
        let kept: u64 = dates.iter().map(|date| date.rows).sum();
        let mut ingested = Ingested {
            file: object.name.clone(),
            duplicates: parsed.counts.good - kept,
            counts: parsed.counts,
            sha256: parsed.sha256,
            repeated_headers: parsed.repeated_headers,
            rejects: self.zones.base.uri_of(&names.rejects("csv")),
            written: BTreeMap::new(),
        };
        let mut intent = Intent {
            run_id: self.context.run_id.clone(),
            source_file: object.name.clone(),
            archive: vec![Move {
                from: format!("{VALIDATED}/{}", object.name),
                to: names.archive(self.started_at, &self.context.run_id),
            }],
            ..Intent::default()
        };
        for date in dates {
            let to = names.processed(&date.value);
            let name = to.rsplit('/').next().unwrap_or_default().to_owned();
            ingested.written.insert(date.value, SuccessFile { name, rows: Some(date.rows), bytes: date.bytes });
            self.stage(&mut intent, &date.path, to).await?;
        }
        if ingested.counts.rejects() > 0 {
            let (json, csv) = reject_paths(place.path());
            self.stage(&mut intent, &json, names.rejects("json")).await?;
            self.stage(&mut intent, &csv, names.rejects("csv")).await?;
        }
        let report = place.path().join("report.json");
        let mut text = ingested.report();
        text["run_id"] = json!(self.context.run_id);
        text["ingested_at"] = json!(audit_time(self.started_at));
        tokio::fs::write(&report, text.to_string())
            .await
            .map_err(|error| JobError::new(Code::UnexpectedError, format!("cannot write a temporary file: {error}")))?;
        self.stage(&mut intent, &report, names.report()).await?;

        // Delivered again meanwhile: what was read is not what would be archived.
        let now = self.zones.base.child(zone).state(&object.name).await.map_err(JobError::from)?;
        if now.is_none_or(|now| !now.is_still(&before)) {
            let uri = self.zones.base.uri_of(&format!("{zone}/{}", object.name));
            let message = format!("`{uri}` was changed while it was read; nothing of it was taken, run again");
            return Err(JobError::new(Code::StorageError, message).into());
        }
        if zone == RAW {
            let (from, to) = (format!("{RAW}/{}", object.name), format!("{VALIDATED}/{}", object.name));
            self.zones.relocate(&from, &to).await.map_err(JobError::from)?;
        }
        self.lock.check().await.map_err(JobError::from)?;
        let pending = self.zones.pending();
        pending.declare(&names.id, &intent).await.map_err(JobError::from)?;
        pending.settle().await.map_err(JobError::from)?;
        Ok(ingested)
    }

    /// Uploads a result where nobody looks, to be made visible as `to`.
    async fn stage(&self, intent: &mut Intent, path: &Path, to: String) -> Result<(), JobError> {
        let from = self.zones.pending().staging(&self.context.run_id, &intent.publish.len().to_string());
        self.zones.base.put_file(&from, path).await?;
        intent.publish.push(Move { from, to });
        Ok(())
    }

    /// The accepted rows without copies, one Parquet file per date in the temporary folder.
    async fn file_by_date(&self, place: &Path, source_file: &str) -> Result<Vec<Date>, JobError> {
        let query = Query::new(self.context)?;
        let spooled = self.context.lake.folder_at(&format!("file://{}", place.display()))?;
        query.parquet("accepted", &spooled, &[ACCEPTED.to_owned()], None).await?;
        let parameters = [
            ("run_id", Value::from(self.context.run_id.as_str())),
            ("source_file", Value::from(source_file)),
            ("ingested_at", Value::from(self.started_at)),
        ];
        let columns: Vec<Column> = PROCESSED.into_iter().chain([SOLD_ON]).collect();
        let mut rows = query.stream(ACCEPTED_SQL, &parameters, &columns).await?;
        let mut dates = Vec::new();
        let mut current: Option<(String, ParquetFile)> = None;
        let uri = self.zones.base.uri_of(&format!("{RAW}/{source_file}"));
        while let Some(batch) = rows.next(&uri).await? {
            for (value, part) in by_date(&batch)? {
                let file = match current.take() {
                    Some((date, file)) if date == value => file,
                    other => {
                        if let Some((date, file)) = other {
                            dates.push(Date::ended(date, file).await?);
                        }
                        let path = place.join(format!("{value}.parquet"));
                        ParquetFile::create(&path, schema_of(&PROCESSED), Codec::Snappy, &uri)?
                    }
                };
                current = Some((value, file.write(part).await?));
            }
        }
        if let Some((date, file)) = current {
            dates.push(Date::ended(date, file).await?);
        }
        Ok(dates)
    }
}

/// The rows of one date, on disk.
struct Date {
    value: String,
    path: PathBuf,
    rows: u64,
    bytes: u64,
}

impl Date {
    async fn ended(value: String, file: ParquetFile) -> Result<Date, Error> {
        let end = file.finish().await?;
        Ok(Date { value, path: end.path, rows: end.rows, bytes: end.bytes })
    }
}

/// The runs of equal dates in a batch ordered by date, without the date.
fn by_date(batch: &RecordBatch) -> Result<Vec<(String, RecordBatch)>, JobError> {
    let failed = |error: String| JobError::new(Code::UnexpectedError, format!("cannot file rows by date: {error}"));
    let dates = batch.column(PROCESSED.len()).as_string_opt::<i32>();
    let dates = dates.ok_or_else(|| failed("the date is no text".to_owned()))?;
    let indices: Vec<usize> = (0..PROCESSED.len()).collect();
    let sales = batch.project(&indices).map_err(|error| failed(error.to_string()))?;
    let mut parts = Vec::new();
    let mut start = 0;
    for row in 1..=dates.len() {
        if row == dates.len() || dates.value(row) != dates.value(start) {
            parts.push((dates.value(start).to_owned(), sales.slice(start, row - start)));
            start = row;
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::test_context;
    use crate::lake::Partition;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_has_grown_since_it_was_listed_is_read_to_its_end() {
        let (_place, context) = test_context();
        let base = context.lake.folder("sales", "").unwrap();
        let mut text = "transaction_id,store_id,timestamp,item_id,quantity,unit_price,revenue\n".to_owned();
        let listed = text.len() as u64;
        for n in 0..3 {
            text.push_str(&format!("T{n},S1,2024-12-07,I1,1,2,2\n"));
        }
        base.put("raw/a.csv", text).await.unwrap();
        let lock = context.lock(&Partition::new(base.clone(), "ingestion")).await.unwrap();
        let run = Run { context: &context, zones: Zones { base }, lock, started_at: Utc::now() };
        let object = |name: &str| Object { name: name.to_owned(), size_bytes: listed };
        let ingested = run.ingest(RAW, &object("a.csv")).await.unwrap();
        assert_eq!((ingested.counts.rows, ingested.counts.good), (3, 3));
        let Err(Stopped::Fault(gone)) = run.ingest(RAW, &object("gone.csv")).await else {
            panic!("there is no such file")
        };
        assert!(gone.message.contains("gone.csv"), "{gone}");
    }
}
