use polars::prelude::DataFrame;

use super::super::{CORRUPT_COLUMN, Declared, Format, Kind, ReadSettings};
use super::*;
use crate::lake::Lake;

const DECLARED: &[Declared] = &[
    Declared { name: "symbol", kind: Kind::Text },
    Declared { name: "timestamp", kind: Kind::Instant },
    Declared { name: "close", kind: Kind::Number },
];
const SETTINGS: ReadSettings = ReadSettings { declared: DECLARED, format: Format::Json, ignored: &["ds"] };
const KEY: SortKey = SortKey { text: "symbol", instant: Some("timestamp") };

async fn read(folder: &Folder, memory_bytes: u64) -> Result<(DataFrame, SortedRead), Error> {
    let objects = folder.data_objects().await.unwrap();
    let read = read_sorted(folder, &objects, SETTINGS, KEY, memory_bytes).await?;
    let mut frame = read.frames.columns().clone();
    for part in read.frames.iter() {
        frame.vstack_mut(&part?).unwrap();
    }
    Ok((frame, read))
}

fn folder(place: &tempfile::TempDir) -> Folder {
    Lake::at(place.path().to_str().unwrap()).unwrap().folder("raw", "day").unwrap()
}

/// Rows of every format, with undeclared columns of every type, that change their type late, that are never filled; rows that
/// are corrupt, equal, without symbol or time.
#[tokio::test]
async fn what_is_read_does_not_depend_on_the_memory() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(&place);
    let mut json = String::new();
    for n in 0..400 {
        let symbol = ["null", "\"A\"", "\"B\"", "\" \""][n % 4];
        let late = if n == 399 { "\"text\"".to_owned() } else { n.to_string() };
        let number = if n % 50 == 7 { "2.5".to_owned() } else { n.to_string() };
        json.push_str(&format!(
            "{{\"symbol\":{symbol},\"timestamp\":\"2012-05-{:02}\",\"close\":{n},\"late\":{late},\"flag\":{},\
             \"nested\":{{\"n\":{n}}},\"void\":null,\"number\":{number},\"whole\":{n},\"ds\":\"x\"}}\n",
            1 + n % 28,
            n % 2 == 0
        ));
        if n % 97 == 5 {
            json.push_str("no row\n");
        }
    }
    let mut csv = String::from("symbol,timestamp,close,exchange,infinite,empty\n");
    for n in 0..300 {
        csv.push_str(&format!("S{},2012-05-18,{n},E{},{},\n", n % 9, n % 3, if n == 150 { "inf" } else { "1.5" }));
        if n == 20 {
            csv.push_str("S,2012-05-18,NaN\n");
        }
    }
    let frame = polars::prelude::df!(
        "symbol" => (0..500).map(|n| format!("P{}", n % 5)).collect::<Vec<_>>(),
        "close" => (0..500).map(f64::from).collect::<Vec<_>>(),
        "whole" => (0..500).collect::<Vec<i64>>(),
    );
    let parquet = crate::lake::encode_parquet("x", &frame.unwrap(), crate::lake::Codec::Zstd).unwrap();
    for (name, bytes) in [
        ("a.json", json.clone().into_bytes()),
        ("b.csv", csv.into_bytes()),
        ("c.parquet", parquet),
        ("d.json", json.into()),
    ] {
        folder.put(name, bytes).await.unwrap();
    }
    let (whole, held) = read(&folder, 1 << 30).await.unwrap();
    assert!(held.frames.in_memory().is_some());
    let names: Vec<_> = whole.get_column_names().iter().map(|name| name.as_str()).collect();
    let extra = ["empty", "exchange", "flag", "infinite", "late", "nested", "number", "void", "whole", CORRUPT_COLUMN];
    assert_eq!(names[3..], extra);
    for memory_bytes in [0, 10_000, 100_000] {
        let (frame, spooled) = read(&folder, memory_bytes).await.unwrap();
        assert!(spooled.frames.in_memory().is_none(), "{memory_bytes}");
        assert_eq!(frame.schema(), whole.schema(), "{memory_bytes}");
        assert!(frame.equals_missing(&whole), "{memory_bytes}: {frame} is not {whole}");
        assert_eq!(spooled.frames.rows(), held.frames.rows());
        assert_eq!(spooled.object_records, held.object_records);
        assert_eq!((spooled.malformed_records, &spooled.malformed_at), (held.malformed_records, &held.malformed_at));
        assert_eq!(spooled.non_finite_values, held.non_finite_values);
        assert_eq!(spooled.mixed_format_objects, held.mixed_format_objects);
    }
    assert_eq!(held.object_records, [405, 301, 500, 405]);
    assert_eq!((held.malformed_records, held.non_finite_values, held.mixed_format_objects), (11, 2, 2));
    assert_eq!(held.malformed_at, Some(("a.json".to_owned(), 7)));
}

#[tokio::test]
async fn a_large_object_and_no_rows_are_read_with_any_memory() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(&place);
    folder.put("a.csv", "symbol,note\n").await.unwrap();
    let (empty, _) = read(&folder, 0).await.unwrap();
    assert_eq!((empty.height(), empty.width()), (0, 4));
    let rows = 60_000;
    let lines =
        |n: usize| format!("S{:05},\"a note that makes the row so long that the object is large, {n}\",{n}\n", n % 777);
    let csv: String = std::iter::once("symbol,note,close\n".to_owned()).chain((0..3 * rows).map(lines)).collect();
    assert!(csv.len() as u64 > super::super::limit::RANGE_BYTES);
    folder.put("a.csv", csv).await.unwrap();
    let frame = polars::prelude::df!("symbol" => (0..rows).map(|n| format!("{n:-<200}")).collect::<Vec<_>>()).unwrap();
    let parquet = crate::lake::encode_parquet("x", &frame, crate::lake::Codec::Uncompressed).unwrap();
    assert!(parquet.len() as u64 > super::super::limit::RANGE_BYTES);
    folder.put("b.parquet", parquet).await.unwrap();
    let (whole, held) = read(&folder, 1 << 30).await.unwrap();
    let (frame, spooled) = read(&folder, 4 << 20).await.unwrap();
    assert!(held.frames.in_memory().is_some() && spooled.frames.in_memory().is_none());
    assert_eq!(spooled.object_records, [3 * rows as u64, rows as u64]);
    assert!(frame.equals_missing(&whole));
}

/// What would fill the memory fills the disk instead, up to the bound on the number of rows; what has no bound on the disk
/// is refused as ever.
#[tokio::test]
async fn objects_that_explode_are_spooled_and_columns_without_end_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(&place);
    let gzip = |text: &str| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    folder.put("a.json.gz", gzip(&"{}\n".repeat(60_000))).await.unwrap();
    folder.put("b.json.gz", gzip(&format!("{{\"note\":\"{}\"}}\n", "x".repeat(100_000)).repeat(30))).await.unwrap();
    let (frame, read_rows) = read(&folder, 1 << 20).await.unwrap();
    assert!(read_rows.frames.in_memory().is_none());
    assert_eq!((frame.height(), frame.column("note").unwrap().null_count()), (60_030, 60_000));
    let many: String = (0..1_100).map(|n| format!("{{\"c{n}\":1}}\n")).collect();
    for n in 0..10 {
        folder.put(&format!("c{n}.json"), many.replace("\"c", &format!("\"d{n}x"))).await.unwrap();
    }
    let error = read(&folder, 0).await.unwrap_err().to_string();
    assert!(error.contains("EXTRA_COLUMNS_MAX = 1000"), "{error}");
}
