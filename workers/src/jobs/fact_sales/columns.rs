//! The columns of a sale, in the processed zone and in gold.

use crate::query::{Column, Kind, column};

/// The partition key of both zones.
pub(super) const DATE: &str = "date";

/// A sale in the processed zone: what ingestion writes and compaction expects, in order.
///
/// Source: pipelines.md 2.4, columns 1 to 13.
pub(super) const PROCESSED: [Column; 13] = [
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
    column("ingest_run_id", Kind::Text),
    column("source_file", Kind::Text),
    column("ingest_ts", Kind::Timestamp),
];

/// The last column of gold, before those of a dimension.
pub(super) const ROW_HASH: Column = column("row_hash", Kind::Text);

/// Gold's columns without those of a dimension.
pub(super) fn gold() -> Vec<Column> {
    PROCESSED.into_iter().chain([ROW_HASH]).collect()
}
