//! The quality checks of the gold tables: measured by statements, judged by rules.
//!
//! A statement counts (`sql/check/*.sql`), a rule makes of the counts a [`Check`] with its tolerance. Rules are plain functions
//! of numbers, so that each can be shown to fail. Source: pipelines.md 5.6.

mod check;
mod input;
mod keys;
mod report;
mod result;
mod trend;

use std::borrow::Cow;

use futures::future::{BoxFuture, OptionFuture};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value as Json};

use super::gold::GoldJob;
use super::table::{ORDER_ITEMS, PRODUCTS, columns};
use super::window::Window;
use crate::job::{JobError, QualityStatus};
use crate::query::{Kind, Query, Value};
use check::Check;
pub(super) use report::Report;

/// Columns that publishing adds, after the result was computed.
const ADDED: [&str; 5] = ["silver_source_tables", "processing_timestamp", "layer", "year", "month"];

/// What the checks need to know of the run.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// The table.
    pub job: &'a GoldJob,
    /// Its window.
    pub window: Window,
    /// Whether the table exists already.
    pub stored: bool,
    /// Whether columns are checked.
    pub validate_schema: bool,
    /// How long the run has taken so far.
    pub run_seconds: f64,
    /// How long it may take.
    pub timeout_seconds: f64,
    /// Whether the window's orders need the memory for themselves.
    pub many_orders: bool,
}

/// The counts of one statement; what is absent or null counts as 0.
#[derive(Clone, Debug, Default)]
struct Counts(Map<String, Json>);

impl Counts {
    fn get(&self, name: &str) -> f64 {
        self.0.get(name).and_then(Json::as_f64).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Json::as_str)
    }

    fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(Json::is_null)
    }
}

/// What the window's input is like.
#[derive(Debug)]
pub(super) struct InputCounts {
    orders: Counts,
    items: Option<Counts>,
    products: Option<Counts>,
}

/// Whether counting the input takes little memory, so that something else may compute beside it.
///
/// # Errors
/// Those of the statements.
pub(super) async fn counts_in_little_memory(query: &Query, job: &GoldJob, many_orders: bool) -> Result<bool, JobError> {
    Ok(!many_orders && (!job.reads(&ORDER_ITEMS) || has_int_ids(query).await?))
}

/// Counts what the checks of the window's input judge. Tables the query must know: `order_window` and, by what the job reads,
/// `item_scope`, `products`.
///
/// # Errors
/// Those of the statements.
pub(super) async fn count_input(
    query: &Query,
    job: &GoldJob,
    many_orders: bool,
    parameters: &[(&str, Value)],
) -> Result<InputCounts, JobError> {
    let products = job.reads(&ORDER_ITEMS) && job.reads(&PRODUCTS);
    let statements = [
        Some(orders(query, many_orders, parameters)),
        job.reads(&ORDER_ITEMS).then(|| items(query, parameters)),
        products.then(|| counts(query, include_str!("../sql/check/products.sql").into(), parameters)),
    ];
    let [Some(orders), items, products] = answers(statements, many_orders).await? else {
        unreachable!("each statement has an answer");
    };
    Ok(InputCounts { orders, items, products })
}

/// Checks the window's input, of which this is known, and the table `result`. Tables the query must know, beside those of
/// [`count_input`]: `stored`, `result` and, for a job that reads products, `order_sold`.
///
/// # Errors
/// Those of the statements.
pub(super) async fn judge(
    query: &Query,
    facts: &Facts<'_>,
    input: InputCounts,
    parameters: &[(&str, Value)],
) -> Result<Report, JobError> {
    let job = facts.job;
    let counts = |statement: &'static str| counts(query, Cow::from(statement), parameters);
    let (result_statement, judge_result): (_, fn(&Counts) -> Vec<Check>) = match job.table.name {
        "daily_sales" => (include_str!("../sql/check/daily_sales.sql"), result::daily_sales),
        "product_performance" => (include_str!("../sql/check/product_performance.sql"), result::product_performance),
        "department_analytics" => (include_str!("../sql/check/department_analytics.sql"), result::department_analytics),
        _ => (include_str!("../sql/check/customer_insights.sql"), result::customer_insights),
    };
    let by_day = job.table.name == "daily_sales";
    let rows_statement = if by_day {
        include_str!("../sql/check/rows_daily_sales.sql")
    } else {
        include_str!("../sql/check/rows_table.sql")
    };
    let statements = [
        Some(counts(result_statement)),
        by_day.then(|| counts(include_str!("../sql/check/trend.sql"))),
        Some(counts(rows_statement)),
    ];
    let [Some(computed), day, Some(rows)] = answers(statements, facts.many_orders).await? else {
        unreachable!("each statement has an answer");
    };
    let InputCounts { orders, items, products } = input;
    let mut checks = vec![schema(query, facts).await?];
    checks.extend(input::orders(&orders));
    checks.push(input::freshness(&orders, facts));
    checks.extend(items.iter().flat_map(|items| input::items(items, products.as_ref())));
    checks.extend(judge_result(&computed));
    checks.extend(day.iter().flat_map(trend::day));
    checks.push(trend::rows(&rows, facts.stored));
    keys::name_examples(query, &mut checks).await?;
    let orphan_items = items.as_ref().map(|items| input::orphan_items(items, products.as_ref()) as u64);
    Ok(Report::new(job.table.name, facts.window.to, checks).with_orphan_items(orphan_items))
}

/// The answers of statements, side by side where memory is enough: one is planned while another computes.
async fn answers<'a, const N: usize>(
    statements: [Option<BoxFuture<'a, Result<Counts, JobError>>>; N],
    many_orders: bool,
) -> Result<[Option<Counts>; N], JobError> {
    let at_once = if many_orders { 1 } else { N };
    let answers = stream::iter(statements.map(OptionFuture::from)).buffered(at_once).map(Option::transpose);
    let answers: Vec<Option<Counts>> = answers.try_collect().await?;
    Ok(answers.try_into().expect("as many as there are statements"))
}

/// The counts of the one row of a statement.
fn counts<'a>(
    query: &'a Query,
    statement: Cow<'a, str>,
    parameters: &'a [(&'a str, Value)],
) -> BoxFuture<'a, Result<Counts, JobError>> {
    // Boxed: planning is deep, and several of these side by side in one frame leave the stack too little.
    async move {
        let rows = query.json(&statement, parameters).await?;
        Ok(Counts(rows.into_iter().next().unwrap_or_default()))
    }
    .boxed()
}

/// The counts of orders. Where memory is enough, hashes show that all ids are different; only if they do not, ids are sorted out.
fn orders<'a>(
    query: &'a Query,
    many_orders: bool,
    parameters: &'a [(&'a str, Value)],
) -> BoxFuture<'a, Result<Counts, JobError>> {
    let statement = |ids| Cow::from(include_str!("../sql/check/orders.sql").replace("{{distinct_ids}}", ids));
    async move {
        if !many_orders {
            let found = counts(query, statement("sw_distinct_least(order_id)"), parameters).await?;
            if found.get("orders_without_own_key") == 0.0 {
                return Ok(found);
            }
        }
        let sorted_out = "(select count(order_id) from (select order_id from order_window group by order_id) as k)";
        counts(query, statement(sorted_out), parameters).await
    }
    .boxed()
}

/// The counts of items. Ids that are integers are counted in little memory, others by sorting them out. All orders of silver are
/// looked at only for items that are none of the window's orders.
fn items<'a>(query: &'a Query, parameters: &'a [(&'a str, Value)]) -> BoxFuture<'a, Result<Counts, JobError>> {
    async move {
        let distinct = match has_int_ids(query).await? {
            true => "sw_distinct(id)",
            false => "(select count(id) from (select id from item_scope group by id) as k)",
        };
        let statement = include_str!("../sql/check/items.sql").replace("{{distinct_ids}}", distinct);
        let mut found = counts(query, statement.into(), parameters).await?;
        if found.get("items") > found.get("items_in_window") {
            let statement = include_str!("../sql/check/unknown_orders.sql");
            found.0.extend(counts(query, statement.into(), parameters).await?.0);
        }
        Ok(found)
    }
    .boxed()
}

/// Whether ids of items are integers.
async fn has_int_ids(query: &Query) -> Result<bool, JobError> {
    let columns = query.columns("item_scope").await?;
    Ok(columns.iter().any(|column| column.name == "id" && column.kind == Kind::Int32))
}

/// Names, order and types of the computed columns.
async fn schema(query: &Query, facts: &Facts<'_>) -> Result<Check, JobError> {
    let spell = |column: &crate::query::Column| format!("{} {:?}", column.name, column.kind);
    let declared = columns(facts.job.table.fields);
    let expected: Vec<String> = declared.iter().filter(|column| !ADDED.contains(&&*column.name)).map(spell).collect();
    if !facts.validate_schema {
        return Ok(Check::skipped("schema", "switched off by ECOM_SCHEMA_VALIDATION"));
    }
    let actual: Vec<String> = query.columns("result").await?.iter().map(spell).collect();
    Ok(result::schema(&expected, &actual))
}

/// The worst of some outcomes.
fn worst(statuses: impl Iterator<Item = QualityStatus>) -> QualityStatus {
    let mut worst = QualityStatus::Pass;
    for status in statuses {
        match status {
            QualityStatus::Fail => return status,
            QualityStatus::Warn => worst = status,
            QualityStatus::Pass => {}
        }
    }
    worst
}

#[cfg(test)]
mod tests;
