//! What the audit says of the rows of a partition, counted as they pass on their way to its files.
//!
//! Source: pipelines.md 2.5.

use std::sync::Arc;

use chrono::NaiveDate;
use deltalake::arrow::array::{Array, AsArray, RecordBatch};
use deltalake::arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use parking_lot::Mutex;

use crate::lake::Rows;
use crate::lake::read::MICROS_PER_DAY;
use crate::query::{Column, Kind, column};

/// How many numbers a row has lost on its way from the input: a column that only the tally sees, of a name that none of a
/// dimension can have.
pub(super) const LOST: Column = column("numbersLost", Kind::Int64);
/// How far an amount may be from quantity times price.
const BALANCE_TOLERANCE: f64 = 0.010_000_001;

/// Counts of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub null_transaction_id: u64,
    pub null_timestamp: u64,
    pub null_store: u64,
    /// Rows whose revenue is not quantity times price.
    pub dq_balance_issues: u64,
    /// Rows of another day than the partition's.
    pub rows_outside_date: u64,
    /// Rows of a day before `late_before`.
    pub late_rows: u64,
    pub numeric_parse_failures: u64,
}

/// The days that rows are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Days {
    /// The partition's.
    pub date: NaiveDate,
    /// Rows of earlier days are late.
    pub late_before: NaiveDate,
}

/// The rows without [`LOST`], and the counts of those that have passed.
pub(super) fn tallied(rows: Rows, days: Days) -> (Rows, Arc<Mutex<Tally>>) {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let counts = tally.clone();
    let kept: Vec<Column> = rows.columns().iter().filter(|column| column.name != LOST.name).cloned().collect();
    (rows.seen(kept, move |batch| counts.lock().add(batch, days)), tally)
}

impl Tally {
    /// Columns are those of gold; [`LOST`] may be among them.
    fn add(&mut self, batch: &RecordBatch, days: Days) {
        let column = |name| batch.column_by_name(name).expect("gold has its columns");
        self.null_transaction_id += column("transaction_id").null_count() as u64;
        self.null_store += column("store_id").null_count() as u64;

        let instants = column("timestamp").as_primitive::<TimestampMicrosecondType>();
        self.null_timestamp += instants.null_count() as u64;
        let date = i64::from(days.date.to_epoch_days());
        let late_before = i64::from(days.late_before.to_epoch_days());
        for micros in instants.iter().flatten() {
            let day = micros.div_euclid(MICROS_PER_DAY);
            self.rows_outside_date += u64::from(day != date);
            self.late_rows += u64::from(day < late_before);
        }

        let quantities = column("quantity").as_primitive::<Int64Type>().iter();
        let prices = column("unit_price").as_primitive::<Float64Type>().iter();
        let revenues = column("revenue").as_primitive::<Float64Type>().iter();
        for ((quantity, price), revenue) in quantities.zip(prices).zip(revenues) {
            if let (Some(quantity), Some(price), Some(revenue)) = (quantity, price, revenue) {
                self.dq_balance_issues += u64::from((revenue - quantity as f64 * price).abs() > BALANCE_TOLERANCE);
            }
        }

        if let Some(lost) = batch.column_by_name(&LOST.name) {
            let lost = lost.as_primitive::<Int64Type>().iter().flatten();
            self.numeric_parse_failures += lost.map(i64::unsigned_abs).sum::<u64>();
        }
    }
}

#[cfg(test)]
mod tests {
    use deltalake::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    #[tokio::test]
    async fn rows_are_counted_as_they_pass_and_leave_without_the_hidden_column() {
        let texts = |values: [Option<&str>; 4]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let floats = |values: [Option<f64>; 4]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros();
        let instants = [
            Some(at("2024-12-07T23:59:59.999999Z")),
            Some(at("2024-12-06T23:59:59.999999Z")),
            Some(at("2024-12-05T12:00:00Z")),
            None,
        ];
        let batch = RecordBatch::try_from_iter([
            ("transaction_id", texts([Some("1"), Some("2"), None, None])),
            ("store_id", texts([Some("s"), None, Some("s"), Some("s")])),
            ("timestamp", Arc::new(TimestampMicrosecondArray::from(instants.to_vec()).with_timezone("UTC"))),
            ("quantity", Arc::new(Int64Array::from(vec![Some(2), Some(2), Some(2), None]))),
            ("unit_price", floats([Some(10.0), Some(10.0), Some(10.0), Some(10.0)])),
            ("revenue", floats([Some(20.01), Some(20.02), None, Some(1.0)])),
            (&*LOST.name, Arc::new(Int64Array::from(vec![Some(1), Some(0), Some(2), None]))),
        ])
        .unwrap();
        let columns = crate::lake::columns_of(&batch.schema());
        let days = Days { date: "2024-12-07".parse().unwrap(), late_before: "2024-12-06".parse().unwrap() };
        let (rows, tally) = tallied(Rows::of(&columns, vec![batch]), days);
        assert!(rows.columns().iter().all(|column| column.name != LOST.name));
        let left = rows.collect().await.unwrap();
        assert_eq!((left[0].num_rows(), left[0].num_columns()), (4, 6));
        let expected = Tally {
            null_transaction_id: 2,
            null_timestamp: 1,
            null_store: 1,
            dq_balance_issues: 1,
            rows_outside_date: 2,
            late_rows: 1,
            numeric_parse_failures: 3,
        };
        assert_eq!(*tally.lock(), expected);
    }
}
