use polars::prelude::df;

use super::*;
use crate::lake::{Codec, encode_parquet};

#[path = "../../../tests/bomb/mod.rs"]
mod bomb;

use bomb::{Value, equal_rows, one_page, parquet_bombs};

fn check(bytes: Vec<u8>) -> Result<u64, Error> {
    check_object("s3://lake/x.parquet", &Bytes::from(bytes))
}

#[test]
fn ordinary_files_pass_with_what_their_values_take() {
    let number: Vec<f64> = (0..300_000).map(f64::from).collect();
    let text: Vec<String> = (0..300_000).map(|n| format!("some text {n}")).collect();
    let frame = df!("number" => number, "text" => text, "same" => vec![1_i32; 300_000]).unwrap();
    for codec in [Codec::Zstd, Codec::Snappy, Codec::Gzip, Codec::Lz4, Codec::Uncompressed] {
        let bytes = check(encode_parquet("x", &frame, codec).unwrap()).unwrap();
        assert!(bytes >= 300_000 * (8 + 16 + 4), "{codec}: {bytes}");
    }
    // Much from little, but not much.
    let numbers = [("a", Value::Number(1)), ("b", Value::Number(2))];
    assert_eq!(check(equal_rows(&numbers, 10_000_000)).unwrap(), 160_000_000);
    assert_eq!(check(equal_rows(&[("a", Value::Text(1 << 20))], 100)).unwrap(), 1_600);
}

#[test]
fn the_made_up_files_are_what_readers_take_for_valid() {
    use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let bytes = equal_rows(&[("a", Value::Number(7)), ("b", Value::Text(3))], 20_000);
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap().build().unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 20_000);
}

#[test]
fn files_and_pages_out_of_proportion_are_refused_with_the_limit() {
    for (name, bytes, part) in parquet_bombs("x") {
        let error = check(bytes).unwrap_err();
        assert!(matches!(error, Error::Limit { .. }), "{name}: {error}");
        let said = error.to_string();
        assert!(said.contains(part) && said.contains("`s3://lake/x.parquet`"), "{name}: {said}");
    }
}

#[test]
fn what_cannot_be_bounded_or_is_torn_is_refused_by_its_column() {
    let brotli = one_page("x", Compression::BROTLI(Default::default()), 90, &[1; 40]);
    let error = check(brotli).unwrap_err().to_string();
    assert!(error.contains("the column `x` is compressed by Brotli"), "{error}");
    for torn in [&b"PAR1"[..], b"PAR1 this is no Parquet PAR1", b"", b"\xff\xff\xff\xffPAR1"] {
        assert!(matches!(check(torn.to_vec()).unwrap_err(), Error::Unreadable { .. }), "{torn:?}");
    }
}
