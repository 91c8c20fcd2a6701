//! The statements of silver; the long ones are files in `sql/silver/`.

use super::super::settings::Settings;
use super::super::table::{Layer, ORDER_ITEMS, ORDERS, PRODUCTS, Source, columns};
use crate::job::JobError;
use crate::lake::delta::Delta;
use crate::query::Query;

/// Bronze with types: `(view, statement)` by source.
fn typed(name: &str) -> (&'static str, &'static str) {
    match name {
        "products" => ("typed_products", include_str!("../sql/silver/products_typed.sql")),
        "orders" => ("typed_orders", include_str!("../sql/silver/orders_typed.sql")),
        _ => ("typed_order_items", include_str!("../sql/silver/order_items_typed.sql")),
    }
}

/// The view with `validation_errors` of a source.
pub(super) fn checked(name: &str) -> &'static str {
    match name {
        "products" => "typed_products",
        "orders" => "typed_orders",
        _ => "checked_order_items",
    }
}

/// Makes the tables known: `bronze_<name>`, `silver_<name>`, `rejected`, and the typed views over them; for items those of
/// orders and products, too.
pub(super) async fn register(
    query: &Query,
    settings: &Settings,
    source: &Source,
    bronze: &Delta,
    silver: &Delta,
    rejected: &Delta,
) -> Result<(), JobError> {
    query.delta(&format!("bronze_{}", source.name), bronze).await?;
    query.delta(&format!("silver_{}", source.name), silver).await?;
    query.delta("rejected", rejected).await?;
    let (view, statement) = typed(source.name);
    query.view(view, statement, &[]).await?;
    if source.name != ORDER_ITEMS.name {
        return Ok(());
    }
    for other in [&ORDERS, &PRODUCTS] {
        for (layer, shape) in [(Layer::Bronze, other.bronze), (Layer::Silver, other.silver)] {
            let name = format!("{layer}_{}", other.name);
            match Delta::open(&settings.table(layer, other.name)).await? {
                Some(table) => query.delta(&name, &table).await?,
                None => query.rows(&name, &columns(shape.fields), Vec::new()).await?,
            }
        }
        let (view, statement) = typed(other.name);
        query.view(view, statement, &[]).await?;
    }
    query.keep("known_orders", include_str!("../sql/silver/known_orders.sql"), &[]).await?;
    query.keep("known_products", include_str!("../sql/silver/known_products.sql"), &[]).await?;
    query.view("checked_order_items", include_str!("../sql/silver/order_items_checked.sql"), &[]).await
}

/// Good rows, of all of bronze, whose key is in a file of the scope; `all`: those are all files.
pub(super) fn in_scope(checked: &str, key: &str, all: bool) -> String {
    if all {
        return format!("select * from {checked} where validation_errors = ''");
    }
    format!(
        "select * from {checked} where validation_errors = '' and {key} in \
         (select {key} from {checked} where bronze_source_file in (select bronze_source_file from scope))"
    )
}

/// The newest row of each key.
pub(super) fn newest(key: &str) -> String {
    format!(
        "select * from (select *, row_number() over (partition by {key} order by ingested_at desc, \
         bronze_source_file desc, row_number desc) as place from in_scope) as ranked where place = 1"
    )
}

/// Rows in the files of the scope, and how many of them are refused.
pub(super) fn counts(checked: &str) -> String {
    format!(
        "select count(*) as records, count(case when validation_errors <> '' then 1 end) as refused from {checked} \
         where bronze_source_file in (select bronze_source_file from scope)"
    )
}

/// Refused rows by what they break.
pub(super) fn reasons(checked: &str) -> String {
    format!(
        "select validation_errors, count(*) as rows from {checked} where validation_errors <> '' and bronze_source_file \
         in (select bronze_source_file from scope) group by validation_errors order by validation_errors"
    )
}

/// Refused rows of the scope as they came, with the reasons.
pub(super) fn rejected(source: &Source) -> String {
    let raw: Vec<String> = source.raw.iter().map(|declared| format!("b.{}", declared.name)).collect();
    format!(
        "select {}, c.validation_errors, b.row_number, b.corrupt_record, b.bronze_source_file, \
         ${{now}} as processing_timestamp from bronze_{} as b join {} as c \
         on c.bronze_source_file = b.bronze_source_file and c.row_number = b.row_number \
         where c.validation_errors <> '' and b.bronze_source_file in (select bronze_source_file from scope)",
        raw.join(", "),
        source.name,
        checked(source.name)
    )
}

/// The days that newest rows come into or leave.
pub(super) fn touched(source: &Source) -> String {
    let (name, key) = (source.name, source.key);
    format!(
        "select date from newest where date is not null union \
         select date from silver_{name} where {key} in (select {key} from newest) and date is not null"
    )
}

/// The new content of the days that change, or of the whole table.
pub(super) fn silver(name: &str) -> &'static str {
    match name {
        "products" => include_str!("../sql/silver/products.sql"),
        "orders" => include_str!("../sql/silver/orders.sql"),
        _ => include_str!("../sql/silver/order_items.sql"),
    }
}
