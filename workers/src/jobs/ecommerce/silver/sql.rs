//! The statements of silver; the long ones are files in `sql/silver/`.

use super::super::settings::Settings;
use super::super::table::{Layer, ORDER_ITEMS, ORDERS, PRODUCTS, SOURCE_FILE, Source, columns};
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

/// Makes the tables known: `bronze_<name>`, `silver_<name>`, `rejected`, and the typed views over them; for items those of
/// orders and products, too, and the keys there are.
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
    Ok(())
}

/// Rows that lie in the files of the scope.
fn in_scope() -> String {
    format!("{SOURCE_FILE} in (select {SOURCE_FILE} from scope)")
}

/// The keys in the files of the scope.
pub(super) fn scope_keys(source: &Source) -> String {
    let ((typed, _), key) = (typed(source.name), source.key);
    format!("select {key} from {typed} where {key} is not null and {}", in_scope())
}

/// What is looked at: the rows in the files of the scope (`scoped`), and those of the same keys in all other files; `all`: there
/// are no others.
pub(super) fn candidates(source: &Source, all: bool) -> String {
    let ((typed, _), key) = (typed(source.name), source.key);
    if all {
        return format!("select t.*, true as scoped from {typed} as t");
    }
    // `not in` would hold the rows in memory, for the sake of nulls.
    format!(
        "select t.*, true as scoped from {typed} as t where {} union all \
         select t.*, false as scoped from {typed} as t \
         where not exists (select s.{SOURCE_FILE} from scope as s where s.{SOURCE_FILE} = t.{SOURCE_FILE}) \
         and {key} in (select {key} from scope_keys)",
        in_scope()
    )
}

/// The candidates with `validation_errors`, all the rules they break.
pub(super) fn checked(name: &str) -> &'static str {
    match name {
        "order_items" => include_str!("../sql/silver/order_items_checked.sql"),
        _ => "select * from candidates",
    }
}

/// The newest good row of each key.
pub(super) fn newest(key: &str) -> String {
    format!(
        "select * from (select *, row_number() over (partition by {key} order by ingested_at desc, {SOURCE_FILE} desc, \
         row_number desc) as place from checked where validation_errors = '') as ranked where place = 1"
    )
}

/// Rows in the files of the scope, and how many of them are refused.
pub(super) const COUNTS: &str = "select count(*) as records, count(case when validation_errors <> '' then 1 end) as refused \
     from checked where scoped";

/// The refused rows of the scope.
pub(super) const REFUSED: &str =
    "select bronze_source_file, row_number, validation_errors from checked where scoped and validation_errors <> ''";

/// Refused rows by what they break.
pub(super) const REASONS: &str =
    "select validation_errors, count(*) as rows from refused group by validation_errors order by validation_errors";

/// Refused rows as they came, with the reasons.
pub(super) fn rejected(source: &Source) -> String {
    let raw: Vec<String> = source.raw.iter().map(|declared| format!("b.{}", declared.name)).collect();
    format!(
        "select {}, r.validation_errors, b.row_number, b.corrupt_record, b.bronze_source_file, \
         ${{now}} as processing_timestamp from bronze_{} as b join refused as r \
         on r.bronze_source_file = b.bronze_source_file and r.row_number = b.row_number \
         order by bronze_source_file, row_number",
        raw.join(", "),
        source.name
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
