//! E-commerce, from delivered CSV to the gold tables. Source: pipelines.md 5, 6.2 column 5, 6.3.

mod bad_input;
mod bronze;
mod crash;
mod delivery;
mod figures;
mod gold;
mod maintenance;
mod quality;
mod silver;

use serde_json::{Map, Value as Json};
use workers::job::JobResult;
use workers::lake::{Folder, Lake};

pub use super::support::{World, expect, run};

use super::support::{delta_rows, development_data};

pub const BUCKET: &str = "--bucket-name=shop";
pub const TABLES: [&str; 3] = ["products", "orders", "order_items"];

pub type Row = Map<String, Json>;

pub fn folder(lake: &Lake, path: &str) -> Folder {
    lake.folder("shop", path).unwrap()
}

/// Puts a file where deliveries come in.
pub async fn deliver(lake: &Lake, table: &str, name: &str, bytes: impl Into<Vec<u8>>) {
    folder(lake, &format!("raw/{table}")).put(name, bytes.into()).await.unwrap();
}

/// Delivers all of the development data.
pub async fn deliver_development_data(lake: &Lake) {
    let data = development_data("ecommerce_gold");
    deliver(lake, "products", "products.csv", std::fs::read(data.join("products.csv")).unwrap()).await;
    for table in ["orders", "order_items"] {
        for entry in std::fs::read_dir(data.join(table)).unwrap() {
            let path = entry.unwrap().path();
            deliver(lake, table, path.file_name().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap()).await;
        }
    }
}

pub async fn bronze(lake: &Lake, table: &str) -> JobResult {
    run(lake, "ecommerce-bronze", &[BUCKET, &format!("--table={table}")]).await
}

pub async fn silver(lake: &Lake, table: &str) -> JobResult {
    run(lake, "ecommerce-silver", &[BUCKET, &format!("--table={table}")]).await
}

/// Bronze, then silver, of everything delivered; each must succeed or have nothing to do.
pub async fn build_silver(lake: &Lake) {
    for table in TABLES {
        let result = bronze(lake, table).await;
        assert_eq!(result.exit_status(), 0, "{table}: {}", result.message);
    }
    for table in TABLES {
        let result = silver(lake, table).await;
        assert_eq!(result.exit_status(), 0, "{table}: {}", result.message);
    }
}

/// A gold job with the bucket and a date.
pub async fn gold(lake: &Lake, job: &str, date: &str, more: &[&str]) -> JobResult {
    let date = format!("--date={date}");
    run(lake, job, &[&[BUCKET, &date], more].concat()).await
}

/// The rows of a table without the time they were made, in the order of `order_by`.
pub async fn rows(lake: &Lake, table: &str, order_by: &str) -> Vec<Row> {
    let mut rows = delta_rows(lake, &folder(lake, table), order_by).await;
    for row in &mut rows {
        row.remove("processing_timestamp");
    }
    rows
}

/// The row with this key.
#[track_caller]
pub fn row<'r>(rows: &'r [Row], key: &str, value: impl Into<Json>) -> &'r Row {
    let value = value.into();
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("no row with {key} = {value}"))
}

/// The outcome of a check in a result's `quality`.
#[track_caller]
pub fn check<'r>(result: &'r JobResult, name: &str) -> &'r str {
    let quality = result.metrics["quality"].as_array().expect("quality is a list");
    let check = quality.iter().find(|check| check["check"] == name);
    check.unwrap_or_else(|| panic!("no check {name} in {quality:#?}"))["status"].as_str().unwrap()
}

/// Names of the objects below a folder.
pub async fn names(lake: &Lake, path: &str) -> Vec<String> {
    folder(lake, path).objects().await.unwrap().into_iter().map(|object| object.name).collect()
}

/// A small shop: two products, and orders of made-up days. Lines are `order,user,amount,date` and
/// `item,order,product,reordered,date`.
pub async fn small_shop(lake: &Lake, orders: &[&str], items: &[&str]) {
    deliver(
        lake,
        "products",
        "products.csv",
        "product_id,department_id,department,product_name\n1,4,books,Atlas\n2,5,Toy,Ball\n",
    )
    .await;
    deliver(lake, "orders", "a.csv", orders_csv(orders)).await;
    deliver(lake, "order_items", "a.csv", items_csv(items)).await;
}

pub fn orders_csv(orders: &[&str]) -> String {
    let mut text = "order_num,order_id,user_id,order_timestamp,total_amount,date\n".to_owned();
    for line in orders {
        let [order, user, amount, date]: [&str; 4] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let placed_at = if date.is_empty() { String::new() } else { format!("{date}T10:30:00") };
        text += &format!("1,{order},{user},{placed_at},{amount},{date}\n");
    }
    text
}

pub fn items_csv(items: &[&str]) -> String {
    let mut text =
        "id,order_id,user_id,days_since_prior_order,product_id,add_to_cart_order,reordered,order_timestamp,date\n"
            .to_owned();
    for line in items {
        let [item, order, product, reordered, date]: [&str; 5] =
            line.split(',').collect::<Vec<_>>().try_into().unwrap();
        text += &format!("{item},{order},7,3,{product},1,{reordered},{date}T10:30:00,{date}\n");
    }
    text
}

/// A world with a small shop in silver.
pub async fn small_world(orders: &[&str], items: &[&str]) -> World {
    let world = World::new().await;
    small_shop(&world.lake, orders, items).await;
    build_silver(&world.lake).await;
    world
}
