//! Input that cannot be used, or not whole: what is said about it, and that the old partition stays.
//!
//! Source: pipelines.md 6.2, column 1.

use polars::prelude::{DataFrame, df};
use workers::lake::{Codec, encode_parquet};

use super::bomb::{gzip, gzip_of_a_long_line, parquet_bombs, within_mib};
use super::support::{World, columns, expect, metric, numbers, rows, texts};

const DS: &str = "2012-05-18";
const LINE: &str = r#"{"symbol":"A","timestamp":"2012-05-18T00:00:00Z","close":1.0}"#;
/// More than a job takes beside what it reads, less than what a bomb would.
const MIB: u64 = 700;

/// A day that was compacted before, and its rows.
async fn compacted() -> (World, DataFrame) {
    let world = World::new().await;
    world.add(DS, "A.json", LINE).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    let before = rows(&world.compacted(DS)).await;
    (world, before)
}

#[tokio::test]
async fn an_object_that_cannot_be_read_fails_the_day_by_its_name_and_the_old_partition_stays() {
    let (world, before) = compacted().await;
    let good = encode_parquet("x", &df!("symbol" => ["A"], "close" => [1.0]).unwrap(), Codec::Zstd).unwrap();
    let mut cases: Vec<(String, Vec<u8>, String)> = vec![
        ("cut.parquet".into(), good[..good.len() / 2].to_vec(), "as Parquet".into()),
        ("none.parquet".into(), b"this is no Parquet".to_vec(), "as Parquet".into()),
        ("line.json.gz".into(), gzip_of_a_long_line(&format!("{LINE}\n")), "line 2 exceeds RECORD_BYTES_MAX".into()),
        ("line.csv.gz".into(), gzip_of_a_long_line("symbol,close\nA,1\n"), "line 3 exceeds RECORD_BYTES_MAX".into()),
        (
            "quote.csv.gz".into(),
            gzip_of_a_long_line("symbol,close\n\"A\n"),
            "line 2, with a quote in line 2 that is not closed, exceeds RECORD_BYTES_MAX".into(),
        ),
        ("whole.parquet.gz".into(), gzip(&vec![0; 8 << 20], 40), "PARQUET_GZIP_BYTES_MAX".into()),
        ("cut.json.gz".into(), gzip(LINE.as_bytes(), 1)[..30].to_vec(), "as gzip".into()),
    ];
    for (name, bytes, part) in parquet_bombs("symbol") {
        cases.push((format!("{name}.parquet"), bytes.clone(), part.to_owned()));
        cases.push((format!("{name}.parquet.gz"), gzip(&bytes, 1), part.to_owned()));
    }
    for (name, bytes, part) in cases {
        assert!(bytes.len() < 10 << 20, "{name} is small: {} bytes", bytes.len());
        world.add(DS, &name, bytes).await;
        let result = within_mib(MIB, world.compact(DS, &[])).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains(&format!("/{name}`")), "{name}: {}", result.message);
        assert!(result.message.contains(&part), "{name}: {}", result.message);
        assert!(rows(&world.compacted(DS)).await.equals_missing(&before), "{name}");
        world.raw(DS).delete(&name).await.unwrap();
    }
    expect(&world.compact(DS, &[]).await, "OK", 0);
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_kept_with_their_text_counted_and_the_first_is_named() {
    let row = |symbol: &str, timestamp: &str, close: &str| {
        format!("{{\"symbol\":{symbol},\"timestamp\":{timestamp},\"close\":{close}}}\n").into_bytes()
    };
    let day = "\"2012-05-18\"";
    for (name, bad) in [
        ("no such date", row("\"B\"", "\"2024-02-30\"", "2")),
        ("no date", row("\"B\"", "\"yesterday\"", "2")),
        ("a number as a time", row("\"B\"", "1337299200", "2")),
        ("a text as a number", row("\"B\"", day, "\"abc\"")),
        ("a truth as a number", row("\"B\"", day, "true")),
        ("an object as a text", row("{}", day, "2")),
        ("not UTF-8", [b"{\"symbol\":\"\xff\xfe\",".to_vec(), row("\"B\"", day, "2")[1..].to_vec()].concat()),
        ("no JSON", b"B;2012-05-18;2\n".to_vec()),
        ("cut off", b"{\"symbol\":\"B\",\"close\":2".to_vec()),
    ] {
        let world = World::new().await;
        world.add(DS, "A.json", LINE).await;
        world.add(DS, "B.json", [format!("{LINE}\n\n").as_bytes(), &bad].concat()).await;
        let result = world.compact(DS, &[]).await;
        expect(&result, "OK", 0);
        assert_eq!((metric(&result, "records"), metric(&result, "malformed_records")), (3.0, 1.0), "{name}");
        let said = &result.warnings[0];
        assert!(said.contains("first row 2 of `") && said.contains("/B.json`"), "{name}: {said}");
        let frame = rows(&world.compacted(DS)).await;
        assert_eq!(columns(&frame).last(), Some(&"_corrupt_record"), "{name}");
        let text = String::from_utf8_lossy(bad.trim_ascii()).into_owned();
        let marked: Vec<_> = texts(&frame, "_corrupt_record").into_iter().flatten().collect();
        assert_eq!(marked, [text.as_str()], "{name}");
    }
}

#[tokio::test]
async fn a_missing_column_is_null_and_a_missing_symbol_is_left_out_of_curated() {
    let world = World::new().await;
    world.add(DS, "A.csv", "symbol,timestamp,close\nA,2012-05-18,1\nC,2012-05-18,3\n").await;
    world.add(DS, "B.csv", "timestamp,close\n2012-05-18,2\n").await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    let frame = rows(&world.compacted(DS)).await;
    assert_eq!(numbers(&frame, "volume"), [None; 3]);
    expect(&world.transform(DS, &["--max_critical_error_rate=50"]).await, "OK", 0);
    assert_eq!(texts(&rows(&world.curated(DS)).await, "symbol"), [Some("A"), Some("C")]);
    assert_eq!(rows(&world.quarantine(DS)).await.height(), 1);
}

#[tokio::test]
async fn a_compacted_file_that_is_a_bomb_fails_the_transform_and_curated_stays() {
    let (world, _) = compacted().await;
    expect(&world.transform(DS, &[]).await, "OK", 0);
    let before = rows(&world.curated(DS)).await;
    let folder = world.compacted(DS).folder();
    // What another writer put there: no `_SUCCESS`, and all files count.
    for object in folder.objects().await.unwrap() {
        folder.delete(&object.name).await.unwrap();
    }
    for (name, bytes, part) in parquet_bombs("symbol") {
        folder.put("bomb.parquet", bytes).await.unwrap();
        let result = within_mib(MIB, world.transform(DS, &[])).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains("bomb.parquet") && result.message.contains(part), "{name}: {}", result.message);
        assert!(rows(&world.curated(DS)).await.equals_missing(&before), "{name}");
    }
}
