//! Input that cannot be used: a clear message, the others go on, what was there stays.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::super::bomb::{Value, equal_rows, parquet_bombs, within_mib};
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
        (&["--max_partitions=many"], "give a number such as 10"),
        (&["--force_dates=,"], "--force_dates names no date"),
        (&["--dimension_key=store_id"], "--dimension_key"),
    ] {
        let refused = compact(&world.lake, line).await;
        expect(&refused, "PRE_VALIDATION_FAILED", 2);
        assert!(refused.message.contains(part), "{line:?}: {}", refused.message);
    }
    for line in ["--max_reject_rate=much", "--max_reject_rate=NaN", "--max_reject_rate=-5", "--ds=2024-02-30"] {
        let refused = ingest(&world.lake, &[line]).await;
        expect(&refused, "PRE_VALIDATION_FAILED", 2);
        assert!(refused.message.contains(line.split('=').next().unwrap()), "{line}: {}", refused.message);
    }
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
    // Cut off at the end, damaged in the middle of the pages, with a text that is none, and no Parquet at all.
    let damaged = |byte: u8| {
        let mut bytes = whole.to_vec();
        let middle = bytes.len() / 3;
        bytes[4..middle].fill(byte);
        bytes
    };
    let mut cases = vec![
        (whole[..whole.len() - 9].to_vec(), "z-broken.parquet"),
        (damaged(0xAA), "replace it by an intact one"),
        (damaged(0), "replace it by an intact one"),
        (equal_rows(&[("store_id", Value::Bytes(b"S\xff\xfe"))], 3), "UTF"),
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
        assert!(error.contains("z-broken.parquet"), "{error}");
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

#[tokio::test]
async fn a_second_file_of_a_name_is_set_aside_beside_the_first() {
    let world = World::new().await;
    for text in ["a,b\n1,2\n", "a,b\n3,4\n"] {
        deliver(&world, "x.csv", text).await;
        expect(&ingest(&world.lake, &[]).await, "MISSING_COLUMNS", 1);
    }
    let aside = names(&world, "rejected/structural").await;
    assert_eq!(aside.len(), 4, "two files, two reasons: {aside:?}");
    assert_eq!(world.folder("sales", "rejected/structural").get("x.csv").await.unwrap(), "a,b\n1,2\n");
}

#[tokio::test]
async fn a_file_of_which_many_rows_are_rejected_is_warned_of() {
    let world = World::new().await;
    deliver(&world, "bad.csv", file(&[GOOD, "T2,S1,never,I1,,1,1,1,,"])).await;
    let result = ingest(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    let warned = |warning: &String| {
        warning.contains("bad.csv: 1 of 2 rows") && warning.contains("rejected/data_quality/csv/bad-")
    };
    assert!(result.warnings.iter().any(warned), "{:?}", result.warnings);
    assert_eq!(result.metrics["alarms"][0]["severity"], "high");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_delivered_again_while_it_is_read_waits_for_the_next_run() {
    let world = World::new().await;
    let Some(raw) = world.folder("sales", "raw").local_path() else { return };
    let rows = |count: usize| {
        let row = |n: usize| format!("T{n},S1,2024-12-07,I1,Toys,1,2,2,Card,C1");
        file(&(0..count).map(row).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>())
    };
    deliver(&world, "a.csv", rows(20_000)).await;
    let (outside, read) = (raw.parent().unwrap().join("outside.csv"), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        // Again and again, so that one delivery falls into the time of reading.
        scope.spawn(|| {
            while !read.load(Ordering::Relaxed) && raw.join("a.csv").exists() {
                std::fs::write(&outside, rows(40_000)).unwrap();
                std::fs::rename(&outside, raw.join("a.csv")).unwrap();
            }
        });
        let result =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(ingest(&world.lake, &[])));
        read.store(true, Ordering::Relaxed);
        result
    });
    expect(&result, "STORAGE_ERROR", 1);
    assert!(result.message.contains("changed while it was read"), "{}", result.message);
    assert_eq!(world.folder("sales", "processed").data_objects().await.unwrap(), []);
    let result = ingest(&world.lake, &[]).await;
    expect(&result, "OK", 0);
    assert!(result.message.contains("40000 of 40000"), "{}", result.message);
}
