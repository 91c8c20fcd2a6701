use std::sync::Arc;

use deltalake::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake::parquet::basic::Encoding;
use deltalake::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use polars::prelude::df;

use super::*;
use crate::lake::{Codec, encode_parquet};

#[path = "../../../tests/bomb/mod.rs"]
mod bomb;

use bomb::{Value, equal_rows, long_prefixes, one_long_entry, one_page, parquet_bombs};

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
    let read = |bytes: Vec<u8>| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap().build().unwrap();
        let texts = reader.map(|batch| {
            let batch = batch.unwrap();
            let texts = batch.columns().last().unwrap().as_any().downcast_ref::<StringArray>().unwrap();
            (batch.num_rows(), texts.value_data().len())
        });
        texts.fold((0, 0), |(rows, bytes), (more_rows, more_bytes)| (rows + more_rows, bytes + more_bytes))
    };
    assert_eq!(read(equal_rows(&[("a", Value::Number(7)), ("b", Value::Text(3))], 20_000)), (20_000, 60_000));
    assert_eq!(read(one_long_entry("a", 100, 20_000)), (20_000, 19_992 * 100 + 8));
    assert_eq!(read(long_prefixes("a", 100, 20_000)), (20_000, 2_000_000));
}

#[test]
fn texts_that_share_their_prefixes_count_with_what_they_take() {
    let texts: Vec<String> = (0..50_000).map(|n| format!("https://example.com/some/long/path/{n:06}")).collect();
    let shared: usize =
        texts.windows(2).map(|pair| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count()).sum();
    let column: ArrayRef =
        Arc::new(StringArray::from_iter(texts.iter().enumerate().map(|(n, text)| (n % 10 > 0).then_some(text))));
    let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
    for (version, codec) in [
        (WriterVersion::PARQUET_1_0, Compression::SNAPPY),
        (WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED),
        (WriterVersion::PARQUET_2_0, Compression::ZSTD(Default::default())),
    ] {
        let written = |encoding| {
            let properties = WriterProperties::builder()
                .set_writer_version(version)
                .set_compression(codec)
                .set_dictionary_enabled(false)
                .set_encoding(encoding)
                // Without: the footer says what the texts take.
                .set_statistics_enabled(EnabledStatistics::None);
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
            writer.write(&batch).unwrap();
            check(writer.into_inner().unwrap()).unwrap()
        };
        let of_values = 50_000 * TEXT_BYTES;
        for encoding in [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
            assert_eq!(written(encoding), of_values, "{version:?} {codec} {encoding}");
        }
        let found = written(Encoding::DELTA_BYTE_ARRAY) - of_values;
        // A tenth is null, and the first of a page shares nothing.
        let expected = (shared * 8 / 10) as u64..(shared * 9 / 10) as u64;
        assert!(expected.contains(&found), "{version:?} {codec}: {found} of {expected:?}");
    }
}

#[test]
fn a_few_long_texts_are_nothing_bad_however_they_are_stored() {
    let long = "x".repeat(200_000);
    // One long text beside some hundred short ones.
    let texts: Vec<String> =
        (0..20_000).map(|n| if n % 100 == 0 { long.clone() } else { format!("short {}", n % 1_000) }).collect();
    let column: ArrayRef = Arc::new(StringArray::from(texts));
    let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
    for is_dictionary in [true, false] {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(Default::default()))
            .set_dictionary_enabled(is_dictionary)
            .set_encoding(Encoding::DELTA_BYTE_ARRAY);
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        check(writer.into_inner().unwrap()).unwrap();
    }
    check(one_long_entry("x", 1 << 20, 1_000)).unwrap();
    check(long_prefixes("x", 1 << 20, 1_000)).unwrap();
    let error = check(one_long_entry("x", 1 << 20, 1_100)).unwrap_err().to_string();
    let beyond = 1_092_u64 << 20;
    assert!(
        error.contains(&format!("long texts of column `x` beyond what is stored of them ({beyond} bytes)")),
        "{error}"
    );
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
