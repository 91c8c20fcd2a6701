//! Raw files to the processed zone, and through it to gold.

use serde_json::json;

use super::super::support::{World, expect, metric, parquet_rows, quality};
use super::{DAYS, compact, deliver, file, gold, ingest, json as object, metrics, names, sales, sample, texts};

/// Rows, good, missing, timestamp, business, re-split, revenue of each day's file. Source: pipelines.md 6.3.
const FIGURES: [(u64, u64, u64, u64, u64, u64, f64); 5] = [
    (1241, 1192, 40, 3, 6, 0, 912843.05),
    (1500, 1477, 8, 7, 8, 24, 1128876.59),
    (1646, 1624, 2, 5, 15, 33, 1196801.94),
    (1459, 1432, 5, 5, 17, 21, 1031391.42),
    (1699, 1676, 2, 5, 16, 38, 1248893.66),
];

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn the_development_files_give_the_worked_figures_and_a_second_delivery_only_duplicates() {
    let world = World::new().await;
    for day in DAYS {
        deliver(&world, &format!("sales_{day}.csv"), sample(day)).await;
    }
    let result = ingest(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    let files = result.metrics["files"].as_array().unwrap();
    for ((day, figures), found) in DAYS.iter().zip(FIGURES).zip(files) {
        let (rows, good, missing, timestamp, business, recovered, revenue) = figures;
        let expected = json!({
            "file": format!("sales_{day}.csv"),
            "sha256": found["sha256"],
            "rows": rows,
            "good": good,
            "rejected": missing + timestamp + business,
            "rejected_by_reason": {
                "MISSING_REQUIRED_COLUMN": missing,
                "INVALID_TIMESTAMP_FORMAT": timestamp,
                "BUSINESS_LOGIC_FAIL": business,
            },
            "delimiter_recovered_rows": recovered,
            "duplicate_rows_dropped": 0,
            "revenue": revenue,
            "dates": [day],
        });
        assert_eq!(found, &expected);
    }
    assert_eq!(metric(&result, "good_records"), 7401.0);
    assert_eq!(quality(&result, "fact_sales", "reject_rate"), "PASS");
    for zone in ["raw", "validated"] {
        assert_eq!(names(&world, zone).await, [""; 0], "nothing stays in {zone}");
    }
    assert_eq!(names(&world, "archive/validated").await.len(), 5);

    let result = compact(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    let mut first = Vec::new();
    for (day, (_, good, .., revenue)) in DAYS.iter().zip(FIGURES) {
        let rows = gold(&world, day).await;
        assert_eq!(rows.len() as u64, good, "{day}");
        let cents: i64 = rows.iter().map(|row| (row["revenue"].as_f64().unwrap() * 100.0).round() as i64).sum();
        assert_eq!(cents, (revenue * 100.0_f64).round() as i64, "{day}");
        let audit = metrics(&world, day).await;
        assert_eq!(
            (&audit["duplicate_rows_removed"], &audit["rows_outside_date"]),
            (&json!(0), &json!(0)),
            "{audit:#}"
        );
        first.push(rows);
    }
    let known = first[0].iter().find(|row| row["transaction_id"] == "BDIVUZZPQK51").unwrap();
    assert_eq!(known["row_hash"], "9dbbfa2be1a31fac9060e6d9f8c46162");
    assert_eq!(known["timestamp"].as_str().map(|at| &at[..19]), Some("2024-10-16T15:23:00"));

    for day in DAYS {
        deliver(&world, &format!("again_{day}.csv"), sample(day)).await;
    }
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    let result = compact(&world.lake, &["--detect_changes=true"]).await;
    expect(&result, "OK", 0);
    for ((day, old), (_, good, ..)) in DAYS.iter().zip(&first).zip(FIGURES) {
        assert_eq!(metrics(&world, day).await["duplicate_rows_removed"], good, "{day}");
        let rows = gold(&world, day).await;
        assert_eq!(texts(&rows, "row_hash"), texts(old, "row_hash"), "{day}");
        assert_eq!(rows[0]["source_file"], format!("again_{day}.csv"), "the newest delivery wins");
    }
    let third = compact(&world.lake, &["--detect_changes=true"]).await;
    assert!(third.outputs.is_empty(), "nothing has changed since: {}", third.message);
}

#[tokio::test]
async fn the_same_file_again_replaces_its_own_output() {
    let world = World::new().await;
    let rows = ["T1,S1,2024-12-07,I1,Toys,1,2,2,Card,C1", "T2,S1,2024-12-08,I1,Toys,1,2,2,Card,C1"];
    deliver(&world, "in/a.csv", file(&rows)).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    let first = names(&world, "processed").await;
    assert_eq!(first.len(), 2, "{first:?}");
    deliver(&world, "in/a.csv", file(&rows)).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    assert_eq!(names(&world, "processed").await, first);
    deliver(&world, "in/a.csv", file(&rows[..1])).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    assert_eq!(names(&world, "processed").await.len(), 3, "other content is another delivery");
}

#[tokio::test]
async fn rows_are_cleaned_recovered_deduplicated_and_rejected_with_what_they_said() {
    let world = World::new().await;
    let text = "\u{FEFF}TransID;Shop-ID;TIMESTAMP;product_id;qty;price;amount;note\n\
        T1;S1;2024-12-07 8:05;I1;1;\"$1,413.15 \";1413.15;x\n\
        \n   \n\
        T1;S1;2024-12-07 8:05;I1;1;1413.15;1413.15;another note\n\
        T2,S1,2024-12-07 8:05,I1,2,5,10,comma\n\
        T3;S\u{200B}1;07-12-24 23:59;I\u{A0}1;1;5;5\n\
        T4;S1;2024-02-30;I1;1;5;5;x\n\
        T5;S1;2024-12-07;I1;1;5;\"five\nor six\";x\n";
    deliver(&world, "odd.csv", text).await;
    let result = ingest(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    for (name, expected) in [
        ("records", 6.0),
        ("good_records", 4.0),
        ("rejected_records", 2.0),
        ("delimiter_recovered_rows", 1.0),
        ("duplicate_rows_dropped", 1.0),
        ("revenue", 2841.3),
    ] {
        assert_eq!(metric(&result, name), expected, "{name}");
    }
    assert_eq!(quality(&result, "fact_sales", "reject_rate"), "WARN", "a third of the rows");
    let rows = parquet_rows(&world.lake, &world.folder("sales", "processed/date=2024-12-07")).await;
    let found: Vec<_> = rows.iter().map(|row| (row["transaction_id"].as_str().unwrap(), &row["item_id"])).collect();
    assert_eq!(found, [("T1", &json!("I1")), ("T2", &json!("I1")), ("T3", &json!("I1"))]);
    assert_eq!(rows[0]["unit_price"], 1413.15);
    assert_eq!((&rows[0]["item_category"], &rows[0]["source_file"]), (&json!(null), &json!("odd.csv")));
    assert_eq!(rows[0]["ingest_run_id"], result.run_id);
    assert!(!rows[0].contains_key("note") && !rows[0].contains_key("date"), "{:?}", rows[0]);

    let rejects = names(&world, "rejected/data_quality").await;
    assert_eq!(rejects.len(), 2, "{rejects:?}");
    let folder = world.folder("sales", "rejected/data_quality");
    let csv = String::from_utf8(folder.get(&rejects[0]).await.unwrap().to_vec()).unwrap();
    assert!(csv.starts_with("raw_row,transaction_id,store_id,timestamp_raw,timestamp_parsed,item_id,"), "{csv}");
    assert!(csv.contains("INVALID_TIMESTAMP_FORMAT") && csv.contains("BUSINESS_LOGIC_FAIL"), "{csv}");
    let lines = String::from_utf8(folder.get(&rejects[1]).await.unwrap().to_vec()).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["raw_row"]), (2, &json!("T4;S1;2024-02-30;I1;1;5;5;x")));
    assert_eq!(
        (&lines[1]["raw_row"], &lines[1]["timestamp_parsed"]),
        (&json!("T5;S1;2024-12-07;I1;1;5;\"five\nor six\";x"), &json!("2024-12-07 00:00:00"))
    );
    let report = names(&world, "quality").await;
    let report = object(&world, &format!("quality/{}", report[0])).await;
    assert_eq!((&report["good"], &report["run_id"]), (&json!(4), &json!(result.run_id)), "{report:#}");
}

#[tokio::test]
async fn an_empty_zone_is_skipped_and_a_file_of_rejects_only_writes_no_partition() {
    let world = World::new().await;
    let result = ingest(&world.lake, &[]).await;
    expect(&result, "NO_RAW_DATA", 0);
    deliver(&world, "bad.csv", file(&["T1,S1,never,I1,,1,1,1,,"])).await;
    deliver(&world, "header.csv", file(&[])).await;
    deliver(&world, "_batch.manifest.json", "{}").await;
    let result = ingest(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    assert_eq!((metric(&result, "records"), metric(&result, "files_ingested")), (1.0, 2.0));
    assert_eq!(names(&world, "processed").await, [""; 0]);
    assert_eq!(names(&world, "raw").await, ["_batch.manifest.json"], "hidden objects are nobody's business");
}

#[tokio::test]
async fn two_headers_of_one_column_are_warned_of() {
    let world = World::new().await;
    let text =
        "transaction_id,store_id,timestamp,item_id,quantity,unit_price,revenue,amount\nT1,S1,2024-12-07,I,1,2,2,9\n";
    deliver(&world, "twice.csv", text).await;
    let result = ingest(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    assert!(result.warnings.iter().any(|warning| warning.contains("`amount`")), "{:?}", result.warnings);
    expect(&compact(&world.lake, &[]).await, "OK", 0);
    assert_eq!(sales(&gold(&world, "2024-12-07").await)[0]["revenue"], 2.0);
}
