//! The four gold tables of e-commerce.

use serde_json::{Value, json};
use workers::lake::Lake;
use workers::lake::delta::Delta;

use super::{Engine, SparkServer, Table, World, development_data, expect, query, run};

const BUCKET: &str = "--bucket-name=shop";
/// Each table's job, and the order of its rows.
const JOBS: [(&str, &str, &str); 4] = [
    ("daily-sales", "daily_sales", "date"),
    ("product-performance", "product_performance", "product_id"),
    ("department-analytics", "department_analytics", "department"),
    ("customer-insights", "customer_insights", "user_id"),
];

async fn deliver(lake: &Lake, table: &str, name: &str, bytes: impl Into<Vec<u8>>) {
    lake.folder("shop", &format!("raw/{table}")).unwrap().put(name, bytes.into()).await.unwrap();
}

async fn build_silver(lake: &Lake) {
    for job in ["ecommerce-bronze", "ecommerce-silver"] {
        for table in ["products", "orders", "order_items"] {
            let result = run(lake, None, job, &[BUCKET, &format!("--table={table}")]).await;
            assert_eq!(result.exit_status(), 0, "{job} of {table}: {}", result.message);
        }
    }
}

/// Runs the four jobs; what they say but for when and how long, and the tables they leave.
async fn gold(lake: &Lake, engine: Engine<'_>, date: &str, more: &[&str]) -> Vec<(Vec<Value>, Table)> {
    let mut all = Vec::new();
    for (job, table, order) in JOBS {
        let date = format!("--date={date}");
        let result = run(lake, engine, job, &[&[BUCKET, &date][..], more].concat()).await;
        expect(&result, "OK", 0);
        let outputs: Vec<u64> = result.outputs.iter().map(|output| output.rows).collect();
        let mut told = ["window_orders", "rows", "dq_status"]
            .map(|name| result.metrics.get(name).cloned().unwrap_or_default())
            .to_vec();
        told.push(outputs.into());
        // Means of floats differ in their last digit; what is made of them does not.
        let checks = result.metrics["quality"].as_array().unwrap().iter();
        told.extend(checks.map(|check| json!([check["check"], check["status"]])));
        all.push((told, stored(lake, table, order).await));
    }
    all
}

/// A table as it is stored, without the time it was made.
async fn stored(lake: &Lake, table: &str, order: &str) -> Table {
    let delta = Delta::open(&lake.folder("shop", &format!("gold/{table}")).unwrap()).await.unwrap().unwrap();
    let query = query(lake, None);
    query.delta("t", &delta).await.unwrap();
    let mut rows = query.json(&format!("select * from t order by {order}"), &[]).await.unwrap();
    for row in &mut rows {
        row.remove("processing_timestamp").expect("every row says when it was made");
    }
    Table { columns: delta.columns(), rows }
}

fn compare(ours: &[(Vec<Value>, Table)], theirs: &[(Vec<Value>, Table)]) {
    for ((job, ..), (ours, theirs)) in JOBS.iter().zip(ours.iter().zip(theirs)) {
        assert!(!ours.1.rows.is_empty(), "{job} makes rows");
        assert_eq!(theirs.1.columns, ours.1.columns, "{job}");
        for (ours, theirs) in ours.1.rows.iter().zip(&theirs.1.rows) {
            assert_eq!(theirs, ours, "{job}");
        }
        assert_eq!(theirs.1.rows.len(), ours.1.rows.len(), "{job}");
        assert_eq!(theirs.0, ours.0, "{job}");
    }
}

const PRODUCTS: &str = "product_id,department_id,department,product_name\n\
    1,4,books,Atlas\n2,5,Toy,\"Ball, it's {red}\"\n3,5,Dry Goods / Säcke: 50%,Sack\n4,,,Nothing known\n";

fn orders() -> String {
    let mut text = "order_num,order_id,user_id,order_timestamp,total_amount,date\n".to_owned();
    for order in 1..=60 {
        let day = 1 + order % 9;
        let amount = f64::from(order) * 3.335 + 0.005;
        let user = if order % 13 == 0 { String::new() } else { (order % 11).to_string() };
        text += &format!("1,{order},{user},2025-04-{day:02}T10:30:00,{amount:.3},2025-04-{day:02}\n");
    }
    text
}

fn items() -> String {
    let mut text =
        "id,order_id,user_id,days_since_prior_order,product_id,add_to_cart_order,reordered,order_timestamp,date\n"
            .to_owned();
    for item in 1..=150 {
        let order = 1 + item * 7 % 60;
        let day = 1 + order % 9;
        let since = if item % 5 == 0 { String::new() } else { (item % 17).to_string() };
        let product = 1 + item % 4;
        text += &format!(
            "{item},{order},7,{since},{product},1,{},2025-04-{day:02}T10:30:00,2025-04-{day:02}\n",
            item % 3 % 2
        );
    }
    text
}

#[tokio::test]
async fn a_small_shop_has_the_same_gold_tables_and_checks_on_both_engines() {
    let spark = SparkServer::start();
    let world = World::new().await;
    let lake = &world.lake;
    deliver(lake, "products", "products.csv", PRODUCTS).await;
    deliver(lake, "orders", "a.csv", orders()).await;
    deliver(lake, "order_items", "a.csv", items()).await;
    build_silver(lake).await;
    // The first run on Spark finds no table, the second one what the first engine left.
    let first = gold(lake, Some(&spark), "2025-04-06", &[]).await;
    let ours = gold(lake, None, "2025-04-06", &[]).await;
    // Checks that look back see a table the second time: figures and tables are what counts.
    for (ours, theirs) in ours.iter().zip(&first) {
        assert_eq!(theirs.1, ours.1);
    }
    compare(&ours, &gold(lake, Some(&spark), "2025-04-06", &[]).await);
    let none = run(lake, Some(&spark), "daily-sales", &[BUCKET, "--date=2024-01-01"]).await;
    expect(&none, "EMPTY_WINDOW", 0);
}

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn the_development_data_have_the_same_gold_tables_on_both_engines() {
    let spark = SparkServer::start();
    let world = World::new().await;
    let lake = &world.lake;
    let data = development_data("ecommerce_gold");
    deliver(lake, "products", "products.csv", std::fs::read(data.join("products.csv")).unwrap()).await;
    for table in ["orders", "order_items"] {
        for entry in std::fs::read_dir(data.join(table)).unwrap() {
            let path = entry.unwrap().path();
            deliver(lake, table, path.file_name().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap()).await;
        }
    }
    build_silver(lake).await;
    let _history = gold(lake, None, "2025-04-15", &[]).await;
    let ours = gold(lake, None, "2025-04-15", &[]).await;
    let began = std::time::Instant::now();
    let theirs = gold(lake, Some(&spark), "2025-04-15", &[]).await;
    compare(&ours, &theirs);
    for ((job, ..), (_, table)) in JOBS.iter().zip(&theirs) {
        eprintln!("{job}: {} rows, {} columns, equal", table.rows.len(), table.columns.len());
    }
    eprintln!("four jobs on {} took {:.1} s", spark.remote, began.elapsed().as_secs_f64());
}
