//! The ten tables: columns in the order the warehouse loads them, keys, the SQL that makes them, how they are written.
//!
//! Source: pipelines.md 3.3 and 3.4.

use crate::lake::publish::WriteSettings;
use crate::lake::{Codec, FileSizing};
use crate::query::{Column, Kind, column};

/// Files of a fact table, or of one date of it.
const FACT_FILES_MAX: u64 = 10;
/// Aimed size of a file in MiB.
const TARGET_FILE_MB: u64 = 128;

/// Which of the three gold locations a table lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `--GOLD_DIM`.
    Dimension,
    /// `--GOLD_FACT`.
    Fact,
    /// `--GOLD_MART`.
    Mart,
}

/// A table of the star schema.
#[derive(Clone, Copy, Debug)]
pub struct GoldTable {
    /// Its name and its folder's.
    pub name: &'static str,
    /// Where it lies.
    pub place: Place,
    /// Its columns; the order is binding.
    pub columns: &'static [Column],
    /// The columns that tell its rows apart.
    pub key: &'static [&'static str],
    /// Its rows, in order, from the prepared tables.
    pub sql: &'static str,
    /// The column it is partitioned by, when facts are; the column is in the files as well.
    pub split_by: Option<&'static str>,
    /// Whether a star schema without a row of it is a failure.
    pub rows_required: bool,
}

impl GoldTable {
    /// How its files are written.
    pub fn settings(&self) -> WriteSettings {
        let files_max = if self.place == Place::Fact { FACT_FILES_MAX } else { 1 };
        WriteSettings { codec: Codec::Snappy, sizing: FileSizing { target_file_mb: TARGET_FILE_MB, files_max } }
    }
}

const TEXT: Kind = Kind::Text;
const INT32: Kind = Kind::Int32;
const INT64: Kind = Kind::Int64;
const FLOAT64: Kind = Kind::Float64;
const DATE: Kind = Kind::Date;
const TIMESTAMP: Kind = Kind::Timestamp;

/// All ten, in the order they are made and switched.
pub const TABLES: &[GoldTable] = &[
    GoldTable {
        name: "dim_users",
        place: Place::Dimension,
        columns: &[
            column("user_id", TEXT),
            column("name", TEXT),
            column("email", TEXT),
            column("city", TEXT),
            column("phone", TEXT),
            column("age", TEXT),
            column("updated_at", TIMESTAMP),
        ],
        key: &["user_id"],
        sql: include_str!("sql/dim_users.sql"),
        split_by: None,
        rows_required: true,
    },
    GoldTable {
        name: "dim_country",
        place: Place::Dimension,
        columns: &[column("country", TEXT)],
        key: &["country"],
        sql: include_str!("sql/dim_country.sql"),
        split_by: None,
        rows_required: false,
    },
    GoldTable {
        name: "dim_status",
        place: Place::Dimension,
        columns: &[column("status", TEXT)],
        key: &["status"],
        sql: include_str!("sql/dim_status.sql"),
        split_by: None,
        rows_required: false,
    },
    GoldTable {
        name: "dim_date",
        place: Place::Dimension,
        columns: &[
            column("date", DATE),
            column("year", INT32),
            column("month", INT32),
            column("day", INT32),
            column("day_of_week", TEXT),
            column("week_of_year", INT32),
            column("month_name", TEXT),
        ],
        key: &["date"],
        sql: include_str!("sql/dim_date.sql"),
        split_by: None,
        rows_required: false,
    },
    GoldTable {
        name: "fact_events",
        place: Place::Fact,
        columns: &[
            column("event_id", TEXT),
            column("user_id", TEXT),
            column("ts", TIMESTAMP),
            column("event_date", DATE),
            column("country", TEXT),
            column("user_city", TEXT),
            column("user_age", TEXT),
            column("user_email", TEXT),
        ],
        key: &["event_id"],
        sql: include_str!("sql/fact_events.sql"),
        split_by: Some("event_date"),
        rows_required: true,
    },
    GoldTable {
        name: "fact_transactions",
        place: Place::Fact,
        columns: &[
            column("tx_id", TEXT),
            column("user_id", TEXT),
            column("amount", FLOAT64),
            column("status", TEXT),
            column("created_at", TIMESTAMP),
            column("delivered_at", TIMESTAMP),
            column("tx_date", DATE),
            column("user_city", TEXT),
            column("user_age", TEXT),
            column("user_email", TEXT),
        ],
        key: &["tx_id"],
        sql: include_str!("sql/fact_transactions.sql"),
        split_by: Some("tx_date"),
        rows_required: true,
    },
    GoldTable {
        name: "fact_user_activity",
        place: Place::Fact,
        columns: &[
            column("user_id", TEXT),
            column("date", DATE),
            column("events_count", INT64),
            column("transactions_count", INT64),
            column("total_revenue", FLOAT64),
            column("avg_transaction_amount", FLOAT64),
        ],
        key: &["user_id", "date"],
        sql: include_str!("sql/fact_user_activity.sql"),
        split_by: None,
        rows_required: false,
    },
    GoldTable {
        name: "daily_revenue",
        place: Place::Mart,
        columns: &[
            column("date", DATE),
            column("transaction_count", INT64),
            column("total_revenue", FLOAT64),
            column("avg_amount", FLOAT64),
            column("delivered_count", INT64),
        ],
        key: &["date"],
        sql: include_str!("sql/daily_revenue.sql"),
        split_by: None,
        rows_required: true,
    },
    GoldTable {
        name: "daily_active_users",
        place: Place::Mart,
        columns: &[
            column("date", DATE),
            column("event_active_users", INT64),
            column("tx_active_users", INT64),
            column("total_active_users", INT64),
        ],
        key: &["date"],
        sql: include_str!("sql/daily_active_users.sql"),
        split_by: None,
        rows_required: false,
    },
    GoldTable {
        name: "user_ltv",
        place: Place::Mart,
        columns: &[
            column("user_id", TEXT),
            column("event_count", INT64),
            column("first_event", TIMESTAMP),
            column("last_event", TIMESTAMP),
            column("transaction_count", INT64),
            column("total_revenue", FLOAT64),
            column("ltv", FLOAT64),
        ],
        key: &["user_id"],
        sql: include_str!("sql/user_ltv.sql"),
        split_by: None,
        rows_required: false,
    },
];
