//! Files that change while they are taken in, or are not what they should be. Source: pipelines.md 5.7; 6.2, column 5.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;
use workers::lake::delta::Delta;

use super::super::support::query;
use super::*;

const HEADER: &str = "order_num,order_id,user_id,order_timestamp,total_amount,date,note\n";
/// Rows of a file above the size that is read in one go.
const MANY: usize = 90_000;

/// So many orders of one day, in lines of about a hundred bytes.
fn orders(rows: usize) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=rows {
        text.push_str(&format!(
            "{n},O{n},{},2025-04-01T10:30:00,{}.5,2025-04-01,{}\n",
            n % 977,
            n % 83,
            "x".repeat(50)
        ));
    }
    text
}

/// A lake in a folder, where a file that is being written can be read.
fn local() -> (tempfile::TempDir, Lake) {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    (place, lake)
}

/// Comes back when a file is there; the test has a limit of its own.
async fn appearance(path: &Path) {
    while !path.exists() {
        tokio::task::yield_now().await;
    }
}

/// How many rows bronze has of each file.
async fn rows_by_file(lake: &Lake) -> Vec<(String, usize)> {
    let statement = "select bronze_source_file as file, count(*) as rows from bronze group by 1 order by 1";
    let counts = of_bronze(lake, "orders", statement).await;
    counts
        .iter()
        .map(|row| (row["file"].as_str().unwrap().to_owned(), row["rows"].as_u64().unwrap() as usize))
        .collect()
}

/// Rows of a statement about the table `bronze`.
async fn of_bronze(lake: &Lake, table: &str, statement: &str) -> Vec<Row> {
    let query = query(lake);
    let bronze = Delta::open(&folder(lake, &format!("bronze/{table}"))).await.unwrap().unwrap();
    query.delta("bronze", &bronze).await.unwrap();
    query.json(statement, &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_delivered_again_while_it_waits_is_read_to_its_end() {
    let (place, lake) = local();
    deliver(&lake, "orders", "a.csv", orders(MANY)).await;
    deliver(&lake, "orders", "b.csv", orders(MANY)).await;
    let job = tokio::spawn({
        let lake = lake.clone();
        async move { run(&lake, "ecommerce-bronze", &[BUCKET, "--table=orders", "--batch-size=1"]).await }
    });
    appearance(&place.path().join("shop/raw/processing/orders/a.csv")).await;
    deliver(&lake, "orders", "b.csv", orders(2 * MANY)).await;
    expect(&job.await.unwrap(), "OK", 0);
    // Nothing is left to do, unless the delivery came when b was already on its way.
    assert_eq!(bronze(&lake, "orders").await.exit_status(), 0);
    assert_eq!(rows_by_file(&lake).await, [("a.csv".to_owned(), MANY), ("b.csv".to_owned(), 2 * MANY)]);
    assert_eq!(names(&lake, "raw/orders").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_still_written_waits_for_the_next_run_and_the_others_are_taken() {
    let (place, lake) = local();
    deliver(&lake, "orders", "a.csv", orders(2)).await;
    deliver(&lake, "orders", "b.csv", orders(MANY)).await;
    let mut writer = File::options().append(true).open(place.path().join("shop/raw/orders/b.csv")).unwrap();
    let job = tokio::spawn({
        let lake = lake.clone();
        async move { bronze(&lake, "orders").await }
    });
    appearance(&place.path().join("shop/raw/processing/orders/b.csv")).await;
    // Row after row, until the run has long looked at the file's end. The pause is the pace of a writer: nothing waits for it.
    while !job.is_finished() {
        writer.write_all(b"1,LATE,7,2025-04-01T10:30:00,10,2025-04-01,x\n").unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let result = job.await.unwrap();
    expect(&result, "OK", 0);
    assert_eq!((&result.metrics["files"], &result.metrics["left_files"]), (&json!(1), &json!(1)));
    assert!(
        result.warnings.iter().any(|warning| warning.contains("`b.csv`") && warning.contains("next run")),
        "{result:?}"
    );
    assert_eq!(rows_by_file(&lake).await, [("a.csv".to_owned(), 2)]);
    drop(writer);
    let whole = folder(&lake, "raw/processing/orders").get("b.csv").await.unwrap();
    expect(&bronze(&lake, "orders").await, "OK", 0);
    let lines = whole.iter().filter(|&&byte| byte == b'\n').count();
    assert!(lines > MANY + 1);
    assert_eq!(rows_by_file(&lake).await, [("a.csv".to_owned(), 2), ("b.csv".to_owned(), lines - 1)]);
    for status in ["processed", "archive"] {
        assert_eq!(folder(&lake, &format!("raw/{status}/orders")).get("b.csv").await.unwrap(), whole, "{status}");
    }
}

#[tokio::test]
async fn the_newest_row_is_that_of_the_file_delivered_last() {
    let (place, lake) = local();
    for (age_seconds, name, amount) in
        [(30, "2025-04-02.csv", 10), (20, "2025-04-02-fix.csv", 20), (10, "2025-04-01.csv", 30)]
    {
        deliver(&lake, "orders", name, orders_csv(&[&format!("1,7,{amount},2025-04-02")])).await;
        let file = File::options().write(true).open(place.path().join("shop/raw/orders").join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age_seconds)).unwrap();
    }
    expect(&bronze(&lake, "orders").await, "OK", 0);
    expect(&silver(&lake, "orders").await, "OK", 0);
    let silver = rows(&lake, "silver/orders", "order_id").await;
    assert_eq!(
        (&silver[0]["total_amount"], &silver[0]["bronze_source_file"]),
        (&json!(30.0), &json!("2025-04-01.csv"))
    );
}

#[tokio::test]
async fn a_file_without_a_required_column_is_refused_and_good_figures_stay() {
    let world = small_world(&["1,7,30,2025-04-01"], &["1,1,1,1,2025-04-01"]).await;
    let lake = &world.lake;
    expect(&gold(lake, "daily-sales", "2025-04-01", &[]).await, "OK", 0);
    let good = orders_csv(&["1,7,30,2025-04-01"]);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, parts) in [
        ("a.csv", good.replace("total_amount", "amount").into_bytes(), &["missing: `total_amount`; ", "`amount`"][..]),
        ("semicolon.csv", good.replace(',', ";").into_bytes(), &["`order_num;order_id;", "separated by commas"]),
        ("utf16.csv", utf16, &["`order_id`", "UTF-8"]),
        ("book.xlsx", b"PK\x03\x04\x14\x00\x06\x00 and more".to_vec(), &["PK", "UTF-8"]),
        ("header.csv", b"order_num,user_id\n".to_vec(), &["`order_id`", "found: `order_num`, `user_id`; "]),
        ("nothing.csv", Vec::new(), &["it is empty"]),
        (
            "rows.jsonl",
            b"{\"order_id\": 1, \"user_id\": 7}\n".to_vec(),
            &["no row has a value of order_timestamp, total_amount"],
        ),
    ] {
        deliver(lake, "orders", name, bytes).await;
        let result = bronze(lake, "orders").await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        for part in [&[name, "deliver them again"], parts].concat() {
            assert!(result.message.contains(part), "{name}: no {part} in {}", result.message);
        }
        assert!(names(lake, "raw/failed/orders").await.contains(&format!("{name}.status.json")), "{name}");
    }
    silver(lake, "orders").await;
    expect(&gold(lake, "daily-sales", "2025-04-01", &[]).await, "OK", 0);
    assert_eq!(rows(lake, "gold/daily_sales", "date").await[0]["total_sales"], 30.0);

    // A day without orders has a header only.
    deliver(lake, "orders", "quiet.csv", orders_csv(&[])).await;
    expect(&bronze(lake, "orders").await, "OK", 0);
    // The same by name and value.
    deliver(
        lake,
        "orders",
        "rows.jsonl",
        "{\"order_id\":2,\"user_id\":7,\"order_timestamp\":\"2025-04-01\",\"total_amount\":5}\n",
    )
    .await;
    expect(&bronze(lake, "orders").await, "OK", 0);
}

#[tokio::test]
async fn a_quote_that_is_not_closed_fails_its_file_with_its_line() {
    let world = World::new().await;
    let lake = &world.lake;
    for (name, column) in [("last.csv", ",10,\"2025-04-01"), ("middle.csv", ",\"10,2025-04-01")] {
        for rows in [1_000, MANY] {
            let mut text = HEADER.replace(",note", "");
            for n in 1..=rows {
                let end = if n == 5 { column } else { ",10,2025-04-01" };
                text.push_str(&format!("{n},{n},7,2025-04-01T10:00:00{end}\n"));
            }
            deliver(lake, "orders", name, text).await;
            deliver(lake, "orders", "good.csv", orders_csv(&["1,7,10,2025-04-01"])).await;
            let result = bronze(lake, "orders").await;
            expect(&result, "SCHEMA_VALIDATION_FAILED", 3);
            let line =
                if rows == MANY { "begins in line 6, with a quote in line 6" } else { "opens in line 6 is not closed" };
            assert!(result.message.contains(name) && result.message.contains(line), "{name}: {}", result.message);
            assert_eq!(rows_by_file(lake).await, [("good.csv".to_owned(), 1)]);
        }
    }
}

#[tokio::test]
async fn a_name_too_long_for_a_folder_fails_its_file_alone() {
    let (_place, lake) = local();
    let fits = format!("{}.csv", "f".repeat(232));
    let (long, escaped) = (format!("{}.csv", "x".repeat(236)), format!("{}.csv", "ü".repeat(40)));
    for name in [&fits, &long, &escaped] {
        deliver(&lake, "orders", name, orders_csv(&["1,7,10,2025-04-01"])).await;
    }
    let result = bronze(&lake, "orders").await;
    expect(&result, "SCHEMA_VALIDATION_FAILED", 3);
    assert!(result.message.contains("shorter name") && result.message.contains(&escaped), "{}", result.message);
    assert_eq!(rows_by_file(&lake).await, [(fits, 1)]);
    let failed = names(&lake, "raw/failed/orders").await;
    assert_eq!(failed.len(), 4, "{failed:?}");
    let side = failed.iter().find(|name| name.starts_with('x') && name.ends_with(".status.json")).unwrap();
    let side: Json = serde_json::from_slice(&folder(&lake, "raw/failed/orders").get(side).await.unwrap()).unwrap();
    assert!(side["original_path"].as_str().unwrap().ends_with(&long), "{side}");
    expect(&bronze(&lake, "orders").await, "NO_RAW_DATA", 0);
}

#[tokio::test]
async fn malformed_rows_are_told_with_their_file_and_the_first_of_them() {
    let world = World::new().await;
    let lake = &world.lake;
    deliver(lake, "orders", "a.csv", format!("{}cut,off\n1,2\n", orders_csv(&["1,7,10,2025-04-01"]))).await;
    let result = bronze(lake, "orders").await;
    expect(&result, "OK", 0);
    let told =
        |warning: &String| warning.contains("`a.csv`") && warning.contains("2 malformed rows, the first is row 2");
    assert!(result.warnings.iter().any(told), "{:?}", result.warnings);
}

#[tokio::test]
async fn a_quote_within_a_field_is_text_whatever_the_size_of_its_file() {
    let world = World::new().await;
    let lake = &world.lake;
    for rows in [3, 60_000] {
        let mut text = "product_id,department_id,department,product_name\n".to_owned();
        for n in 1..=rows {
            let name = if n == 2 {
                "24\" Monitor".to_owned()
            } else {
                format!("\"Name, of\nproduct {n} {}\"", "x".repeat(70))
            };
            text.push_str(&format!("{n},4,books,{name}\n"));
        }
        deliver(lake, "products", "p.csv", text).await;
        let result = bronze(lake, "products").await;
        expect(&result, "OK", 0);
        assert_eq!((&result.metrics["records"], &result.metrics["malformed_records"]), (&json!(rows), &json!(0)));
        let statement = format!("select product_name from bronze where row_number in (2, {rows}) order by row_number");
        let taken = of_bronze(lake, "products", &statement).await;
        assert_eq!(taken[0]["product_name"], "24\" Monitor");
        let last = taken[1]["product_name"].as_str().unwrap();
        assert!(last.starts_with(&format!("Name, of\nproduct {rows} ")), "{last}");
    }
}
