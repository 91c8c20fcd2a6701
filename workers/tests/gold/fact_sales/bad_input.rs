//! Input that cannot be used: a clear message, the others go on, what was there stays.

use serde_json::json;

use super::super::bomb::{parquet_bombs, within_mib};
use super::super::support::{MIB, World, expect, quality};
use super::{compact, deliver, file, gold, ingest, json as object, metrics, names, summary};

const GOOD: &str = "T1,S1,2024-12-07,I1,Toys,1,2,2,Card,C1";

#[tokio::test]
async fn a_file_that_is_no_sales_file_is_set_aside_with_its_reason() {
    let long = format!("{GOOD}\nT2,S1,2024-12-07,{}", "x".repeat(3 << 20));
    let not_text = [file(&[GOOD, "T2,S1,"]).as_bytes(), b"\xff\n"].concat();
    let cases: [(&str, Vec<u8>, &str, &str, &str); 8] = [
        (
            "lacks.csv",
            b"transaction_id,timestamp,qty\n1,2,3\n".to_vec(),
            "MISSING_COLUMNS",
            "MISSING_COLUMNS",
            "store_id",
        ),
        ("latin.csv", not_text, "NOT_UTF8", "SCHEMA_VALIDATION_FAILED", "line 4"),
        ("long.csv", file(&[&long]).into_bytes(), "ROW_TOO_LONG", "SCHEMA_VALIDATION_FAILED", "line 3"),
        (
            "cut.csv",
            file(&[GOOD, "T2,S1,\"2024-12-0"]).into_bytes(),
            "OPEN_QUOTE",
            "SCHEMA_VALIDATION_FAILED",
            "line 3",
        ),
        ("empty.csv", Vec::new(), "EMPTY_FILE", "SCHEMA_VALIDATION_FAILED", "no header"),
        ("blank.csv", b"\n  \n\n".to_vec(), "EMPTY_FILE", "SCHEMA_VALIDATION_FAILED", "no header"),
        ("bytes.csv", vec![0x1f, 0x8b, 0xff, 0x00], "NOT_UTF8", "SCHEMA_VALIDATION_FAILED", "line 1"),
        ("sales.parquet", b"PAR1".to_vec(), "UNSUPPORTED_FILE_TYPE", "SCHEMA_VALIDATION_FAILED", ".csv"),
    ];
    for (name, bytes, code, failure, part) in cases {
        let world = World::new().await;
        deliver(&world, name, bytes.clone()).await;
        let alone = ingest(&world.lake, &[]).await;
        expect(&alone, failure, 1);
        assert!(alone.message.contains(name) && alone.message.contains(part), "{name}: {}", alone.message);
        let reason = object(&world, &format!("rejected/structural/{name}_reason.json")).await;
        assert_eq!((&reason["code"], &reason["file"]), (&json!(code), &json!(name)), "{reason:#}");
        if code == "MISSING_COLUMNS" {
            assert_eq!(reason["missing_columns"], json!(["store_id", "item_id", "unit_price", "revenue"]));
        }
        let kept = world.folder("sales", "rejected/structural").get(name).await.unwrap();
        assert_eq!(kept, bytes, "{name} is kept as it came");
        for zone in ["raw", "validated", "processed", "archive"] {
            assert_eq!(names(&world, zone).await, [""; 0], "{name}: {zone}");
        }

        deliver(&world, name, bytes).await;
        deliver(&world, "good.csv", file(&[GOOD])).await;
        let beside = ingest(&world.lake, &[]).await;
        expect(&beside, failure, 3);
        assert_eq!(quality(&beside, "fact_sales", "structure"), "FAIL", "{name}");
        assert_eq!(names(&world, "processed").await.len(), 1, "{name}: the good file went through");
        assert_eq!(names(&world, "raw").await, [""; 0]);
    }
}

#[tokio::test]
async fn arguments_that_cannot_be_meant_are_refused_before_anything_is_touched() {
    let world = World::new().await;
    deliver(&world, "good.csv", file(&[GOOD])).await;
    for (line, part) in [
        (&["--max_partitions=0"][..], "--max_partitions"),
        (&["--output_files=0"], "--output_files"),
        (&["--watermark_days=-1"], "--watermark_days"),
        (&["--reprocess=perhaps"], "--reprocess"),
        (&["--gold_path=s3://curated/../x"], "`..`"),
        (&["--unheard_of=1"], "--unheard_of"),
        (&["--dimension_key=store_id"], "--dimension_key"),
    ] {
        let refused = compact(&world.lake, line).await;
        expect(&refused, "PRE_VALIDATION_FAILED", 2);
        assert!(refused.message.contains(part), "{line:?}: {}", refused.message);
    }
    let refused = ingest(&world.lake, &["--max_reject_rate=much"]).await;
    expect(&refused, "PRE_VALIDATION_FAILED", 2);
    assert_eq!(names(&world, "").await, ["raw/good.csv"]);
}

#[tokio::test]
async fn a_broken_parquet_file_fails_its_date_alone_and_leaves_gold_as_it_was() {
    let world = World::new().await;
    deliver(&world, "a.csv", file(&[GOOD, "T2,S1,2024-12-08,I1,Toys,1,2,2,Card,C1"])).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    expect(&compact(&world.lake, &[]).await, "OK", 0);
    let old = gold(&world, "2024-12-07").await;

    let processed = world.folder("sales", "processed");
    let name = names(&world, "processed/date=2024-12-07").await.remove(0);
    let whole = processed.get(&format!("date=2024-12-07/{name}")).await.unwrap();
    // Cut off at the end, in the middle of the pages, and no Parquet at all.
    let mut torn = whole.to_vec();
    let middle = torn.len() / 3;
    torn[4..middle].fill(0xAA);
    let mut cases = vec![
        (whole[..whole.len() - 9].to_vec(), "z-broken.parquet"),
        (torn, "date=2024-12-07"),
        (b"not parquet".to_vec(), "z-broken.parquet"),
        (b"PAR1 this is no Parquet PAR1".to_vec(), "is no footer"),
        (Vec::new(), "z-broken.parquet"),
    ];
    cases.extend(parquet_bombs("quantity").into_iter().map(|(_, bytes, part)| (bytes, part)));
    for (bytes, part) in cases {
        processed.put("date=2024-12-07/z-broken.parquet", bytes.clone()).await.unwrap();
        let result = within_mib(MIB, compact(&world.lake, &["--reprocess=true"])).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 3);
        let audit = metrics(&world, "2024-12-07").await;
        assert_eq!(audit["status"], "read_failed", "{audit:#}");
        let error = audit["error"].as_str().unwrap();
        assert!(error.contains(part), "{error}");
        assert!(error.contains("z-broken.parquet") || part == "date=2024-12-07", "{error}");
        assert!(result.message.contains("first failure: ") && result.message.contains(part), "{}", result.message);
        assert_eq!(metrics(&world, "2024-12-08").await["status"], "written");
        assert_eq!(summary(&world).await["processed_partitions_count"], 1);
        assert_eq!(gold(&world, "2024-12-07").await, old, "{}", bytes.len());

        let alone = compact(&world.lake, &["--force_dates=2024-12-07"]).await;
        assert_eq!(alone.exit_status(), 1, "all have failed: {}", alone.message);
    }
    processed.delete("date=2024-12-07/z-broken.parquet").await.unwrap();
    let mended = compact(&world.lake, &["--detect_changes=true"]).await;
    expect(&mended, "OK", 0);
    assert_eq!(metrics(&world, "2024-12-07").await["status"], "written", "a failed date is taken up again");
}
