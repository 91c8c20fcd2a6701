//! Days that do not fit into the memory they may take: by temporary files they become the same rows in the same files.

use workers::job::JobResult;
use workers::lake::{Partition, PartitionState};

use super::support::{MEMORY_VARIABLE, World, columns, expect, metric, rows, run, run_every_case_again};

const DS: &str = "2012-05-18";

/// Every case of this program once more, with memory for nothing.
#[test]
fn every_case_holds_without_memory_too() {
    run_every_case_again(&["every_case_holds", "memory::"], MEMORY_VARIABLE, "0");
}

/// A day of all that can be in one: undeclared columns of every type, rows that are none, of other days, without a symbol,
/// several of one symbol that are equal, or differ, across all objects; every format.
async fn day() -> World {
    let world = World::new().await;
    let (mut json, mut csv, mut late) =
        (String::new(), String::from("symbol,timestamp,open,close,volume,exchange,blank\n"), String::new());
    for n in 0..600 {
        let symbol = match n % 50 {
            7 => "null".to_owned(),
            _ => format!("\"S{:03}\"", n % 90),
        };
        let at = if n % 60 == 3 { "2012-05-17T23:00:00Z".to_owned() } else { format!("{DS}T{:02}:00:00Z", n % 24) };
        let row = format!(
            "{{\"symbol\":{symbol},\"timestamp\":\"{at}\",\"open\":1,\"high\":{},\"low\":1,\"close\":{},\"adjusted_close\":{},\
             \"volume\":{},\"flag\":{},\"price\":{n},\"rank\":{},\"tags\":[{n}],\"void\":null}}\n",
            if n % 70 == 0 { 0.5 } else { 900.0 },
            1 + n % 800,
            1 + n % 400,
            if n % 40 == 9 { -1 } else { n },
            n % 2 == 0,
            if n == 599 { "\"last\"".to_owned() } else { n.to_string() },
        );
        json.push_str(&row);
        if n % 3 == 0 {
            late.push_str(&row);
        }
        if n % 100 == 55 {
            json.push_str("no row\n");
        }
        csv.push_str(&format!("S{:03},{at},2,{},{n},E{},\n", n % 95, n % 17, n % 3));
    }
    world.add(DS, "a.json", json).await;
    world.add(DS, "b.csv", csv).await;
    world.add(DS, "c.json", late).await;
    let frame = polars::prelude::df!(
        "symbol" => (0..400).map(|n| format!("S{:03}", n % 99)).collect::<Vec<_>>(),
        "timestamp" => vec![DS; 400],
        "close" => (0..400).map(f64::from).collect::<Vec<_>>(),
        "rank" => (0..400).collect::<Vec<i64>>(),
    );
    let parquet = workers::lake::encode_parquet("x", &frame.unwrap(), workers::lake::Codec::Zstd).unwrap();
    world.add(DS, "d.parquet", parquet).await;
    world.add(DS, "_batch.manifest.json", r#"{"objects":[{"key":"gone.json","records":1}]}"#).await;
    world
}

/// A partition's files, byte by byte.
async fn files(partition: &Partition) -> Vec<(u64, bytes::Bytes)> {
    let PartitionState::Complete(success) = partition.state().await.unwrap() else { return Vec::new() };
    let mut files = Vec::new();
    for file in success.files {
        files.push((file.rows.unwrap(), partition.folder().get(&file.name).await.unwrap()));
    }
    files
}

/// What a result says, but for what differs from run to run.
fn told(result: &JobResult) -> String {
    let mut metrics = result.metrics.clone();
    for name in ["peak_memory_bytes", "cpu_seconds"] {
        metrics.remove(name);
    }
    let outputs: Vec<_> = result.outputs.iter().map(|output| (output.rows, output.files, output.bytes)).collect();
    let warnings: Vec<String> = result.warnings.iter().map(|warning| without_place(warning)).collect();
    format!(
        "{:?} {} {} {metrics:?} {outputs:?} {warnings:?}",
        result.status,
        result.code,
        without_place(&result.message)
    )
}

/// A text without the URIs in it, whose lake is another in each world.
fn without_place(text: &str) -> String {
    text.split(' ').map(|word| word.rsplit("/raw/").next().unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_day_becomes_the_same_files_whatever_memory_it_may_take() {
    let held = day().await;
    let arguments = ["--max_critical_error_rate=50", "--run_id=the-same-run"];
    let compacted = held.compact(DS, &arguments).await;
    expect(&compacted, "OK", 0);
    assert!(metric(&compacted, "malformed_records") >= 6.0);
    let transformed = held.transform(DS, &arguments).await;
    expect(&transformed, "OK", 0);
    for name in ["dq_null_symbol", "dq_negative_volume", "dq_malformed", "dq_wrong_partition", "dq_duplicate_key"] {
        assert!(metric(&transformed, name) > 0.0, "{name}");
    }
    assert!(metric(&transformed, "duplicates_identical") > 0.0 && metric(&transformed, "duplicates_conflicting") > 0.0);
    let frame = rows(&held.compacted(DS)).await;
    assert_eq!(columns(&frame)[8..], ["blank", "exchange", "flag", "price", "rank", "tags", "void", "_corrupt_record"]);

    for bytes in [0, 100_000] {
        let mut world = day().await;
        world.lake = world.lake.with_read_memory(bytes);
        let again = world.compact(DS, &arguments).await;
        assert_eq!(told(&again), told(&compacted), "{bytes} bytes");
        assert!(files(&world.compacted(DS)).await == files(&held.compacted(DS)).await, "{bytes} bytes");
        let again = world.transform(DS, &arguments).await;
        assert_eq!(told(&again), told(&transformed), "{bytes} bytes");
        assert!(files(&world.curated(DS)).await == files(&held.curated(DS)).await, "{bytes} bytes");
        assert!(files(&world.quarantine(DS)).await == files(&held.quarantine(DS)).await, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_day_that_fails_is_quarantined_whole_whatever_memory_it_may_take() {
    let held = day().await;
    let arguments = ["--max_critical_error_rate=1", "--run_id=the-same-run"];
    expect(&held.compact(DS, &arguments).await, "OK", 0);
    let failed = held.transform(DS, &arguments).await;
    expect(&failed, "DQ_FAILED", 1);
    let mut world = day().await;
    world.lake = world.lake.with_read_memory(0);
    expect(&world.compact(DS, &arguments).await, "OK", 0);
    let again = world.transform(DS, &arguments).await;
    assert_eq!(told(&again), told(&failed));
    assert!(files(&world.quarantine(DS)).await == files(&held.quarantine(DS)).await);
    assert_eq!(world.curated(DS).state().await.unwrap(), PartitionState::Absent);
}

/// Partitions of other writers: files in any order, the key's types others than ours.
#[tokio::test]
async fn unsorted_files_of_others_give_the_same_whatever_memory_they_may_take() {
    let (held, mut world) = (World::new().await, World::new().await);
    world.lake = world.lake.with_read_memory(0);
    for (name, step) in [("1.parquet", 7), ("2.parquet", 11)] {
        let symbols: Vec<String> = (0..500).map(|n| format!("S{:02}", n * step % 83)).collect();
        let times: Vec<String> = (0..500).map(|n| format!("{DS}T{:02}:30:00Z", n % 13)).collect();
        let close: Vec<i64> = (0..500).map(|n| n * step).collect();
        let frame = polars::prelude::df!("close" => close, "timestamp" => times, "symbol" => symbols).unwrap();
        let bytes = workers::lake::encode_parquet("x", &frame, workers::lake::Codec::Snappy).unwrap();
        for world in [&held, &world] {
            world.compacted(DS).folder().put(name, bytes.clone()).await.unwrap();
        }
    }
    let arguments = ["--run_id=the-same-run"];
    let (first, second) = (held.transform(DS, &arguments).await, world.transform(DS, &arguments).await);
    expect(&first, "OK", 0);
    assert_eq!(told(&first), told(&second));
    assert_eq!(metric(&first, "rows"), 83.0);
    assert!(files(&held.curated(DS)).await == files(&world.curated(DS)).await);
}

#[tokio::test]
async fn a_day_read_from_raw_needs_no_memory_either() {
    let (held, mut world) = (day().await, day().await);
    world.lake = world.lake.with_read_memory(0);
    let arguments = ["--max_critical_error_rate=50", "--run_id=the-same-run"];
    let first = run(&held.lake, "daily-prices-data-etl", DS, &arguments).await;
    let second = run(&world.lake, "daily-prices-data-etl", DS, &arguments).await;
    expect(&first, "OK", 0);
    assert_eq!(told(&first), told(&second));
    assert_eq!(first.metrics["input"], "raw");
    assert!(files(&held.curated(DS)).await == files(&world.curated(DS)).await);
}
