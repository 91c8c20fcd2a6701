//! The tables of this system: columns in order, keys, partitions.
//!
//! Source: pipelines.md 5.1, 5.3.

use std::fmt;

use crate::job::{Arguments, JobError};
use crate::lake::read::{Declared, Kind as RawKind};
use crate::query::{Column, Kind, column};

/// Where a table is in the way of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// As delivered.
    Raw,
    /// As delivered, as a table of text.
    Bronze,
    /// Typed, checked, one row per key.
    Silver,
    /// Figures.
    Gold,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Raw => "raw",
            Layer::Bronze => "bronze",
            Layer::Silver => "silver",
            Layer::Gold => "gold",
        })
    }
}

/// A column and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// For the catalog.
    pub comment: &'static str,
}

const fn field(name: &'static str, kind: Kind, comment: &'static str) -> Field {
    Field { name, kind, comment }
}

/// The columns as the lake takes them.
pub(super) fn columns(fields: &[Field]) -> Vec<Column> {
    fields.iter().map(|field| column(field.name, field.kind)).collect()
}

/// A Delta table of one layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableShape {
    /// Its name, and its folder's.
    pub name: &'static str,
    /// Its columns in order.
    pub fields: &'static [Field],
    /// Columns it is partitioned by.
    pub partition_by: &'static [&'static str],
    /// Columns its files are clustered by.
    pub z_order: &'static [&'static str],
}

/// A source dataset on its way through bronze and silver.
#[derive(Debug)]
pub(super) struct Source {
    /// `products`, `orders`, `order_items`.
    pub name: &'static str,
    /// The key's column.
    pub key: &'static str,
    /// The columns of a raw file.
    pub raw: &'static [Declared],
    /// Those that it must have; the others are null where it does not.
    pub required: &'static [&'static str],
    /// The bronze table.
    pub bronze: TableShape,
    /// The silver table.
    pub silver: TableShape,
    /// Silver rows that broke a rule: the bronze columns as text, and why.
    pub rejected: TableShape,
}

/// All sources, in the order of their dependence.
pub(super) const SOURCES: [&Source; 3] = [&PRODUCTS, &ORDERS, &ORDER_ITEMS];

/// The source of `--table`.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` naming the three there are.
pub(super) fn source(arguments: &Arguments) -> Result<&'static Source, JobError> {
    let name = arguments.required("table")?;
    SOURCES.into_iter().find(|source| source.name == name).ok_or_else(|| {
        JobError::arguments(format!("--table is `{}`; give products, orders or order_items", name.escape_debug()))
    })
}

/// The column of bronze tables that names the raw file; they are partitioned by it, so that a file delivered again
/// replaces exactly its rows.
pub(super) const SOURCE_FILE: &str = "bronze_source_file";

const BRONZE_FILE: Field = field(SOURCE_FILE, Kind::Text, "raw file the row came from");
const PROCESSED_AT: Field =
    field("processing_timestamp", Kind::Timestamp, "when the run that wrote the row began, UTC");
/// Of bronze, where it orders the rows of files that came one after the other.
const TAKEN_AT: Field =
    field("processing_timestamp", Kind::Timestamp, "when the file was taken in, UTC; later for files delivered later");
const LAYER: Field = field("layer", Kind::Text, "layer of the lake");
const ROW_NUMBER: Field = field("row_number", Kind::Int64, "row within the raw file, 1 for the first");
const CORRUPT: Field = field("corrupt_record", Kind::Text, "text of a row that could not be read whole");
const ERRORS: Field = field("validation_errors", Kind::Text, "the rules the row broke, by comma");
const SOURCE_TABLES: Field = field("silver_source_tables", Kind::Text, "silver tables the row was computed from");

const fn text(name: &'static str, comment: &'static str) -> Field {
    field(name, Kind::Text, comment)
}

/// Everything is text until silver: what cannot be read is kept as it came.
const fn delivered(name: &'static str) -> Declared {
    Declared { name, kind: RawKind::Text }
}

const fn bronze(name: &'static str, fields: &'static [Field]) -> TableShape {
    TableShape { name, fields, partition_by: &[SOURCE_FILE], z_order: &[] }
}

/// `products`.
pub(super) const PRODUCTS: Source = Source {
    name: "products",
    key: "product_id",
    raw: &[
        delivered("product_id"),
        delivered("department_id"),
        delivered("department"),
        delivered("product_name"),
        delivered("is_active"),
    ],
    required: &["product_id"],
    bronze: bronze("products", BRONZE_PRODUCTS),
    silver: TableShape {
        name: "products",
        fields: &[
            field("product_id", Kind::Int32, "key"),
            field("department_id", Kind::Int32, "department's number as delivered"),
            text("department", "department as delivered"),
            text("department_standardized", "department in its one spelling"),
            text("product_name", "name"),
            field("is_active", Kind::Boolean, "whether it is on sale; true unless the source says otherwise"),
            BRONZE_FILE,
            PROCESSED_AT,
            LAYER,
        ],
        partition_by: &[],
        z_order: &[],
    },
    rejected: bronze(
        "products",
        &[
            P_ID,
            P_DEPARTMENT_ID,
            P_DEPARTMENT,
            P_NAME,
            P_ACTIVE,
            ERRORS,
            ROW_NUMBER,
            CORRUPT,
            BRONZE_FILE,
            PROCESSED_AT,
        ],
    ),
};

const P_ID: Field = text("product_id", "key");
const P_DEPARTMENT_ID: Field = text("department_id", "department's number");
const P_DEPARTMENT: Field = text("department", "department");
const P_NAME: Field = text("product_name", "name");
const P_ACTIVE: Field = text("is_active", "whether it is on sale");
const BRONZE_PRODUCTS: &[Field] =
    &[P_ID, P_DEPARTMENT_ID, P_DEPARTMENT, P_NAME, P_ACTIVE, ROW_NUMBER, CORRUPT, BRONZE_FILE, TAKEN_AT, LAYER];

/// `orders`.
pub(super) const ORDERS: Source = Source {
    name: "orders",
    key: "order_id",
    raw: &[
        delivered("order_num"),
        delivered("order_id"),
        delivered("user_id"),
        delivered("order_timestamp"),
        delivered("total_amount"),
        delivered("date"),
    ],
    required: &["order_id", "user_id", "order_timestamp", "total_amount"],
    bronze: bronze("orders", BRONZE_ORDERS),
    silver: TableShape {
        name: "orders",
        fields: &[
            field("order_num", Kind::Int32, "number of the order at its shop"),
            text("order_id", "key"),
            field("user_id", Kind::Int32, "customer"),
            field("order_timestamp", Kind::Timestamp, "when it was placed, UTC"),
            field("total_amount", Kind::Float64, "amount of the whole order"),
            field("date", Kind::Date, "day of the order"),
            field("day_of_week", Kind::Int32, "1 for Sunday to 7 for Saturday"),
            field("hour_of_day", Kind::Int32, "0 to 23, UTC"),
            BRONZE_FILE,
            PROCESSED_AT,
            LAYER,
        ],
        partition_by: &["date"],
        z_order: &[],
    },
    rejected: bronze(
        "orders",
        &[O_NUM, ORDER_ID, USER_ID, PLACED_AT, O_AMOUNT, DATE, ERRORS, ROW_NUMBER, CORRUPT, BRONZE_FILE, PROCESSED_AT],
    ),
};

const O_NUM: Field = text("order_num", "number of the order at its shop");
const ORDER_ID: Field = text("order_id", "order");
const USER_ID: Field = text("user_id", "customer");
const PLACED_AT: Field = text("order_timestamp", "when the order was placed");
const O_AMOUNT: Field = text("total_amount", "amount of the whole order");
const DATE: Field = text("date", "day of the order");
const BRONZE_ORDERS: &[Field] =
    &[O_NUM, ORDER_ID, USER_ID, PLACED_AT, O_AMOUNT, DATE, ROW_NUMBER, CORRUPT, BRONZE_FILE, TAKEN_AT, LAYER];

/// `order_items`.
pub(super) const ORDER_ITEMS: Source = Source {
    name: "order_items",
    key: "id",
    raw: &[
        delivered("id"),
        delivered("order_id"),
        delivered("user_id"),
        delivered("days_since_prior_order"),
        delivered("product_id"),
        delivered("add_to_cart_order"),
        delivered("reordered"),
        delivered("order_timestamp"),
        delivered("date"),
    ],
    required: &["id", "order_id", "product_id", "order_timestamp"],
    bronze: bronze("order_items", BRONZE_ITEMS),
    silver: TableShape {
        name: "order_items",
        fields: &[
            field("id", Kind::Int32, "key"),
            text("order_id", "order"),
            field("user_id", Kind::Int32, "customer"),
            field("days_since_prior_order", Kind::Int32, "days since the customer's order before"),
            text("days_since_prior_order_bucket", "the same in ranges"),
            field("product_id", Kind::Int32, "product"),
            field("add_to_cart_order", Kind::Int32, "place in the cart"),
            field("reordered", Kind::Boolean, "whether the customer had bought it before"),
            field("order_timestamp", Kind::Timestamp, "when the order was placed, UTC"),
            field("date", Kind::Date, "day of the order"),
            BRONZE_FILE,
            PROCESSED_AT,
            LAYER,
        ],
        partition_by: &["date"],
        z_order: &[],
    },
    rejected: bronze(
        "order_items",
        &[
            I_ID,
            ORDER_ID,
            USER_ID,
            I_DAYS,
            I_PRODUCT,
            I_PLACE,
            I_REORDERED,
            PLACED_AT,
            DATE,
            ERRORS,
            ROW_NUMBER,
            CORRUPT,
            BRONZE_FILE,
            PROCESSED_AT,
        ],
    ),
};

const I_ID: Field = text("id", "key");
const I_DAYS: Field = text("days_since_prior_order", "days since the customer's order before");
const I_PRODUCT: Field = text("product_id", "product");
const I_PLACE: Field = text("add_to_cart_order", "place in the cart");
const I_REORDERED: Field = text("reordered", "whether the customer had bought it before");
const BRONZE_ITEMS: &[Field] = &[
    I_ID,
    ORDER_ID,
    USER_ID,
    I_DAYS,
    I_PRODUCT,
    I_PLACE,
    I_REORDERED,
    PLACED_AT,
    DATE,
    ROW_NUMBER,
    CORRUPT,
    BRONZE_FILE,
    TAKEN_AT,
    LAYER,
];

/// The four gold tables.
pub(super) const GOLD: [&TableShape; 4] =
    [&DAILY_SALES, &PRODUCT_PERFORMANCE, &DEPARTMENT_ANALYTICS, &CUSTOMER_INSIGHTS];

/// `daily_sales`.
pub(super) const DAILY_SALES: TableShape = TableShape {
    name: "daily_sales",
    fields: &[
        field("date", Kind::Date, "day; key"),
        field("total_sales", Kind::Float64, "sum of the orders' amounts"),
        field("order_count", Kind::Int32, "orders"),
        field("avg_order_value", Kind::Float64, "total_sales by order_count"),
        field("items_per_order", Kind::Float64, "items by orders"),
        field("unique_customers", Kind::Int32, "customers with an order"),
        SOURCE_TABLES,
        PROCESSED_AT,
        LAYER,
        text("year", "year of the day, four digits"),
        text("month", "month of the day, two digits"),
    ],
    partition_by: &["year", "month"],
    z_order: &[],
};

/// `product_performance`.
pub(super) const PRODUCT_PERFORMANCE: TableShape = TableShape {
    name: "product_performance",
    fields: &[
        field("product_id", Kind::Int32, "product; key"),
        field("department_id", Kind::Int32, "department's number as delivered"),
        text("department", "department in its one spelling"),
        text("product_name", "name"),
        field("total_quantity", Kind::Int32, "items sold in the window"),
        field("total_sales", Kind::Float64, "the items' even shares of their orders' amounts"),
        field("reorder_rate", Kind::Float64, "part of the items that the customer had bought before, 0 to 1"),
        field("avg_days_between_orders", Kind::Float64, "mean days since the customers' orders before"),
        SOURCE_TABLES,
        PROCESSED_AT,
        LAYER,
    ],
    partition_by: &["department"],
    z_order: &["product_id"],
};

/// `department_analytics`.
pub(super) const DEPARTMENT_ANALYTICS: TableShape = TableShape {
    name: "department_analytics",
    fields: &[
        field("department_id", Kind::Int32, "department's number, where its products agree on one"),
        text("department", "department in its one spelling; key"),
        field("total_sales", Kind::Float64, "the items' even shares of their orders' amounts"),
        field("product_count", Kind::Int32, "products sold in the window"),
        field("customer_count", Kind::Int32, "customers who bought one"),
        field("order_count", Kind::Int32, "orders with one"),
        field("avg_order_value", Kind::Float64, "total_sales by order_count"),
        SOURCE_TABLES,
        PROCESSED_AT,
        LAYER,
    ],
    partition_by: &["department"],
    z_order: &["department_id"],
};

/// `customer_insights`.
pub(super) const CUSTOMER_INSIGHTS: TableShape = TableShape {
    name: "customer_insights",
    fields: &[
        field("user_id", Kind::Int32, "customer; key"),
        field("total_spend", Kind::Float64, "sum of the customer's orders"),
        field("order_count", Kind::Int32, "the customer's orders"),
        field("avg_order_value", Kind::Float64, "total_spend by order_count"),
        field("days_since_last_order", Kind::Int32, "days from the last order to the run's date"),
        text("customer_segment", "segment by recency, frequency and amount"),
        SOURCE_TABLES,
        PROCESSED_AT,
        LAYER,
    ],
    partition_by: &["customer_segment"],
    z_order: &["user_id"],
};
