//! Raw transactions as a table that SQL can join.

use std::sync::Arc;

use deltalake::arrow::array::TimestampMicrosecondBuilder;
use deltalake::arrow::array::{ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, RecordBatch, StringBuilder};
use deltalake::arrow::datatypes::{Field, Schema};

use super::record::{Record, TEXTS};
use crate::job::{Code, JobError};
use crate::lake::read::MICROS_PER_DAY;
use crate::query::{Column, Kind, column};

/// The columns of the table, the texts of [`TEXTS`] first; `line` is the order in the file.
pub static COLUMNS: [Column; 18] = [
    column("transaction_id", Kind::Text),
    column("user_id", Kind::Text),
    column("product_id", Kind::Text),
    column("subscription_type", Kind::Text),
    column("location", Kind::Text),
    column("device_id", Kind::Text),
    column("payment_method", Kind::Text),
    column("currency", Kind::Text),
    column("referral_code", Kind::Text),
    column("session_id", Kind::Text),
    column("hash_ip", Kind::Text),
    column("hash_card_number", Kind::Text),
    column("card_number", Kind::Text),
    column("event_time", Kind::Timestamp),
    column("event_date", Kind::Date),
    column("amount", Kind::Float64),
    column("is_new_user", Kind::Boolean),
    column("line", Kind::Float64),
];

/// How many of [`COLUMNS`], from the first, are texts.
const TEXT_COLUMNS: usize = TEXTS.len() + 4;

/// One batch of the records.
///
/// # Errors
/// `UNEXPECTED_ERROR` if the columns do not make a table, which would be a mistake here.
pub fn batch(records: &[Record]) -> Result<RecordBatch, JobError> {
    let mut texts: Vec<StringBuilder> = (0..TEXT_COLUMNS).map(|_| StringBuilder::new()).collect();
    let mut times = TimestampMicrosecondBuilder::new();
    let (mut dates, mut amounts, mut news, mut rows) =
        (Date32Builder::new(), Float64Builder::new(), BooleanBuilder::new(), Float64Builder::new());
    for (row, record) in records.iter().enumerate() {
        let others = [&record.session_id, &record.hash_ip, &record.hash_card_number, &record.card_number];
        for (builder, text) in texts.iter_mut().zip(record.texts.iter().chain(others)) {
            builder.append_option(text.as_deref());
        }
        times.append_option(record.event_time);
        // Days of the calendar that text can name fit: years have four digits.
        let day = record.event_time.and_then(|micros| i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok());
        dates.append_option(day);
        amounts.append_option(record.amount);
        news.append_option(record.is_new_user);
        rows.append_value(row as f64);
    }
    let mut arrays: Vec<ArrayRef> = texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
    arrays.push(Arc::new(times.finish().with_timezone("UTC")));
    arrays.push(Arc::new(dates.finish()));
    arrays.push(Arc::new(amounts.finish()));
    arrays.push(Arc::new(news.finish()));
    arrays.push(Arc::new(rows.finish()));
    let fields = COLUMNS.iter().map(|column| Field::new(column.name.as_ref(), column.kind.arrow(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, arrays)
        .map_err(|error| JobError::new(Code::UnexpectedError, format!("raw rows make no table: {error}")))
}
