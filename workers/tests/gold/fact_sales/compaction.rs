//! The processed zone to gold.

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, Float64Array, Float64Builder, ListBuilder, StringArray};
use serde_json::{Value, json};
use workers::query::{Column, Kind, column};

use super::super::support::{S3_VARIABLE, World, expect, metric, parquet, parquet_objects, quality};
use super::{compact, deliver, file, gold, ingest, metrics, put_processed, summary, texts};

const DATE: &str = "2024-12-07";

/// The columns of the processed zone, with another type for some.
fn columns(other: &[(&'static str, Kind)]) -> Vec<Column> {
    let usual = [
        ("transaction_id", Kind::Text),
        ("store_id", Kind::Text),
        ("timestamp", Kind::Timestamp),
        ("item_id", Kind::Text),
        ("quantity", Kind::Int64),
        ("unit_price", Kind::Float64),
        ("revenue", Kind::Float64),
        ("ingest_run_id", Kind::Text),
        ("source_file", Kind::Text),
        ("ingest_ts", Kind::Timestamp),
    ];
    let kind_of = |name: &str, kind| other.iter().find(|(named, _)| *named == name).map_or(kind, |(_, kind)| *kind);
    usual.map(|(name, kind)| column(name, kind_of(name, kind))).to_vec()
}

/// A statement that gives rows of `(transaction_id, quantity, unit_price, revenue, source_file, ingest_ts)`.
fn rows(values: &str) -> String {
    format!(
        "select tx as transaction_id, 'S1' as store_id, sw_parse_ts('{DATE}T10:00:00Z') as timestamp, 'I1' as item_id, \
         q as quantity, p as unit_price, r as revenue, 'run' as ingest_run_id, f as source_file, \
         sw_parse_ts(at) as ingest_ts from (values {values}) as t(tx, q, p, r, f, at)"
    )
}

#[tokio::test]
async fn columns_of_different_files_are_united_widened_and_normalised() {
    let world = World::new().await;
    let day = format!("date={DATE}");
    put_processed(&world, &format!("numbers/{day}"), &rows("('T1', 3, 5.0, 15.0, 'a', '2024-12-08')"), &columns(&[]))
        .await;
    let text = [("quantity", Kind::Text), ("unit_price", Kind::Text), ("revenue", Kind::Text)];
    put_processed(
        &world,
        &format!("texts/deep/{day}"),
        &rows(
            "('T2', '3.0', '$1,413.15 ', ' 4,239.45', 'b', '2024-12-08'), \
             ('T3', '1.5', '(12.30)', '1.5E7', 'b', '2024-12-08'), \
             ('T4', 'three', 'N/A', '', 'b', '2024-12-08')",
        ),
        &columns(&text),
    )
    .await;
    // A file with one column only, and one nobody expects.
    let sql = "select ' T5 ' as transaction_id, 'x' as raw_row";
    put_processed(&world, &day, sql, &[column("transaction_id", Kind::Text), column("raw_row", Kind::Text)]).await;

    let result = compact(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    let found = gold(&world, DATE).await;
    let numbers: Vec<Value> = found
        .iter()
        .map(|row| json!([row["transaction_id"], row["quantity"], row["unit_price"], row["revenue"]]))
        .collect();
    let expected = [
        json!(["T1", 3, 5.0, 15.0]),
        json!(["T2", 3, 1413.15, 4239.45]),
        json!(["T3", null, -12.3, 15000000.0]),
        json!(["T4", null, null, null]),
        json!(["T5", null, null, null]),
    ];
    assert_eq!(numbers, expected);
    let names: Vec<&str> = found[0].keys().map(String::as_str).collect();
    let gold_columns = [
        "transaction_id",
        "store_id",
        "timestamp",
        "item_id",
        "item_category",
        "quantity",
        "unit_price",
        "revenue",
        "payment_method",
        "customer_id",
        "ingest_run_id",
        "source_file",
        "ingest_ts",
        "row_hash",
    ];
    assert_eq!(names, gold_columns);
    let audit = metrics(&world, DATE).await;
    for (name, expected) in [
        ("status", json!("written")),
        ("target_date", json!(DATE)),
        ("total_rows_in_source_partition", json!(5)),
        ("rows_after_dedup", json!(5)),
        // A quantity with a fraction, and the two of T4 that say something but no number; blank is nothing.
        ("numeric_parse_failures", json!(3)),
        ("missing_columns", json!(["item_category", "payment_method", "customer_id"])),
        ("null_store", json!(1)),
        ("null_timestamp", json!(1)),
        ("null_transaction_id", json!(0)),
        ("input_files", json!(3)),
        ("output_files", json!(1)),
        ("run_id", json!(result.run_id)),
    ] {
        assert_eq!(audit[name], expected, "{name}: {audit:#}");
    }
    assert_eq!(quality(&result, "fact_sales", "numeric_parse_failures"), "WARN");
    assert_eq!(quality(&result, "fact_sales", "balance"), "PASS");
}

/// A file's type of a column may have values that the type of all files cannot say.
#[tokio::test]
async fn values_that_are_lost_where_files_differ_are_counted() {
    let world = World::new().await;
    let day = world.folder("sales", &format!("processed/date={DATE}"));
    let ids = |names: [&str; 3]| Arc::new(StringArray::from(names.to_vec())) as ArrayRef;
    let floats = |values: [f64; 3]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let mut lists = ListBuilder::new(Float64Builder::new());
    lists.append_value([Some(1.5)]);
    lists.append_null();
    lists.append_value([None]);
    let lists = Arc::new(lists.finish());
    let price = floats([2.5, f64::NAN, f64::INFINITY]);
    let numbers = vec![
        ("transaction_id", ids(["T1", "T2", "T3"])),
        ("unit_price", price),
        ("revenue", floats([1.0, 2.0, 3.0])),
        ("customer_id", ids(["C1", "C2", "C3"])),
    ];
    let prices = Arc::new(StringArray::from(vec!["3.5", "NaN", " "]));
    let others = vec![
        ("transaction_id", ids(["T4", "T5", "T6"])),
        ("unit_price", prices),
        ("revenue", lists.clone()),
        ("customer_id", lists),
    ];
    day.put("numbers.parquet", parquet(numbers)).await.unwrap();
    day.put("others.parquet", parquet(others)).await.unwrap();
    expect(&compact(&world.lake, &[]).await, "OK", 0);
    let found = gold(&world, DATE).await;
    let found: Vec<Value> = found.iter().map(|row| json!([row["unit_price"], row["revenue"]])).collect();
    let none = Value::Null;
    assert_eq!(
        found,
        [
            json!([2.5, 1.0]),
            json!([none, 2.0]),
            json!([none, 3.0]),
            json!([3.5, none]),
            json!([none, none]),
            json!([none, none])
        ]
    );
    // Two floats and a text that are no number, and two lists.
    let metrics = metrics(&world, DATE).await;
    assert_eq!(metrics["numeric_parse_failures"], 5);
    let warnings = metrics["warnings"].as_array().unwrap();
    assert!(warnings.contains(&json!("lost_values:customer_id=2")), "{warnings:?}");
}

#[tokio::test]
async fn the_newest_of_a_transaction_wins_by_rules_that_always_decide() {
    let world = World::new().await;
    let at = "'2024-12-08'";
    let later = "'2024-12-09'";
    let values = [
        format!("('T1', 1, 1.0, 1.0, 'z', {at})"),
        format!("('T1', 2, 1.0, 2.0, 'a', {later})"),
        // Who does not say when, comes now.
        "('T2', 1, 1.0, 1.0, 'a', cast(null as string))".to_owned(),
        format!("('T2', 2, 1.0, 2.0, 'z', {later})"),
        format!("('T3', 1, 1.0, 1.0, 'a', {at})"),
        format!("('T3', 2, 1.0, 2.0, 'b', {at})"),
        format!("('T3', 3, 1.0, 3.0, cast(null as string), {at})"),
        // The same delivery: the greater hash, whichever that is.
        format!("('T4', 1, 1.0, 1.0, 'a', {at})"),
        format!("('T4', 2, 1.0, 2.0, 'a', {at})"),
        format!("(cast(null as string), 1, 1.0, 1.0, 'a', {at})"),
        format!("(cast(null as string), 1, 1.0, 1.0, 'a', {at})"),
        format!("('  ', 5, 1.0, 99.0, 'a', {at})"),
    ];
    for order in [values.clone(), {
        let mut turned = values.clone();
        turned.reverse();
        turned
    }] {
        put_processed(&world, &format!("date={DATE}"), &rows(&order.join(", ")), &columns(&[])).await;
        expect(&compact(&world.lake, &["--reprocess=true"]).await, "OK", 0);
        let found = gold(&world, DATE).await;
        let kept: Vec<Value> = found.iter().map(|row| json!([row["transaction_id"], row["quantity"]])).collect();
        assert_eq!(kept[..3], [json!(["T1", 2]), json!(["T2", 1]), json!(["T3", 2])]);
        assert_eq!(kept.len(), 7, "{kept:?}");
        let hashes = texts(&found, "row_hash");
        assert!(hashes[4..].is_sorted() && kept[4..].iter().all(|row| row[0].is_null()), "{kept:?}");
        assert_eq!(kept[3], json!(["T4", 2]), "its hash is the greater one in either order");
        let audit = metrics(&world, DATE).await;
        for (name, expected) in [
            ("duplicate_rows_removed", 5),
            ("null_transaction_id", 3),
            ("dq_balance_issues", 1),
            ("rows_outside_date", 0),
        ] {
            assert_eq!(audit[name], expected, "{name}: {audit:#}");
        }
    }
}

#[tokio::test]
async fn rows_of_another_day_and_without_values_are_reported_not_dropped() {
    let world = World::new().await;
    let sql = "select 'T1' as transaction_id, sw_parse_ts('2024-12-05T23:59:59Z') as timestamp, 2 as quantity, \
         cast(9.5 as double) as unit_price, cast(19.02 as double) as revenue union all \
         select 'T2', sw_parse_ts(cast(null as string)), 1, cast('NaN' as double), cast(1.0 as double)";
    put_processed(&world, &format!("date={DATE}"), sql, &columns(&[])).await;
    let result = compact(&world.lake, &["--watermark_days=1"]).await;
    expect(&result, "OK", 0);
    let audit = metrics(&world, DATE).await;
    for (name, expected) in [
        ("rows_outside_date", 1),
        ("late_rows", 1),
        ("null_timestamp", 1),
        ("null_store", 2),
        ("dq_balance_issues", 1),
        ("rows_after_dedup", 2),
    ] {
        assert_eq!(audit[name], expected, "{name}: {audit:#}");
    }
    assert_eq!(gold(&world, DATE).await[1]["unit_price"], Value::Null);
}

#[tokio::test]
async fn dates_are_selected_deferred_forced_and_left_alone() {
    let world = World::new().await;
    let nothing = compact(&world.lake, &["--crawler_name=dev-curated-data-crawler"]).await;
    expect(&nothing, "OK", 0);
    let audit = summary(&world).await;
    assert_eq!((&audit["processed_partitions_count"], &audit["crawler"]), (&json!(0), &Value::Null), "{audit:#}");

    let days = ["2024-12-05", "2024-12-06", DATE];
    let sale = |n: usize, day: &str| format!("T{n},S1,{day},I1,Toys,1,2,2,Card,C1");
    let sales: Vec<String> = days.iter().enumerate().map(|(n, day)| sale(n, day)).collect();
    deliver(&world, "a.csv", file(&sales.iter().map(String::as_str).collect::<Vec<_>>())).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    world.folder("sales", "processed").put("date=2024-02-30/x.parquet", "x").await.unwrap();

    let two = compact(&world.lake, &["--max_partitions", "2", "--crawler_name=dev-curated-data-crawler"]).await;
    expect(&two, "OK", 0);
    let audit = summary(&world).await;
    assert_eq!(audit["selected_dates"], json!(days[..2]), "{audit:#}");
    assert_eq!(audit["deferred_dates"], json!(days[2..]), "{audit:#}");
    assert_eq!(audit["warnings"], json!(["invalid_partition:date=2024-02-30", "deferred_dates:1"]));
    assert_eq!(audit["job_name"], "gold-fact-sales-compaction");
    if world.lake.folder("curated", "").unwrap().local_path().is_some() {
        assert_eq!(audit["crawler"]["status"], "LEFT_TO_STATE_MACHINE", "{audit:#}");
    }
    let rest = compact(&world.lake, &["--JOB_NAME=other", "--TempDir", "s3://t/"]).await;
    expect(&rest, "OK", 0);
    let audit = summary(&world).await;
    assert_eq!((&audit["selected_dates"], &audit["job_name"]), (&json!([DATE]), &json!("other")));

    let forced = compact(&world.lake, &["--force_dates=2024-12-06,2024-12-31,2024-02-30"]).await;
    expect(&forced, "OK", 0);
    let audit = summary(&world).await;
    assert_eq!(audit["selected_dates"], json!(["2024-12-06"]));
    let warnings =
        ["invalid_partition:date=2024-02-30", "force_date_not_found:2024-12-31", "force_date_not_found:2024-02-30"];
    assert_eq!(audit["warnings"], json!(warnings));
    assert_eq!(metric(&forced, "records"), 1.0);

    let none = compact(&world.lake, &["--detect_changes=true"]).await;
    assert!(none.outputs.is_empty(), "{}", none.message);
    deliver(&world, "late.csv", file(&[&sale(9, "2024-12-05")])).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    let blind = compact(&world.lake, &[]).await;
    assert!(blind.outputs.is_empty(), "without --detect_changes what is in gold is done");
    let seeing = compact(&world.lake, &["--detect_changes=true"]).await;
    assert_eq!(seeing.outputs.len(), 1, "{}", seeing.message);
    assert_eq!(texts(&gold(&world, "2024-12-05").await, "transaction_id"), [Some("T0".into()), Some("T9".into())]);
}

#[tokio::test]
async fn a_partition_has_no_more_files_than_asked_for_and_the_same_rows_each_time() {
    let world = World::new().await;
    let values: Vec<String> =
        (0..2_000).map(|n| format!("('T{:04}', 1, 2.0, 2.0, 'a', '2024-12-08')", n % 1_500)).collect();
    put_processed(&world, &format!("date={DATE}"), &rows(&values.join(", ")), &columns(&[])).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        expect(&compact(&world.lake, &["--reprocess=true", "--output_files=2"]).await, "OK", 0);
        let objects = parquet_objects(&world.folder("curated", &format!("gold/fact_sales/date={DATE}"))).await;
        assert!(objects.len() <= 2, "{objects:?}");
        let rows = gold(&world, DATE).await;
        assert_eq!(rows.len(), 1_500);
        assert!(texts(&rows, "transaction_id").is_sorted());
        seen.push(rows);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_crawler_is_started_on_s3_and_left_to_the_state_machine_elsewhere() {
    let world = World::new().await;
    deliver(&world, "a.csv", file(&["T1,S1,2024-12-07,I1,Toys,1,2,2,Card,C1"])).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    let on_s3 = std::env::var(S3_VARIABLE).is_ok();
    // The server of `s3.rs` has the crawler `sales`, and it runs once it was started.
    for (name, there) in [("sales", "STARTED"), ("sales", "ALREADY_RUNNING"), ("unknown", "FAILED")] {
        let crawler = format!("--crawler_name={name}");
        let result = compact(&world.lake, &["--reprocess=true", &crawler]).await;
        let status = if on_s3 { there } else { "LEFT_TO_STATE_MACHINE" };
        let told = &summary(&world).await["crawler"];
        assert_eq!((&told["name"], &told["status"]), (&json!(name), &json!(status)), "{told}");
        match status {
            "FAILED" => {
                expect(&result, "CRAWLER_FAILED", 3);
                assert!(result.message.contains("crawler `unknown` cannot be started"), "{}", result.message);
            }
            _ => expect(&result, "OK", 0),
        }
        let warned = result.warnings.iter().any(|warning| warning.contains("is running already"));
        assert_eq!(warned, status == "ALREADY_RUNNING", "{:?}", result.warnings);
    }
    let nothing = compact(&world.lake, &["--crawler_name=sales"]).await;
    expect(&nothing, "OK", 0);
    assert!(summary(&world).await["crawler"].is_null(), "nothing was written");
}

#[tokio::test]
async fn a_forced_date_without_data_has_an_audit_that_says_so() {
    let world = World::new().await;
    world.folder("sales", "processed").put("date=2024-12-01/_SUCCESS", "{}").await.unwrap();
    expect(&compact(&world.lake, &[]).await, "OK", 0);
    assert_eq!(summary(&world).await["selected_dates"], json!([]), "only dates with data are chosen by themselves");
    expect(&compact(&world.lake, &["--force_dates=2024-12-01"]).await, "OK", 0);
    assert_eq!(metrics(&world, "2024-12-01").await["status"], "no_input");
}

#[tokio::test]
async fn without_an_audit_the_data_stay_and_the_run_says_so() {
    let world = World::new().await;
    deliver(&world, "a.csv", file(&[&format!("T1,S1,{DATE},I1,Toys,1,2,2,Card,C1")])).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    if world.lake.folder("sales", "").unwrap().local_path().is_none() {
        // A key may have others below it there, so nothing keeps the audit from being written.
        return;
    }
    world.folder("sales", "").put("audit/gold_compaction", "a file where the folder should be").await.unwrap();
    let result = compact(&world.lake, &["--reprocess=true"]).await;
    expect(&result, "STORAGE_ERROR", 3);
    assert!(result.message.contains("but the audit cannot be written"), "{}", result.message);
    assert_eq!(gold(&world, DATE).await.len(), 1);
}
