//! The four gold tables: one way of making them, four descriptions.
//!
//! A run takes the table's lock, leaves a record of itself, reads its window of silver, computes the whole result, checks it,
//! and publishes it with one Delta commit. A check that fails stops it before that.
//!
//! Source: pipelines.md 5.2 to 5.7.

mod input;
mod publish;
mod record;
mod run;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::argument::arguments;
use super::table::{self, ORDER_ITEMS, ORDERS, PRODUCTS, Source, TableShape};
use crate::job::{Finish, JobContext, JobDefinition, JobError};

/// How a table takes its new rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replace {
    /// The days of the window; others stay as they are.
    Window,
    /// Everything.
    Table,
}

/// A gold table and how it is made.
#[derive(Debug)]
pub(super) struct GoldJob {
    /// The table.
    pub table: &'static TableShape,
    /// Its key.
    pub key: &'static str,
    /// The silver tables it reads.
    sources: &'static [&'static Source],
    /// The columns of items that it reads beside those that every table's checks read.
    item_columns: &'static [&'static str],
    /// The argument of the window's length, and its default in days.
    window: (&'static str, u64),
    /// What is computed first and kept, by name, for the statements after it to read more than once.
    bases: &'static [(&'static str, &'static str)],
    /// The statement that computes it, without the columns that tell of the run.
    statement: &'static str,
    replace: Replace,
}

impl GoldJob {
    /// The silver tables it reads, as the column `silver_source_tables` names them.
    pub fn source_tables(&self) -> String {
        self.sources.iter().map(|source| format!("silver.{}", source.name)).collect::<Vec<_>>().join(",")
    }

    /// Whether it reads this silver table.
    pub fn reads(&self, source: &Source) -> bool {
        self.sources.iter().any(|read| read.name == source.name)
    }
}

pub(super) const DAILY: GoldJob = GoldJob {
    table: &table::DAILY_SALES,
    key: "date",
    sources: &[&ORDERS, &ORDER_ITEMS],
    item_columns: &[],
    window: ("days-back", 30),
    bases: &[],
    statement: include_str!("../sql/gold/daily_sales.sql"),
    replace: Replace::Window,
};

pub(super) const PRODUCT: GoldJob = GoldJob {
    table: &table::PRODUCT_PERFORMANCE,
    key: "product_id",
    sources: &[&PRODUCTS, &ORDERS, &ORDER_ITEMS],
    item_columns: &["days_since_prior_order"],
    window: ("lookback-days", 30),
    bases: &[],
    statement: include_str!("../sql/gold/product_performance.sql"),
    replace: Replace::Table,
};

pub(super) const DEPARTMENT: GoldJob = GoldJob {
    table: &table::DEPARTMENT_ANALYTICS,
    key: "department",
    sources: &[&PRODUCTS, &ORDERS, &ORDER_ITEMS],
    item_columns: &[],
    window: ("lookback-days", 30),
    bases: &[],
    statement: include_str!("../sql/gold/department_analytics.sql"),
    replace: Replace::Table,
};

pub(super) const CUSTOMER: GoldJob = GoldJob {
    table: &table::CUSTOMER_INSIGHTS,
    key: "user_id",
    sources: &[&ORDERS],
    item_columns: &[],
    window: ("lookback-days", 90),
    bases: &[
        ("customer_spent", include_str!("../sql/gold/customer_spent.sql")),
        ("customer_fifths", include_str!("../sql/gold/customer_fifths.sql")),
    ],
    statement: include_str!("../sql/gold/customer_insights.sql"),
    replace: Replace::Table,
};

/// The job `daily-sales`.
pub(crate) const DAILY_SALES: JobDefinition = JobDefinition {
    name: "daily-sales",
    summary: "Sales, orders and customers by day; replaces the days of the window.",
    arguments: arguments!["date", "days-back", "days_back"],
    run: daily_sales,
};

/// The job `product-performance`.
pub(crate) const PRODUCT_PERFORMANCE: JobDefinition = JobDefinition {
    name: "product-performance",
    summary: "Quantity, sales and reorders of every product sold in the window.",
    arguments: arguments!["date", "lookback-days", "lookback_days"],
    run: product_performance,
};

/// The job `department-analytics`.
pub(crate) const DEPARTMENT_ANALYTICS: JobDefinition = JobDefinition {
    name: "department-analytics",
    summary: "Sales, products, customers and orders of every department in the window.",
    arguments: arguments!["date", "lookback-days", "lookback_days"],
    run: department_analytics,
};

/// The job `customer-insights`.
pub(crate) const CUSTOMER_INSIGHTS: JobDefinition = JobDefinition {
    name: "customer-insights",
    summary: "Spending and segment (recency, frequency, amount) of every customer of the window.",
    arguments: arguments!["date", "lookback-days", "lookback_days"],
    run: customer_insights,
};

fn daily_sales(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run::run(context, &DAILY).boxed()
}

fn product_performance(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run::run(context, &PRODUCT).boxed()
}

fn department_analytics(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run::run(context, &DEPARTMENT).boxed()
}

fn customer_insights(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run::run(context, &CUSTOMER).boxed()
}

#[cfg(test)]
mod tests {
    use super::{CUSTOMER, DEPARTMENT};
    use crate::job::JobContext;
    use crate::lake::Lake;
    use crate::query::Query;

    #[tokio::test]
    async fn customers_are_in_the_fifths_of_ntile() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let query = Query::new(&JobContext::detached(lake, "test")).unwrap();
        let (_, segments) = CUSTOMER.statement.rsplit_once("days_since_last_order,\n").unwrap();
        for customers in (1..=16).chain([1003]) {
            let spent = format!(
                "select value as user_id, value * 7 % 10 + 0.5 as total_spend, value * 3 % 4 + 1 as order_count, \
                 value * 5 % 13 as days_since_last_order from generate_series(1, {customers})"
            );
            query.view("customer_spent", &spent, &[]).await.unwrap();
            let ("customer_fifths", fifths) = CUSTOMER.bases[1] else { panic!("another table") };
            query.view("customer_fifths", fifths, &[]).await.unwrap();
            let by_ntile = format!(
                "with scored as (select s.*, ntile(5) over (order by days_since_last_order desc, user_id) \
                 + ntile(5) over (order by order_count, user_id) + ntile(5) over (order by total_spend, user_id) as score \
                 from customer_spent as s) select user_id, {segments} order by user_id"
            );
            let by_place =
                format!("select user_id, customer_segment from ({}) as t order by user_id", CUSTOMER.statement);
            let by_ntile = query.json(&by_ntile, &[]).await.unwrap();
            assert_eq!(query.json(&by_place, &[]).await.unwrap(), by_ntile, "{customers} customers");
            assert_eq!(by_ntile.len(), customers);
            for (measure, worst_first) in [
                ("recency", "days_since_last_order desc, user_id"),
                ("frequency", "order_count, user_id"),
                ("amount", "total_spend, user_id"),
            ] {
                let by_ntile = format!(
                    "select concat('{measure}', cast(t as string)) as fifth, user_id from (select t, user_id, \
                     row_number() over (partition by t order by place) as n from (select user_id, \
                     ntile(5) over (order by {worst_first}) as t, row_number() over (order by {worst_first}) as place \
                     from customer_spent) as p) as f where n = 1 and t > 1 order by fifth"
                );
                let begins =
                    format!("select fifth, user_id from ({fifths}) as f where fifth like '{measure}%' order by fifth");
                let by_ntile = query.json(&by_ntile, &[]).await.unwrap();
                assert_eq!(query.json(&begins, &[]).await.unwrap(), by_ntile, "{measure} of {customers} customers");
            }
        }
    }

    #[tokio::test]
    async fn departments_hold_orders_and_products_but_no_items() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        // DataFusion expects of a condition that a fifth of the rows meet it: beside more products items are held, too, which is no
        // more then than some times the products.
        for products in [10, 900, 1_100, 3_900] {
            let query = Query::new(&JobContext::detached(lake.clone(), "test")).unwrap();
            for (name, columns, rows) in [
                ("item_scope", "value % 1000 as order_no, cast(value % 10 as int) as product_id", 20_000),
                ("order_sold", "value as order_no, cast(value as int) as user_id, 0.5 as share", 1_000),
                ("products", "cast(value as int) as product_id, 1 as department_id, 'A' as department", products),
            ] {
                let statement = format!("select {columns} from generate_series(1, {rows})");
                query.keep(name, &statement, &[]).await.unwrap();
            }
            let plan = query.json(&format!("explain {}", DEPARTMENT.statement), &[]).await.unwrap();
            let plan = plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap();
            let lines: Vec<&str> = plan.lines().collect();
            let depth = |line: &str| line.len() - line.trim_start().len();
            let joins: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("HashJoinExec")).collect();
            assert_eq!(joins.len(), 2, "{plan}");
            for join in joins {
                // The first input is held: its lines go on to the next one as deep as its first.
                let held = &lines[join + 1..];
                let end = held.iter().skip(1).position(|line| depth(line) <= depth(held[0])).unwrap() + 1;
                assert!(held[..end].iter().all(|line| !line.contains("kept-0-")), "{products} products: {plan}");
            }
        }
    }
}
