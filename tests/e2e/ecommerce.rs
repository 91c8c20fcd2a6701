//! The e-commerce pipeline as its users run it: deliveries in a bucket, a run asked for over REST, four gold tables.

use serde_json::{Value, json};
use workers::job::JobContext;
use workers::lake::Lake;
use workers::lake::delta::Delta;
use workers::query::Query;

use crate::support::{Site, development_data};

const PIPELINE: &str = "ecommerce";
const DS: &str = "2025-04-15";

/// Puts the development data where deliveries come in.
fn deliver(site: &Site) {
    let (data, raw) = (development_data("ecommerce_gold"), site.lake().join("dev-ecommerce/raw"));
    std::fs::create_dir_all(raw.join("products")).unwrap();
    std::fs::copy(data.join("products.csv"), raw.join("products/products.csv")).unwrap();
    for table in ["orders", "order_items"] {
        let to = raw.join(table);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(data.join(table)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

async fn run(site: &Site, ds: &str) -> Value {
    let (status, _, started) = site.ask(PIPELINE, &json!({ "ds": ds })).await;
    assert_eq!(status, 202, "{started}");
    site.ended(started["execution_arn"].as_str().unwrap()).await
}

async fn ledger(site: &Site, ds: &str) -> Value {
    let (status, list) = site.get(&format!("/api/v1/pipelines/{PIPELINE}/partitions?from={ds}&to={ds}")).await;
    assert_eq!(status, 200, "{list}");
    list["items"].as_array().unwrap().iter().find(|row| row["partition"] == ds).cloned().unwrap_or_default()
}

/// One row of a statement over a table of the lake.
async fn look(site: &Site, table: &str, statement: &str) -> Value {
    let lake = Lake::at(site.lake().to_str().unwrap()).unwrap();
    let query = Query::new(&JobContext::detached(lake.clone(), "look")).unwrap();
    let folder = lake.folder("dev-ecommerce", table).unwrap();
    let table = Delta::open(&folder).await.unwrap().unwrap_or_else(|| panic!("no table {table}"));
    query.delta("looked_at", &table).await.unwrap();
    Value::Object(query.json(statement, &[]).await.unwrap().swap_remove(0))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn a_run_makes_the_gold_tables_the_ledger_row_and_the_quality_results() {
    let site = Site::with_worker().await;
    deliver(&site);
    let ended = run(&site, DS).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let row = ledger(&site, DS).await;
    assert_eq!(
        (&row["outcome"], &row["rows"], &row["execution_arn"]),
        (&json!("SUCCEEDED"), &json!(15), &ended["arn"]),
        "{row:#}"
    );
    let sums = "select sum(total_sales) as sales, sum(order_count) as orders from looked_at";
    let found = look(&site, "gold/daily_sales", sums).await;
    assert_eq!(((found["sales"].as_f64().unwrap() * 100.0).round(), &found["orders"]), (194_581_041.0, &json!(7500)));
    for (table, rows) in [("product_performance", 1000), ("department_analytics", 6), ("customer_insights", 5063)] {
        let found = look(&site, &format!("gold/{table}"), "select count(*) as rows from looked_at").await;
        assert_eq!(found["rows"], json!(rows), "{table}");
    }
    // Each gold job reported its checks with the run.
    let reports = ended["reports"].as_array().unwrap();
    for job in ["daily-sales", "product-performance", "department-analytics", "customer-insights"] {
        let text = reports.iter().map(Value::to_string).find(|report| report.contains(&format!("\"job\":\"{job}\"")));
        let report: Value =
            serde_json::from_str(&text.unwrap_or_else(|| panic!("no report of {job}: {reports:#?}"))).unwrap();
        let quality = &report["report"]["metrics"]["quality"];
        let checks = quality.as_array().unwrap_or_else(|| panic!("no quality of {job}: {report:#}"));
        assert!(checks.len() > 5 && checks.iter().all(|check| check["status"] == "PASS"), "{job}: {checks:#?}");
    }
    assert!(row["quality"]["daily-sales"].is_object(), "{row:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_any_data_fails_in_gold_at_once_with_its_code_and_one_alert() {
    let site = Site::with_worker().await;
    let ended = run(&site, DS).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("SILVER_INPUT_MISSING")), "{ended:#}");
    let row = ledger(&site, DS).await;
    assert_eq!(row["outcome"], "FAILED", "{row:#}");
    assert!(row["reason"].as_str().unwrap().starts_with("SILVER_INPUT_MISSING"), "{row:#}");
    let (_, outbox) = site.get("/api/v1/outbox").await;
    let messages: Vec<&Value> = outbox["items"].as_array().unwrap().iter().filter(|m| m["channel"] == "sns").collect();
    assert_eq!(messages.len(), 1, "one failure, one alert: {outbox:#}");
    assert_eq!(messages[0]["payload"]["message"]["state"], "Gold", "{outbox:#}");
    assert_eq!(messages[0]["payload"]["message"]["ds"], DS, "{outbox:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_before_all_orders_is_skipped_in_the_ledger_with_its_reason() {
    let site = Site::with_worker().await;
    for (table, text) in [
        ("products", "product_id,department_id,department,product_name\n1,4,books,Atlas\n"),
        (
            "orders",
            "order_num,order_id,user_id,order_timestamp,total_amount,date\n1,1,7,2025-04-01T10:30:00,10,2025-04-01\n",
        ),
        (
            "order_items",
            "id,order_id,user_id,days_since_prior_order,product_id,add_to_cart_order,reordered,order_timestamp,date\n\
             1,1,7,3,1,1,1,2025-04-01T10:30:00,2025-04-01\n",
        ),
    ] {
        let folder = site.lake().join("dev-ecommerce/raw").join(table);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.csv"), text).unwrap();
    }
    let ended = run(&site, "2024-03-01").await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let row = ledger(&site, "2024-03-01").await;
    assert_eq!(row["outcome"], "SKIPPED", "{row:#}");
    assert!(row["reason"].as_str().unwrap().starts_with("EMPTY_WINDOW"), "{row:#}");
    let ended = run(&site, "2025-04-01").await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    assert_eq!(ledger(&site, "2025-04-01").await["outcome"], "SUCCEEDED");
}
