//! Files that are small until they are decoded, and how much memory that took.
#![allow(dead_code, reason = "each program of tests uses its own part of it")]

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use deltalake::parquet::basic::{Compression, Encoding};
use deltalake::parquet::column::writer::ColumnCloseResult;
use deltalake::parquet::file::metadata::ColumnChunkMetaData;
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::parquet::file::writer::SerializedFileWriter;
use deltalake::parquet::schema::parser::parse_message_type;

/// A value that all rows of a column have.
#[derive(Clone, Copy)]
pub enum Value {
    Number(i64),
    /// A text of so many bytes.
    Text(usize),
    /// A text of these bytes, be they a text or not.
    Bytes(&'static [u8]),
}

/// A column as its bytes are.
struct Chunk {
    bytes: Vec<u8>,
    /// Length of the dictionary page at the beginning, if there is one.
    dictionary: usize,
    codec: Compression,
    values: i32,
}

/// A valid file of so many equal rows: each column is a dictionary of one entry and one run.
pub fn equal_rows(columns: &[(&str, Value)], rows: i32) -> Vec<u8> {
    let chunks: Vec<Chunk> = columns.iter().map(|(_, value)| equal(*value, rows)).collect();
    let fields = columns.iter().map(|(name, value)| match value {
        Value::Number(_) => format!("optional int64 {name};"),
        Value::Text(_) | Value::Bytes(_) => format!("optional binary {name} (UTF8);"),
    });
    file(&fields.collect::<String>(), chunks)
}

/// A file of one column of ten numbers, whose one page claims a size and holds these bytes.
pub fn one_page(column: &str, codec: Compression, claimed_bytes: i32, stored: &[u8]) -> Vec<u8> {
    let mut bytes = header(0, claimed_bytes, stored.len());
    bytes.extend([0x2c, 0x15]);
    data_page(&mut bytes, 10, 0);
    bytes.extend(stored);
    file(&format!("optional int64 {column};"), vec![Chunk { bytes, dictionary: 0, codec, values: 10 }])
}

/// The bombs that a reader of Parquet meets, with a part of what is said about each.
pub fn parquet_bombs(column: &'static str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zeros = vec![0; 128 << 20];
    let zstd = zstd::encode_all(zeros.as_slice(), 3).unwrap();
    let gzip = gzip(&zeros[..8 << 20], 16);
    let text = format!("optional binary {column} (UTF8);");
    let bombs = vec![
        ("rows", equal_rows(&[(column, Value::Number(7))], i32::MAX), "VALUES_EXPANSION_MAX"),
        ("texts", equal_rows(&[(column, Value::Text(1 << 20))], 50_000), "REPEATED_BYTES_MAX"),
        ("entry", one_long_entry(column, 1 << 20, 50_000), "REPEATED_BYTES_MAX"),
        ("prefixes", long_prefixes(column, 1 << 20, 50_000), "REPEATED_BYTES_MAX"),
        ("lengths", file(&text, vec![more_lengths_than_values()]), "what its header says"),
        ("pages", more_values_than_counted(column), "what the footer says"),
        ("claim", one_page(column, Compression::SNAPPY, i32::MAX, &[0xfe; 40]), "PAGE_EXPANSION_MAX"),
        ("zstd", one_page(column, Compression::ZSTD(Default::default()), 128 << 20, &zstd), "PAGE_EXPANSION_MAX"),
        ("gzip", one_page(column, Compression::GZIP(Default::default()), 90, &gzip), "what its header says"),
    ];
    for (name, bytes, _) in &bombs {
        assert!(bytes.len() < 2 << 20, "{name} is small: {} bytes", bytes.len());
    }
    bombs
}

/// A valid file of one column: almost all rows are the one long text among the 64 of its dictionary.
pub fn one_long_entry(column: &str, length: usize, rows: i32) -> Vec<u8> {
    let entry = |length: usize| [&u32::try_from(length).unwrap().to_le_bytes()[..], &vec![b'x'; length]].concat();
    let dictionary = (0..64).flat_map(|index| if index == 40 { entry(length) } else { entry(1) }).collect::<Vec<u8>>();
    let mut bytes = zstd_page(2, &dictionary, &[0x4c, 0x15, 0x80, 0x01, 0x15, 0x00, 0x00, 0x00]);
    let dictionary = bytes.len();
    // Indices of six bits: a run of entry 40, then the entries 0 to 7.
    let indices = [vec![6], run(rows - 8, 40), vec![3, 0x40, 0x20, 0x0c, 0x44, 0x61, 0x1c]].concat();
    let mut kind = vec![0x2c, 0x15];
    data_page(&mut kind, rows, 8);
    bytes.extend(zstd_page(0, &[all_there(rows), indices].concat(), &kind));
    let codec = Compression::ZSTD(Default::default());
    file(&format!("optional binary {column} (UTF8);"), vec![Chunk { bytes, dictionary, codec, values: rows }])
}

/// A valid file of one column: each text but the first is the one before it.
pub fn long_prefixes(column: &str, length: usize, rows: i32) -> Vec<u8> {
    let length = i64::try_from(length).unwrap();
    let lengths = |first, others| delta(&[&[first][..], &vec![others; usize::try_from(rows - 1).unwrap()]].concat());
    let text = vec![b'x'; usize::try_from(length).unwrap()];
    let values = [all_there(rows), lengths(0, length), lengths(length, 0), text].concat();
    let mut kind = vec![0x2c, 0x15];
    data_page(&mut kind, rows, 7);
    let chunk = Chunk {
        bytes: zstd_page(0, &values, &kind),
        dictionary: 0,
        codec: Compression::ZSTD(Default::default()),
        values: rows,
    };
    file(&format!("optional binary {column} (UTF8);"), vec![chunk])
}

/// A page of ten texts, for which two billion lengths of nothing come out of a few bytes.
fn more_lengths_than_values() -> Chunk {
    let count = u64::try_from(i32::MAX).unwrap();
    // One block in one part, without a bit for any difference.
    let lengths = [varint(1 << 31), varint(1), varint(count), vec![0, 0, 0]].concat();
    let page = [all_there(10), lengths.clone(), lengths].concat();
    let mut bytes = header(0, i32::try_from(page.len()).unwrap(), page.len());
    bytes.extend([0x2c, 0x15]);
    data_page(&mut bytes, 10, 7);
    bytes.extend(page);
    Chunk { bytes, dictionary: 0, codec: Compression::UNCOMPRESSED, values: 10 }
}

/// A file of one column of ten numbers, of which its page has two billion.
fn more_values_than_counted(column: &str) -> Vec<u8> {
    let chunk = Chunk { values: 10, ..equal(Value::Number(7), i32::MAX) };
    file(&format!("optional int64 {column};"), vec![chunk])
}

/// A page of this kind, compressed; `kind` is the end of its header.
fn zstd_page(page_type: i32, decoded: &[u8], kind: &[u8]) -> Vec<u8> {
    let stored = zstd::encode_all(decoded, 3).unwrap();
    [header(page_type, i32::try_from(decoded.len()).unwrap(), stored.len()), kind.to_vec(), stored].concat()
}

/// So many times one value.
fn run(rows: i32, value: u8) -> Vec<u8> {
    [varint(u64::try_from(rows).unwrap() << 1), vec![value]].concat()
}

/// The levels of rows without nulls.
fn all_there(rows: i32) -> Vec<u8> {
    let levels = run(rows, 1);
    [&u32::try_from(levels.len()).unwrap().to_le_bytes()[..], &levels].concat()
}

/// Numbers as differences: 128 in a block of four parts, of 32 bits where they differ.
fn delta(numbers: &[i64]) -> Vec<u8> {
    let signed = |number: i64| varint(((number << 1) ^ (number >> 63)) as u64);
    let mut bytes = [varint(128), varint(4), varint(numbers.len() as u64), signed(numbers[0])].concat();
    let differences: Vec<i64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for block in differences.chunks(128) {
        let min = *block.iter().min().unwrap();
        let is_equal = |part: usize| block.iter().skip(part * 32).take(32).all(|difference| *difference == min);
        bytes.extend(signed(min));
        bytes.extend((0..4).map(|part| if is_equal(part) { 0 } else { 32 }));
        for part in (0..4).filter(|part| !is_equal(*part)) {
            let numbers = (part * 32..part * 32 + 32).map(|at| block.get(at).map_or(0, |difference| difference - min));
            bytes.extend(numbers.flat_map(|number| u32::try_from(number).unwrap().to_le_bytes()));
        }
    }
    bytes
}

fn equal(value: Value, rows: i32) -> Chunk {
    let text = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
    let entry = match value {
        Value::Number(number) => number.to_le_bytes().to_vec(),
        Value::Text(length) => text(&vec![b'x'; length]),
        Value::Bytes(bytes) => text(bytes),
    };
    let mut bytes = header(2, i32::try_from(entry.len()).unwrap(), entry.len());
    // One entry, plain.
    bytes.extend([0x4c, 0x15, 0x02, 0x15, 0x00, 0x00, 0x00]);
    bytes.extend(entry);
    let dictionary = bytes.len();
    // All are entry 0, in indices of one bit.
    let page = [all_there(rows), vec![1], run(rows, 0)].concat();
    bytes.extend(header(0, i32::try_from(page.len()).unwrap(), page.len()));
    bytes.extend([0x2c, 0x15]);
    data_page(&mut bytes, rows, 8);
    bytes.extend(page);
    Chunk { bytes, dictionary, codec: Compression::UNCOMPRESSED, values: rows }
}

/// The beginning of a page header: kind and sizes.
fn header(kind: i32, decoded_bytes: i32, stored_bytes: usize) -> Vec<u8> {
    let stored_bytes = i32::try_from(stored_bytes).unwrap();
    [kind, decoded_bytes, stored_bytes].iter().flat_map(|value| [vec![0x15], zigzag(*value)].concat()).collect()
}

/// The end of a data page's header, after the first field's type: values and encodings.
fn data_page(header: &mut Vec<u8>, values: i32, encoding: i32) {
    header.extend(zigzag(values));
    for encoding in [encoding, 3, 3] {
        header.push(0x15);
        header.extend(zigzag(encoding));
    }
    header.extend([0, 0]);
}

fn zigzag(value: i32) -> Vec<u8> {
    varint(u64::from(value.unsigned_abs()) << 1)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn file(fields: &str, chunks: Vec<Chunk>) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {fields} }}")).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::new())).unwrap();
    let columns = writer.schema_descr().columns().to_vec();
    let mut group = writer.next_row_group().unwrap();
    for (chunk, column) in chunks.into_iter().zip(columns) {
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(chunk.codec)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_num_values(chunk.values.into())
            .set_total_compressed_size(i64::try_from(chunk.bytes.len()).unwrap())
            .set_total_uncompressed_size(i64::try_from(chunk.bytes.len()).unwrap())
            .set_data_page_offset(i64::try_from(chunk.dictionary).unwrap())
            .set_dictionary_page_offset((chunk.dictionary > 0).then_some(0))
            .build()
            .unwrap();
        let close = ColumnCloseResult {
            bytes_written: chunk.bytes.len() as u64,
            rows_written: u64::try_from(chunk.values).unwrap(),
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&bytes::Bytes::from(chunk.bytes), close).unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// A text so many times over, as gzip: members that follow each other are one stream.
pub fn gzip(text: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap().repeat(times)
}

/// `first`, then a line of a gigabyte, as gzip of some megabytes.
pub fn gzip_of_a_long_line(first: &str) -> Vec<u8> {
    [gzip(first.as_bytes(), 1), gzip(&vec![b'x'; 8 << 20], 128)].concat()
}

/// Runs something, and fails if this process then had so many MiB more in memory than before.
pub async fn within_mib<T>(limit_mib: u64, work: impl Future<Output = T>) -> T {
    // What was highest so far is forgotten.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory_mib("VmRSS:");
    let done = work.await;
    let peak = memory_mib("VmHWM:");
    assert!(peak < before + limit_mib, "{peak} MiB at the highest, {before} before");
    done
}

fn memory_mib(field: &str) -> u64 {
    let mut status = String::new();
    std::fs::File::open("/proc/self/status").unwrap().read_to_string(&mut status).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
