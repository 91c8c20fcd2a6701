//! What one file's rows become, on this machine's disk: accepted rows as Parquet, rejects as JSON and CSV.
//!
//! Nothing here is visible to anybody; the files go with their temporary folder.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use csv::StringRecord;
use deltalake::arrow::array::{
    ArrayRef, Float64Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::header::{Field, Header};
use super::judge::{Reason, Sale};
use crate::job::{Code, JobError};
use crate::lake::{Codec, Column, Kind, ParquetFile, column, schema_of};
use crate::query::text_of_timestamp;

/// Rows encoded at once.
const BATCH_ROWS: usize = 8_192;

/// The name of the file of accepted rows.
pub(super) const ACCEPTED: &str = "accepted.parquet";

/// Its columns: the fields, the date they belong to, where the row stood, and a digest that equal rows share.
const ACCEPTED_COLUMNS: [Column; 13] = [
    column("transaction_id", Kind::Text),
    column("store_id", Kind::Text),
    column("timestamp", Kind::Timestamp),
    column("item_id", Kind::Text),
    column("item_category", Kind::Text),
    column("quantity", Kind::Int64),
    column("unit_price", Kind::Float64),
    column("revenue", Kind::Float64),
    column("payment_method", Kind::Text),
    column("customer_id", Kind::Text),
    column("sold_on", Kind::Text),
    column("line_number", Kind::Int64),
    column("row_digest", Kind::Text),
];

/// The columns of a reject, in both forms. Source: pipelines.md 2.7, step 10.
const REJECT_COLUMNS: [&str; 13] = [
    "raw_row",
    "transaction_id",
    "store_id",
    "timestamp_raw",
    "timestamp_parsed",
    "item_id",
    "item_category",
    "quantity",
    "unit_price",
    "revenue",
    "payment_method",
    "customer_id",
    "reject_reason",
];

/// The files being written.
pub(super) struct Spool {
    accepted: ParquetFile,
    texts: [StringBuilder; 6],
    timestamp: TimestampMicrosecondBuilder,
    quantity: Int64Builder,
    unit_price: Float64Builder,
    revenue: Float64Builder,
    sold_on: StringBuilder,
    line_number: Int64Builder,
    row_digest: StringBuilder,
    waiting: usize,
    json: BufWriter<File>,
    csv: csv::Writer<BufWriter<File>>,
}

/// The text fields of an accepted row, in the order of their builders.
const TEXTS: [Field; 6] =
    [Field::TransactionId, Field::StoreId, Field::ItemId, Field::ItemCategory, Field::PaymentMethod, Field::CustomerId];

/// Where the rejects are.
pub(super) fn reject_paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("rejects.json"), folder.join("rejects.csv"))
}

fn failed(error: impl std::fmt::Display) -> JobError {
    JobError::new(Code::UnexpectedError, format!("cannot write a temporary file: {error}; is the disk full?"))
}

impl Spool {
    pub fn create(folder: &Path) -> Result<Spool, JobError> {
        let path = folder.join(ACCEPTED);
        let schema = schema_of(&ACCEPTED_COLUMNS);
        let accepted = ParquetFile::create(&path, schema, Codec::Lz4, &path.display().to_string())?;
        let (json, csv) = reject_paths(folder);
        let json = BufWriter::new(File::create(json).map_err(failed)?);
        let mut csv = csv::Writer::from_writer(BufWriter::new(File::create(csv).map_err(failed)?));
        csv.write_record(REJECT_COLUMNS).map_err(failed)?;
        Ok(Spool {
            accepted,
            texts: Default::default(),
            timestamp: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            quantity: Int64Builder::new(),
            unit_price: Float64Builder::new(),
            revenue: Float64Builder::new(),
            sold_on: StringBuilder::new(),
            line_number: Int64Builder::new(),
            row_digest: StringBuilder::new(),
            waiting: 0,
            json,
            csv,
        })
    }

    /// Keeps a good row. Row `line_number` of the file, counted without the header.
    pub fn accept(
        &mut self,
        header: &Header,
        record: &StringRecord,
        sale: &Sale,
        line_number: u64,
    ) -> Result<(), JobError> {
        let mut digest = Md5::new();
        for (builder, field) in self.texts.iter_mut().zip(TEXTS) {
            let value = header.value(record, field);
            builder.append_option(value);
            // Absent and present values must not run into each other.
            digest.update([u8::from(value.is_some())]);
            digest.update(value.unwrap_or_default().len().to_le_bytes());
            digest.update(value.unwrap_or_default());
        }
        digest.update(sale.timestamp.to_le_bytes());
        digest.update(sale.quantity.to_le_bytes());
        digest.update(sale.unit_price.to_bits().to_le_bytes());
        digest.update(sale.revenue.to_bits().to_le_bytes());
        self.timestamp.append_value(sale.timestamp);
        self.quantity.append_value(sale.quantity);
        self.unit_price.append_value(sale.unit_price);
        self.revenue.append_value(sale.revenue);
        let instant = DateTime::from_timestamp_micros(sale.timestamp)
            .ok_or_else(|| JobError::new(Code::UnexpectedError, format!("no date for {} us", sale.timestamp)))?;
        self.sold_on.append_value(instant.date_naive().to_string());
        self.line_number.append_value(i64::try_from(line_number).unwrap_or(i64::MAX));
        self.row_digest.append_value(hex::encode(digest.finalize()));
        self.waiting += 1;
        if self.waiting == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), JobError> {
        self.waiting = 0;
        let [transaction_id, store_id, item_id, item_category, payment_method, customer_id] =
            self.texts.each_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let columns: Vec<ArrayRef> = vec![
            transaction_id,
            store_id,
            Arc::new(self.timestamp.finish()),
            item_id,
            item_category,
            Arc::new(self.quantity.finish()),
            Arc::new(self.unit_price.finish()),
            Arc::new(self.revenue.finish()),
            payment_method,
            customer_id,
            Arc::new(self.sold_on.finish()),
            Arc::new(self.line_number.finish()),
            Arc::new(self.row_digest.finish()),
        ];
        let batch = RecordBatch::try_new(schema_of(&ACCEPTED_COLUMNS), columns).map_err(failed)?;
        Ok(self.accepted.append(&batch)?)
    }

    /// Keeps a bad row as it came, with what could be read of it.
    pub fn reject(
        &mut self,
        header: &Header,
        record: &StringRecord,
        raw: &str,
        reason: Reason,
        timestamp: Option<i64>,
    ) -> Result<(), JobError> {
        let value = |field| header.value(record, field);
        let parsed = timestamp.map(text_of_timestamp);
        let values: [Option<&str>; 13] = [
            Some(raw),
            value(Field::TransactionId),
            value(Field::StoreId),
            value(Field::Timestamp),
            parsed.as_deref(),
            value(Field::ItemId),
            value(Field::ItemCategory),
            value(Field::Quantity),
            value(Field::UnitPrice),
            value(Field::Revenue),
            value(Field::PaymentMethod),
            value(Field::CustomerId),
            Some(reason.name()),
        ];
        let object: Map<String, Value> =
            REJECT_COLUMNS.iter().zip(values).map(|(name, value)| ((*name).to_owned(), Value::from(value))).collect();
        serde_json::to_writer(&mut self.json, &object).map_err(failed)?;
        self.json.write_all(b"\n").map_err(failed)?;
        self.csv.write_record(values.map(Option::unwrap_or_default)).map_err(failed)
    }

    /// Ends all files.
    pub fn finish(mut self) -> Result<(), JobError> {
        if self.waiting > 0 {
            self.flush()?;
        }
        self.accepted.end()?;
        self.json.flush().map_err(failed)?;
        self.csv.flush().map_err(failed)
    }
}
