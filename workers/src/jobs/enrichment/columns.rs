//! The columns of silver and of the three gold tables, in order.
//!
//! Source: pipelines.md 4.2, 4.3.

use crate::query::{Column, Kind, column};

/// The column all four tables are partitioned by.
pub const PARTITION: &str = "event_date";

macro_rules! silver {
    ($($name:literal $kind:ident,)*) => {
        /// Silver: a transaction with what is known of its user, product, plan and address.
        pub static SILVER: [Column; 33] = [$(column($name, Kind::$kind)),*];

        static RISK: [Column; 34] = [$(column($name, Kind::$kind),)* column("is_high_risk_txn", Kind::Boolean)];
    };
}

silver! {
    "transaction_id" Text,
    "event_time" Timestamp,
    "user_id" Text,
    "product_id" Text,
    "subscription_type" Text,
    "amount" Float64,
    "location" Text,
    "device_id" Text,
    "payment_method" Text,
    "currency" Text,
    "is_new_user" Boolean,
    "referral_code" Text,
    "session_id" Text,
    "hash_ip" Text,
    "hash_card_number" Text,
    "card_number" Text,
    "event_date" Date,
    "country" Text,
    "user_status" Text,
    "missing_user" Boolean,
    "product_name" Text,
    "category" Text,
    "price" Float64,
    "missing_product" Boolean,
    "monthly_cost" Float64,
    "churn_risk" Text,
    "plan_duration" Int32,
    "missing_subscription" Boolean,
    "risk_level" Text,
    "risk_score" Float64,
    "ip_risk_location" Text,
    "missing_ip" Boolean,
    "usage_cost_ratio" Float64,
}

/// Without these there is no gold.
pub const REQUIRED: [&str; 7] =
    ["transaction_id", "user_id", "product_id", "amount", "event_date", "risk_level", "usage_cost_ratio"];

/// Keys of joins and groups: trimmed, blank is null.
pub const KEYS: [&str; 3] = ["transaction_id", "user_id", "product_id"];

static SPEND: [Column; 3] =
    [column("user_id", Kind::Text), column("event_date", Kind::Date), column("Total_spent_per_user", Kind::Float64)];

static USAGE: [Column; 3] = [
    column("product_id", Kind::Text),
    column("event_date", Kind::Date),
    column("average_usage_cost_ratio", Kind::Float64),
];

/// A gold table.
#[derive(Clone, Copy, Debug)]
pub struct GoldTable {
    /// Its name.
    pub name: &'static str,
    /// The argument that says where it is, and the place below the root when it does not.
    pub path: (&'static str, &'static str),
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// What a row is found by; the order within its files.
    pub z_order: &'static str,
}

/// Spend per user, usage per product, transactions with their flag.
pub static GOLD_TABLES: [GoldTable; 3] = [
    GoldTable {
        name: "user_spend_summary",
        path: ("gold_write_path_spend_summary", "delta/gold/user_spend_summary"),
        columns: &SPEND,
        z_order: "user_id",
    },
    GoldTable {
        name: "product_usage_metrics",
        path: ("gold_write_path_product_usage_metrics", "delta/gold/product_usage_metrics"),
        columns: &USAGE,
        z_order: "product_id",
    },
    GoldTable {
        name: "high_risk_txns",
        path: ("gold_write_path_high_risk_txns", "delta/gold/high_risk_txns"),
        columns: &RISK,
        z_order: "user_id",
    },
];
