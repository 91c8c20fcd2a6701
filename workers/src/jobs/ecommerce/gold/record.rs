//! What a gold run leaves of itself: `silver/processing/<table>/<run>.json` while it works, then the same in
//! `silver/archive` with what it wrote, or in `silver/failed` with why it failed.
//!
//! Silver is Delta, so no file moves; the record is the unit of work. Source: pipelines.md 5.7.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::settings::Settings;
use super::super::table::{Layer, Source};
use super::super::window::Window;
use crate::job::{Code, JobContext, JobError};
use crate::lake::delta::{Delta, Written};
use crate::lake::{Error, Folder, audit_time};

/// The record of the run in progress.
#[derive(Debug)]
pub(super) struct RunRecord {
    processing: Folder,
    archive: Folder,
    failed: Folder,
    name: String,
    content: Value,
}

impl RunRecord {
    /// Puts the record of a run that begins, with the silver versions and the dates it reads.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn begin(
        context: &JobContext,
        settings: &Settings,
        table: &str,
        window: Window,
        silver: &[(&'static Source, Delta)],
    ) -> Result<RunRecord, Error> {
        let read = silver
            .iter()
            .map(|(source, table)| (source.name.to_owned(), json!({ "uri": table.uri(), "version": table.version() })));
        let content = json!({
            "original_path": settings.bucket.uri_of(&format!("{}/{table}", Layer::Gold)),
            "status": "processing",
            "timestamp": audit_time(Utc::now()),
            "run_id": context.run_id,
            "date": window.to.to_string(),
            "dates": { "from": window.from.to_string(), "to": window.to.to_string() },
            "silver": serde_json::Map::from_iter(read),
        });
        let folder = |status: &str| settings.status(Layer::Silver, status, table);
        let record = RunRecord {
            processing: folder("processing"),
            archive: folder("archive"),
            failed: folder("failed"),
            name: format!("{}.json", context.run_id),
            content,
        };
        record.processing.put(&record.name, record.content.to_string()).await?;
        Ok(record)
    }

    /// Moves the record to `archive`; `written` is missing for a run that had nothing to do.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn succeed(mut self, gold: Option<(&Delta, &Written)>) -> Result<(), Error> {
        self.content["outputs"] = match gold {
            Some((table, written)) => json!([{
                "uri": table.uri(), "version": written.version, "rows": written.rows, "files": written.files,
                "bytes": written.bytes,
            }]),
            None => json!([]),
        };
        let archive = self.archive.clone();
        self.settle("archive", &archive).await
    }

    /// Moves the record to `failed`.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn fail(mut self, error: &JobError) -> Result<(), Error> {
        self.content["error_message"] = error.to_string().into();
        let failed = self.failed.clone();
        self.settle("failed", &failed).await
    }

    async fn settle(mut self, status: &str, folder: &Folder) -> Result<(), Error> {
        self.content["status"] = status.into();
        self.content["timestamp"] = audit_time(Utc::now()).into();
        folder.put(&self.name, self.content.to_string()).await?;
        self.processing.delete(&self.name).await
    }
}

/// Reports runs of the table that began longer than `timeout` ago and left their record in `processing`, and moves it to
/// `failed`. The caller holds the table's lock, so none of them is alive.
///
/// # Errors
/// [`Error::Storage`].
pub(super) async fn report_stale(
    context: &JobContext,
    settings: &Settings,
    table: &str,
    timeout: Duration,
) -> Result<(), Error> {
    let processing = settings.status(Layer::Silver, "processing", table);
    let failed = settings.status(Layer::Silver, "failed", table);
    for object in processing.objects().await? {
        let Some(bytes) = processing.get_optional(&object.name).await? else { continue };
        let mut content: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let began = content["timestamp"].as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let age = began.map(|began| (Utc::now() - began.to_utc()).to_std().unwrap_or_default());
        // One that cannot be read is of no run that could still end.
        if age.is_some_and(|age| age < timeout) {
            continue;
        }
        let code = Code::StaleRun;
        let since = began.map_or_else(|| "an unknown time".to_owned(), |began| audit_time(began.to_utc()));
        let message = format!("{code}: run `{}` of {table} began at {since} and never ended", object.name);
        if !content.is_object() {
            content = json!({});
        }
        content["status"] = "failed".into();
        content["error_message"] = message.clone().into();
        failed.put(&object.name, content.to_string()).await?;
        processing.delete(&object.name).await?;
        context.warn(message);
    }
    Ok(())
}
