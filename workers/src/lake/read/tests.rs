use std::io::Write;

use polars::prelude::DataType;

use super::*;
use crate::lake::Lake;

const DECLARED: &[Declared] = &[
    Declared { name: "symbol", kind: Kind::Text },
    Declared { name: "timestamp", kind: Kind::Instant },
    Declared { name: "close", kind: Kind::Number },
    Declared { name: "volume", kind: Kind::Number },
];

async fn read(files: &[(&str, &[u8])]) -> Result<RowsRead, Error> {
    let place = tempfile::tempdir().unwrap();
    let folder = Lake::at(place.path().to_str().unwrap()).unwrap().folder("raw", "day").unwrap();
    for (name, bytes) in files {
        folder.put(name, bytes.to_vec()).await.unwrap();
    }
    let objects = folder.data_objects().await.unwrap();
    let settings = ReadSettings { declared: DECLARED, format: Format::Json, ignored: &["ds"] };
    read_rows(&folder, &objects, settings).await
}

fn texts(read: &RowsRead, column: &str) -> Vec<Option<String>> {
    let column = read.frame.column(column).unwrap().str().unwrap();
    column.iter().map(|text| text.map(str::to_owned)).collect()
}

fn numbers(read: &RowsRead, column: &str) -> Vec<Option<f64>> {
    read.frame.column(column).unwrap().f64().unwrap().iter().collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn formats_mix_within_a_day_and_rows_come_by_object_name() {
    let json = br#"{"symbol": "A", "timestamp": "2012-05-18T00:00:00Z", "close": 1.5, "volume": 573576400.0}"#;
    let csv = b"\xef\xbb\xbfsymbol,timestamp,close,volume\r\n\"B\",2012-05-18,2.5,5.02372e+07\r\nC,2012-05-18,,\r\n";
    let frame =
        polars::prelude::df!("symbol" => ["D"], "timestamp" => ["2012-05-18T00:00:00+00:00"], "close" => [4i64])
            .unwrap();
    let parquet = crate::lake::encode_parquet("x", &frame, crate::lake::Codec::Zstd).unwrap();
    let files: &[(&str, &[u8])] = &[
        ("1.json", json),
        ("2.json.gz", &gzip(json)),
        ("3.csv", csv),
        ("4.csv.gz", &gzip(csv)),
        ("5.parquet", &parquet),
        ("6.parquet.gz", &gzip(&parquet)),
        ("_batch.manifest.json", b"{}"),
    ];
    let read = read(files).await.unwrap();
    assert_eq!(read.object_records, [1, 1, 2, 2, 1, 1]);
    assert_eq!(read.mixed_format_objects, 4);
    assert_eq!(read.malformed_records, 0, "{:?}", read.frame);
    assert_eq!(texts(&read, "symbol").into_iter().flatten().collect::<String>(), "AABCBCDD");
    assert_eq!(numbers(&read, "volume")[2], Some(50_237_200.0));
    assert_eq!(numbers(&read, "close")[3], None);
    let names: Vec<_> = read.frame.get_column_names().iter().map(|name| name.to_string()).collect();
    assert_eq!(names, ["symbol", "timestamp", "close", "volume"]);
    let at: Vec<_> = read.frame.column("timestamp").unwrap().datetime().unwrap().physical().iter().collect();
    assert_eq!(at, vec![parse_instant("2012-05-18"); 8]);
}

#[tokio::test]
async fn malformed_rows_keep_what_parsed_and_their_text() {
    let json = br#"{"symbol":"A","close":1}
{"symbol":"B","close":2,"volume":
not json
{"symbol":"C","close":"abc","volume":"7"}
{"symbol":"D","timestamp":1337299200}
{"symbol":"E"} trailing
[1,2]

{"symbol":"F","close":true}
{"symbol":" ","close":null,"_corrupt_record":null}"#;
    let csv = b"symbol,close,volume\nG,1,2,3\nH,1\nI,x,2\n\nJ,1,2\n";
    let read = read(&[("a.json", json), ("b.csv", csv)]).await.unwrap();
    assert_eq!(read.object_records, [9, 4]);
    let symbols = texts(&read, "symbol");
    let expected = [Some("A"), Some("B"), None, Some("C"), Some("D"), Some("E"), None, Some("F"), None];
    let expected = expected.iter().chain(&[Some("G"), Some("H"), Some("I"), Some("J")]);
    assert_eq!(symbols, expected.map(|text| text.map(str::to_owned)).collect::<Vec<_>>());
    assert_eq!(numbers(&read, "close")[1], Some(2.0), "fields before the fault are kept");
    assert_eq!(numbers(&read, "volume")[3], Some(7.0), "a number in quotes is a number");
    let corrupt = texts(&read, CORRUPT_COLUMN);
    let marked: Vec<usize> = corrupt.iter().enumerate().filter(|(_, text)| text.is_some()).map(|(i, _)| i).collect();
    assert_eq!(marked, [1, 2, 3, 4, 5, 6, 7, 9, 10, 11]);
    assert_eq!(corrupt[2].as_deref(), Some("not json"));
    assert_eq!(corrupt[9].as_deref(), Some("G,1,2,3"));
    assert_eq!(corrupt[11].as_deref(), Some("I,x,2"));
    assert_eq!(read.malformed_records, 10);
}

#[tokio::test]
async fn extra_columns_follow_by_name_with_the_narrowest_type() {
    let read = read(&[
        ("a.json", br#"{"symbol":"A","z":1,"ok":true,"nested":{"a":[1, 2]},"void":null,"ds":"x"}"#),
        ("b.json", br#"{"symbol":"B","z":2.5,"exchange":"N\"Q","ok":false}"#),
    ])
    .await
    .unwrap();
    let types: Vec<_> =
        read.frame.columns()[4..].iter().map(|column| (column.name().as_str(), column.dtype().clone())).collect();
    let expected = [
        ("exchange", DataType::String),
        ("nested", DataType::String),
        ("ok", DataType::Boolean),
        ("void", DataType::String),
        ("z", DataType::Float64),
    ];
    assert_eq!(types, expected);
    assert_eq!(texts(&read, "nested"), [Some(r#"{"a":[1, 2]}"#.to_owned()), None]);
    assert_eq!(texts(&read, "exchange"), [None, Some("N\"Q".to_owned())]);
}

#[tokio::test]
async fn numbers_that_are_none_become_null_and_are_counted() {
    let read = read(&[("a.csv", b"symbol,close,volume,x\nA,NaN,inf,1\nB,1e999,-5,NaN\n")]).await.unwrap();
    assert_eq!(numbers(&read, "close"), [None, None]);
    assert_eq!(numbers(&read, "volume"), [None, Some(-5.0)]);
    assert_eq!((read.non_finite_values, read.malformed_records), (4, 0));
}

#[tokio::test]
async fn what_cannot_be_held_is_refused_by_name() {
    let endless = vec![b'x'; (limit::RECORD_BYTES_MAX + 10) as usize];
    let bomb = gzip(&vec![b' '; 64 << 20]);
    for (name, bytes) in [("a.json", &endless), ("a.csv", &endless), ("a.json.gz", &bomb)] {
        let error = read(&[(name, bytes)]).await.unwrap_err().to_string();
        assert!(error.contains("RECORD_BYTES_MAX") && error.contains(name), "{error}");
        assert!(error.contains("begins in line 1 "), "{error}");
    }
    // Beyond the first piece, and where a quote goes over lines.
    let row = "\"a \nb\"\n";
    let late = [row.repeat(600_000).as_bytes(), b"\"", &endless].concat();
    let error = read(&[("a.csv", &late)]).await.unwrap_err().to_string();
    assert!(error.contains("begins in line 1200001, with a quote in line 1200001 that is not closed, "), "{error}");
    let mut truncated = gzip(b"{\"symbol\":\"A\"}\n");
    truncated.truncate(20);
    for (name, bytes) in [("a.json.gz", &truncated[..]), ("a.csv.gz", b"no gzip"), ("a.parquet", b"no parquet")] {
        let error = read(&[(name, bytes)]).await.unwrap_err();
        assert!(matches!(&error, Error::Unreadable { uri, .. } if uri.ends_with(name)), "{name}: {error}");
    }
}

#[tokio::test]
async fn rows_beyond_the_memory_they_may_take_are_refused_by_their_object() {
    let place = tempfile::tempdir().unwrap();
    let folder = Lake::at(place.path().to_str().unwrap()).unwrap().folder("raw", "day").unwrap();
    let small = "{\"symbol\":\"A\"}\n".repeat(5_000);
    // Short rows of many, few rows of much, values nobody declared, text that is no row.
    let rows = gzip("{}\n".repeat(60_000).as_bytes());
    let texts = gzip(format!("{{\"symbol\":\"{}\"}}\n", "x".repeat(100_000)).repeat(30).as_bytes());
    let unknown = gzip(format!("{{\"note\":\"{}\"}}\n", "x".repeat(100_000)).repeat(30).as_bytes());
    let corrupt = gzip(format!("{}\n", "x".repeat(100_000)).repeat(30).as_bytes());
    let frame = polars::prelude::df!("close" => vec![1.0; 300_000]).unwrap();
    let parquet = crate::lake::encode_parquet("x", &frame, crate::lake::Codec::Zstd).unwrap();
    for (name, bytes) in [
        ("b.json.gz", rows),
        ("c.json.gz", texts),
        ("d.json.gz", unknown),
        ("e.json.gz", corrupt),
        ("f.parquet", parquet),
    ] {
        assert!(bytes.len() < 60_000, "{name} is small: {}", bytes.len());
        let names = ["a.json", name];
        folder.put("a.json", small.clone()).await.unwrap();
        folder.put(name, bytes).await.unwrap();
        let objects = folder.data_objects().await.unwrap();
        assert_eq!(objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), names);
        let settings = ReadSettings { declared: DECLARED, format: Format::Json, ignored: &[] };
        let error = read_rows_within(&folder, &objects, settings, Budget::new(2)).await.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("STEPWELL_READ_MEMORY_MIB = 2; "), "{error}");
        let read = read_rows_within(&folder, &objects, settings, Budget::new(64)).await.unwrap();
        assert!(read.frame.height() >= 5_030, "{name}");
        folder.delete(name).await.unwrap();
    }
}

#[tokio::test]
async fn the_first_malformed_row_is_named() {
    let good = br#"{"symbol":"A"}"#;
    let read = read(&[("a.json", good), ("b.json", b"{\"symbol\":\"B\"}\n\nno row\n"), ("c.json", b"nor this")])
        .await
        .unwrap();
    assert_eq!(read.malformed_at, Some(("b.json".to_owned(), 2)));
}

#[tokio::test]
async fn a_record_that_ends_the_object_within_quotes_is_malformed() {
    let rows = "A,2012-05-18,1,2\n";
    let many = rows.repeat(limit::RANGE_BYTES as usize / rows.len() + 1);
    for (before, end, kept) in [
        (rows, "B,2012-05-18,1,\"2\nC,2012-05-18,1,2\n", Some("B")),
        (&many, "B,2012-05-18,1,\"2\nC,2012-05-18,1,2\n", Some("B")),
        (rows, "\"", None),
        ("", "B,\"2012-05-18", Some("B")),
    ] {
        let csv = format!("symbol,timestamp,close,volume\n{before}{end}");
        let good = (before.len() / rows.len()) as u64;
        let read = read(&[("a.csv", csv.as_bytes()), ("b.csv", b"symbol\nZ\n")]).await.unwrap();
        assert_eq!(
            (read.malformed_records, read.malformed_at.clone()),
            (1, Some(("a.csv".to_owned(), good + 1))),
            "{end}"
        );
        assert_eq!(texts(&read, CORRUPT_COLUMN)[good as usize].as_deref(), Some(end.trim()));
        assert_eq!(texts(&read, "symbol")[good as usize].as_deref(), kept);
    }
    // One that opens in the header takes all rows with it.
    for rows in [1, 30_000] {
        let csv = format!("symbol,\"timestamp\n{}", "A,2012-05-18\n".repeat(rows));
        let read = read(&[("a.csv", csv.as_bytes())]).await.unwrap();
        assert_eq!((read.malformed_records, read.object_records), (1, vec![1]));
    }
}

#[tokio::test]
async fn a_quote_within_a_field_is_text_in_large_objects_as_in_small_ones() {
    let row = |n: u64| format!("S{n},{n},\"a \"\"quoted\"\"\nline end and more text to make it longer {n}\"\n");
    for rows in [10, 150_000] {
        let mut csv = String::from("symbol,close,note\n");
        for n in 0..rows {
            csv.push_str(&if n == rows / 2 { format!("S{n},{n},24\" Monitor\n") } else { row(n) });
        }
        let read = read(&[("a.csv", csv.as_bytes())]).await.unwrap();
        assert_eq!((read.object_records.as_slice(), read.malformed_records), (&[rows][..], 0));
        assert!(numbers(&read, "close").iter().enumerate().all(|(row, close)| *close == Some(row as f64)));
        let notes = texts(&read, "note");
        assert_eq!(notes[rows as usize / 2].as_deref(), Some("24\" Monitor"));
        let last = format!("a \"quoted\"\nline end and more text to make it longer {}", rows - 1);
        assert_eq!(notes.last().unwrap().as_deref(), Some(last.as_str()));
    }
}

#[tokio::test]
async fn a_large_object_is_cut_between_its_rows() {
    let rows = 120_000;
    let mut json = String::new();
    let mut csv = String::from("symbol,close,note\n");
    for n in 0..rows {
        json.push_str(&format!(
            "{{\"symbol\":\"S{n}\",\"close\":{n},\"note\":\"some text to make the row longer, {n}\"}}\n"
        ));
        csv.push_str(&format!("S{n},{n},\"a \"\"quoted\"\"\nline end and more text to make it longer {n}\"\n"));
    }
    assert!(json.len() as u64 > limit::RANGE_BYTES);
    let read = read(&[("a.json", json.as_bytes()), ("b.csv", csv.as_bytes())]).await.unwrap();
    assert_eq!(read.object_records, [rows, rows]);
    assert_eq!(read.malformed_records, 0);
    let close = numbers(&read, "close");
    assert!(close.iter().enumerate().all(|(row, close)| *close == Some((row as u64 % rows) as f64)));
    assert_eq!(
        texts(&read, "note")[rows as usize].as_deref().unwrap(),
        "a \"quoted\"\nline end and more text to make it longer 0"
    );
}
