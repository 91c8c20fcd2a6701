use workers::job::JobStatus;
use workers::lake::read::parse_instant;

use super::support::{World, columns, expect, metric, numbers, rows, texts};

const KNOWN: [&str; 8] = ["symbol", "timestamp", "open", "high", "low", "close", "adjusted_close", "volume"];
const LINE: &str = r#"{"symbol":"A","timestamp":"2012-05-18T00:00:00Z","close":1.0}"#;

#[tokio::test]
async fn real_days_of_every_format_become_the_same_table() {
    let world = World::new().await;
    for (ds, file_type, fb_close, fb_volume) in [
        ("2012-05-18", "json", 38.2318, 573_576_400.0),
        ("2012-05-21", "json", 34.03, 168_192_700.0),
        ("2012-05-22", "json", 31.0, 101_786_600.0),
        ("2012-05-23", "json", 32.0, 73_600_000.0),
        ("2012-05-24", "csv", 33.03, 50_237_200.0),
    ] {
        world.add_day(ds).await;
        let result = world.compact(ds, &["--file_type", file_type]).await;
        expect(&result, "OK", 0);
        assert_eq!(result.warnings, Vec::<String>::new());
        for (name, value) in [
            ("raw_objects", 4.0),
            ("records", 4.0),
            ("malformed_records", 0.0),
            ("files", 1.0),
            ("manifest_objects", 4.0),
        ] {
            assert_eq!(metric(&result, name), value, "{ds} {name}");
        }
        let frame = rows(&world.compacted(ds)).await;
        assert_eq!(columns(&frame), KNOWN);
        assert_eq!(texts(&frame, "symbol"), [Some("AAPL"), Some("FB"), Some("IBM"), Some("MSFT")]);
        assert_eq!((numbers(&frame, "close")[1], numbers(&frame, "volume")[1]), (Some(fb_close), Some(fb_volume)));
        let at: Vec<_> = frame.column("timestamp").unwrap().datetime().unwrap().physical().iter().collect();
        assert_eq!(at, [parse_instant(ds); 4]);
        let dtype = frame.column("timestamp").unwrap().dtype().to_string();
        assert_eq!(dtype, "datetime[μs, UTC]");
    }
}

#[tokio::test]
async fn an_empty_day_and_a_day_of_markers_are_skipped_and_nothing_is_written() {
    let world = World::new().await;
    world.add("2012-05-18", "_batch.manifest.json", r#"{"objects":[]}"#).await;
    world.add("2012-05-18", "_SUCCESS", "").await;
    world.add("2012-05-19", "empty.json", "").await;
    world.add("2012-05-20", "header.csv", "symbol,timestamp\n").await;
    for ds in ["2012-05-17", "2012-05-18", "2012-05-19", "2012-05-20"] {
        let result = world.compact(ds, &[]).await;
        expect(&result, "NO_RAW_DATA", 0);
        assert_eq!((result.status, metric(&result, "records")), (JobStatus::Skipped, 0.0));
        assert!(result.outputs.is_empty());
    }
    let written = world.table().data_objects().await.unwrap();
    assert!(written.is_empty(), "{written:?}");
}

#[tokio::test]
async fn malformed_rows_are_kept_and_counted() {
    let world = World::new().await;
    world.add("2012-05-18", "A.json", format!("{LINE}\nnot json\n")).await;
    world.add("2012-05-18", "B.json", r#"{"symbol":"B","timestamp":"yesterday","close":2}"#).await;
    let result = world.compact("2012-05-18", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!((metric(&result, "records"), metric(&result, "malformed_records")), (3.0, 2.0));
    let frame = rows(&world.compacted("2012-05-18")).await;
    assert_eq!(columns(&frame).last(), Some(&"_corrupt_record"));
    assert_eq!(texts(&frame, "symbol"), [Some("A"), Some("B"), None], "nulls last");
    assert_eq!(texts(&frame, "_corrupt_record")[2], Some("not json"));
    assert_eq!(numbers(&frame, "close"), [Some(1.0), Some(2.0), None], "what parsed is kept");
}

#[tokio::test]
async fn mixed_formats_are_read_by_extension_and_counted() {
    let world = World::new().await;
    world.add_day("2012-05-23").await;
    let csv = "symbol,timestamp,close,exchange\nZ,2012-05-23T00:00:00Z,7,NYSE\n";
    world.add("2012-05-23", "Z.csv", csv).await;
    world.add("2012-05-23", "Z.json", r#"{"symbol":"Z","timestamp":"2012-05-23T00:00:00Z","close":7}"#).await;
    let result = world.compact("2012-05-23", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!((metric(&result, "mixed_format_objects"), metric(&result, "records")), (1.0, 6.0));
    let frame = rows(&world.compacted("2012-05-23")).await;
    assert_eq!(columns(&frame).last(), Some(&"exchange"));
    assert_eq!(texts(&frame, "exchange")[4..], [Some("NYSE"), None], "equal keys by their object's key");
}

#[tokio::test]
async fn the_manifest_is_compared_with_what_is_there() {
    let world = World::new().await;
    world.add_day("2012-05-18").await;
    world.raw("2012-05-18").delete("FB.json").await.unwrap();
    world.add("2012-05-18", "IBM.json", format!("{LINE}\n{LINE}\n")).await;
    let result = world.compact("2012-05-18", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(metric(&result, "manifest_missing_objects"), 1.0);
    assert_eq!(metric(&result, "manifest_record_mismatch"), 1.0);
    assert_eq!(result.warnings.len(), 2, "{:?}", result.warnings);
}

#[tokio::test]
async fn a_rerun_gives_identical_rows_in_new_files() {
    let world = World::new().await;
    world.add_day("2012-05-18").await;
    let first = world.compact("2012-05-18", &[]).await;
    let before = rows(&world.compacted("2012-05-18")).await;
    let second = world.compact("2012-05-18", &[]).await;
    let after = rows(&world.compacted("2012-05-18")).await;
    assert!(before.equals_missing(&after));
    assert_eq!((&first.outputs, metric(&first, "files")), (&second.outputs, metric(&second, "files")));
    assert_ne!(first.run_id, second.run_id);
    let files = world.compacted("2012-05-18").folder().data_objects().await.unwrap();
    let expected = format!("part-00000-{}.parquet", &second.run_id[..8]);
    assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn a_failing_run_and_a_vanished_day_leave_the_old_partition() {
    let world = World::new().await;
    world.add_day("2012-05-18").await;
    expect(&world.compact("2012-05-18", &[]).await, "OK", 0);
    let before = rows(&world.compacted("2012-05-18")).await;

    world.add("2012-05-18", "broken.json.gz", "this is no gzip").await;
    let result = world.compact("2012-05-18", &[]).await;
    expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(result.message.contains("broken.json.gz"), "{}", result.message);
    assert!(rows(&world.compacted("2012-05-18")).await.equals_missing(&before));

    for object in world.raw("2012-05-18").objects().await.unwrap() {
        world.raw("2012-05-18").delete(&object.name).await.unwrap();
    }
    expect(&world.compact("2012-05-18", &[]).await, "NO_RAW_DATA", 0);
    assert!(rows(&world.compacted("2012-05-18")).await.equals_missing(&before));
}

#[tokio::test]
async fn bad_arguments_are_refused_by_name_before_anything_is_written() {
    let world = World::new().await;
    world.add_day("2012-05-18").await;
    for (more, code, part) in [
        (&["--file_type=xml"][..], "UNSUPPORTED_FILE_TYPE", "xml"),
        (&["--ds=2012-02-30"], "PRE_VALIDATION_FAILED", "2012-02-30"),
        (&["--codec=rar"], "PRE_VALIDATION_FAILED", "rar"),
        (&["--output_partitions=0"], "PRE_VALIDATION_FAILED", "--output_partitions"),
        (&["--target_file_mb=big"], "PRE_VALIDATION_FAILED", "--target_file_mb"),
        (&["--raw_bucket="], "PRE_VALIDATION_FAILED", "--raw_bucket is required"),
        (&["--raw_prefix=../../etc"], "PRE_VALIDATION_FAILED", "../../etc"),
        (&["--compacted_bucket=ftp://x/y"], "PRE_VALIDATION_FAILED", "ftp://x/y"),
        (&["--surprise=1"], "PRE_VALIDATION_FAILED", "--surprise"),
    ] {
        let result = world.compact("2012-05-18", more).await;
        expect(&result, code, 2);
        assert!(result.message.contains(part), "{more:?}: {}", result.message);
    }
    assert!(world.table().objects().await.unwrap().is_empty());
}
