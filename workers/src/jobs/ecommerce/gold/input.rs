//! The silver tables as gold reads them: declared columns, the window's rows.

use super::super::table::{ORDER_ITEMS, ORDERS, PRODUCTS, Source};
use super::super::window::Window;
use super::GoldJob;
use crate::job::{Code, JobError};
use crate::lake::delta::Delta;
use crate::query::{Kind, Query, Value, memory_bytes};

/// What an order takes in a join, about.
const ORDER_BYTES: u64 = 100;

/// A column of a silver table that gold reads.
struct Wanted {
    name: &'static str,
    /// How it is read; `{}` is the column.
    reading: &'static str,
    /// A column of this kind is read as it is.
    keeps: Option<Kind>,
    /// What stands for it where the table has no such column; `None`: the table is refused.
    absent: Option<&'static str>,
}

const fn required(name: &'static str, reading: &'static str) -> Wanted {
    Wanted { name, reading, keeps: None, absent: None }
}

const fn optional(name: &'static str, reading: &'static str, absent: &'static str) -> Wanted {
    Wanted { name, reading, keeps: None, absent: Some(absent) }
}

/// Keys that are numbers in one table and text in another are compared as text.
const AS_TEXT: &str = "sw_label(cast({} as string))";
const AS_INT: &str = "try_cast({} as int)";
/// NaN and infinities, which compare as larger than every number, are no amounts.
const AS_AMOUNT: &str = "case when abs(try_cast({} as double)) < 1e15 then try_cast({} as double) end";
const AS_DATE: &str = "try_cast({} as date)";
/// Flags come as 0/1, too, and as 0.0/1.0 from writers that have no integers with nulls.
const AS_FLAG: &str = "case when lower(cast({} as string)) in ('1', '1.0', 'true', 't', 'yes', 'y') then true \
                       when lower(cast({} as string)) in ('0', '0.0', 'false', 'f', 'no', 'n') then false end";

const NO_TEXT: &str = "cast(null as string)";
const NO_INT: &str = "cast(null as int)";

const ORDER_COLUMNS: &[Wanted] = &[
    required("order_id", AS_TEXT),
    required("user_id", AS_INT),
    required("total_amount", AS_AMOUNT),
    required("date", AS_DATE),
];

const ITEM_COLUMNS: &[Wanted] = &[
    // Nothing else refers to it, so it need not be text.
    Wanted { keeps: Some(Kind::Int32), ..required("id", AS_TEXT) },
    required("order_id", AS_TEXT),
    required("product_id", AS_INT),
    optional("days_since_prior_order", AS_INT, NO_INT),
    Wanted { keeps: Some(Kind::Boolean), ..optional("reordered", AS_FLAG, "cast(null as boolean)") },
    optional("date", AS_DATE, "cast(null as date)"),
];

const PRODUCT_COLUMNS: &[Wanted] = &[
    required("product_id", AS_INT),
    optional("department_id", AS_INT, NO_INT),
    optional("department_standardized", AS_TEXT, NO_TEXT),
    optional("department", AS_TEXT, NO_TEXT),
    optional("product_name", AS_TEXT, NO_TEXT),
];

fn wanted(source: &Source) -> &'static [Wanted] {
    match source.name {
        "orders" => ORDER_COLUMNS,
        "order_items" => ITEM_COLUMNS,
        _ => PRODUCT_COLUMNS,
    }
}

/// The parameters of the window's statements.
pub(super) fn parameters(window: Window) -> Vec<(&'static str, Value)> {
    vec![
        ("from", Value::from(window.from)),
        ("to", Value::from(window.to)),
        ("yesterday", Value::from(window.to.pred_opt().unwrap_or(window.to))),
        ("days", Value::from(i64::try_from(window.days).unwrap_or(i64::MAX))),
        ("first_month", Value::from(window.from.format("%Y-%m").to_string())),
        ("last_month", Value::from(window.to.format("%Y-%m").to_string())),
    ]
}

/// Makes a silver table known by its source's name, with the columns gold reads.
///
/// # Errors
/// `SCHEMA_VALIDATION_FAILED` naming the required columns it does not have.
pub(super) async fn register(query: &Query, source: &Source, table: &Delta) -> Result<(), JobError> {
    let raw = format!("silver_{}", source.name);
    query.delta(&raw, table).await?;
    let found = query.columns(&raw).await?;
    let mut missing = Vec::new();
    let mut selected = Vec::new();
    for column in wanted(source) {
        let name = column.name;
        match (found.iter().find(|found| found.name == name), column.absent) {
            (Some(found), _) if column.keeps == Some(found.kind) => selected.push(name.to_owned()),
            (Some(_), _) => selected.push(format!("{} as {name}", column.reading.replace("{}", name))),
            (None, Some(null)) => selected.push(format!("{null} as {name}")),
            (None, None) => missing.push(name),
        }
    }
    if !missing.is_empty() {
        let message = format!(
            "`{}` has no column {}: gold needs it; build silver again with ecommerce-silver",
            table.uri(),
            missing.join(", ")
        );
        return Err(JobError::new(Code::SchemaValidationFailed, message));
    }
    if source.name == PRODUCTS.name {
        // The standardised name wins where silver has one.
        query.view("products_read", &format!("select {} from {raw}", selected.join(", ")), &[]).await?;
        let statement = "select product_id, department_id, coalesce(department_standardized, department) as department, \
                         product_name from products_read";
        return query.view(PRODUCTS.name, statement, &[]).await;
    }
    query.view(source.name, &format!("select {} from {raw}", selected.join(", ")), &[]).await
}

/// Makes the window's rows known: `order_window`, then, where items are read, `item_scope`, and with products `order_sold`.
/// The session to go on with, and the number of orders in the window.
///
/// # Errors
/// Those of the statements.
pub(super) async fn register_window(query: Query, job: &GoldJob, window: Window) -> Result<(Query, u64), JobError> {
    let parameters = parameters(window);
    debug_assert!(job.reads(&ORDERS), "every gold table is made of orders");
    let orders = query.keep("order_window", include_str!("../sql/gold/order_window.sql"), &parameters).await?;
    // A join by hash holds them in memory.
    let query = if are_many(orders)? { query.merge_joins() } else { query };
    if orders > 0 && job.reads(&ORDER_ITEMS) {
        let more: String = job.item_columns.iter().map(|name| format!(", i.{name}")).collect();
        let statement = include_str!("../sql/gold/item_scope.sql").replace("{{more}}", &more);
        query.keep("item_scope", &statement, &parameters).await?;
        if job.reads(&PRODUCTS) {
            query.keep("order_sold", include_str!("../sql/gold/order_sold.sql"), &[]).await?;
        }
    }
    Ok((query, orders))
}

/// Whether the orders of a window take half of the memory: then a statement may need all of it.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` if the allowance is no number.
pub(super) fn are_many(orders: u64) -> Result<bool, JobError> {
    Ok(orders.saturating_mul(ORDER_BYTES) > memory_bytes()? as u64 / 2)
}
