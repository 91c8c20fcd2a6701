//! Batches into one Parquet file on this machine's disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::common::hash_utils::{RandomState, create_hashes};
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use deltalake::parquet::file::properties::{EnabledStatistics, WriterProperties};
use deltalake::parquet::schema::types::ColumnPath;

use super::publish::blocking;
use super::{Codec, Error, Kind};

/// Rows per row group: small enough to skip by, large enough to compress well.
const ROW_GROUP_ROWS: usize = 262_144;
/// A row group of wide rows ends here, so that writing one stays within a job's memory.
const ROW_GROUP_BYTES: usize = 128 << 20;
/// So many values that are all different show that others will be, too.
const DIFFERENT_ROWS_MIN: usize = 4_096;
/// The rows of a row group of kept results.
const KEPT_ROW_GROUP_ROWS: usize = 65_536;
const KEPT_ROW_GROUP_BYTES: usize = 16 << 20;

/// A Parquet file being written; removed with its folder, whoever owns that.
pub(crate) struct ParquetFile {
    writer: ArrowWriter<BufWriter<File>>,
    path: PathBuf,
    uri: String,
    rows: u64,
}

/// A Parquet file that is whole.
#[derive(Debug)]
pub(crate) struct ParquetFileEnd {
    pub path: PathBuf,
    pub rows: u64,
    pub bytes: u64,
}

/// How Parquet files are written, by us and for Delta tables. A column whose `first` values, of enough rows, are all different is
/// written without a dictionary, which would be as large as the values.
pub(crate) fn writer_properties(codec: Codec, first: Option<&RecordBatch>) -> WriterProperties {
    let compression = match codec {
        Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level of zstd")),
        Codec::Snappy => Compression::SNAPPY,
        Codec::Gzip => Compression::GZIP(GzipLevel::default()),
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::Uncompressed => Compression::UNCOMPRESSED,
    };
    let mut properties = WriterProperties::builder();
    for column in first.iter().flat_map(|first| columns_of_different_values(first)) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(vec![column]), false);
    }
    properties
        .set_compression(compression)
        .set_created_by("stepwell".to_owned())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(row_group_bytes()))
        .build()
}

/// The columns where no two of these rows have the same value; none if they are too few to tell.
fn columns_of_different_values(rows: &RecordBatch) -> Vec<String> {
    if rows.num_rows() < DIFFERENT_ROWS_MIN {
        return Vec::new();
    }
    let fields = rows.schema_ref().fields().iter().zip(rows.columns());
    let different = fields.filter(|(_, values)| {
        let mut hashes = vec![0; values.len()];
        let hashed = create_hashes([*values], &RandomState::with_seed(0), &mut hashes).is_ok();
        hashes.sort_unstable();
        hashed && values.null_count() == 0 && hashes.is_sorted_by(|a, b| a < b)
    });
    different.map(|(field, _)| field.name().clone()).collect()
}

/// A row group is in memory until it is whole, beside what statements are allowed: where that is little, it is small, too.
fn row_group_bytes() -> usize {
    // Whoever runs statements has said what is wrong with the variable.
    crate::query::memory_bytes().map_or(ROW_GROUP_BYTES, |allowed| (allowed / 8).clamp(1 << 20, ROW_GROUP_BYTES))
}

impl ParquetFile {
    /// Begins a file at a path. `uri` is what it will be, for errors.
    pub(crate) fn create(path: &Path, schema: SchemaRef, codec: Codec, uri: &str) -> Result<ParquetFile, Error> {
        ParquetFile::create_with(path, schema, writer_properties(codec, None), uri)
    }

    /// Begins a file that only this process reads, and soon: quick to write and to read, and little of it in memory at once.
    /// Texts are compressed, or wide rows would fill the disk; with numbers that saves less than the time it takes.
    pub(crate) fn create_kept(path: &Path, schema: SchemaRef, uri: &str) -> Result<ParquetFile, Error> {
        let texts = schema.fields().iter().filter(|field| Kind::of(field.data_type()) == Some(Kind::Text));
        let mut properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED);
        for text in texts {
            let path = ColumnPath::new(vec![text.name().clone()]);
            properties = properties.set_column_compression(path, Compression::LZ4_RAW);
        }
        let properties = properties
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(KEPT_ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(KEPT_ROW_GROUP_BYTES))
            .build();
        ParquetFile::create_with(path, schema, properties, uri)
    }

    fn create_with(
        path: &Path,
        schema: SchemaRef,
        properties: WriterProperties,
        uri: &str,
    ) -> Result<ParquetFile, Error> {
        let file = File::create(path).map_err(|error| Error::storage("write", path.display().to_string(), error))?;
        let writer = ArrowWriter::try_new(BufWriter::new(file), schema, Some(properties))
            .map_err(|error| Error::Encode { uri: uri.to_owned(), reason: error.to_string() })?;
        Ok(ParquetFile { writer, path: path.to_owned(), uri: uri.to_owned(), rows: 0 })
    }

    /// Appends, on the thread of the caller.
    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(|error| Error::Encode { uri: self.uri.clone(), reason: error.to_string() })
    }

    /// Ends the file, on the thread of the caller.
    pub(crate) fn end(self) -> Result<ParquetFileEnd, Error> {
        let ParquetFile { mut writer, path, uri, rows } = self;
        let encode = |reason: String| Error::Encode { uri: uri.clone(), reason };
        writer.finish().map_err(|error| encode(error.to_string()))?;
        let file = writer.inner_mut();
        let bytes =
            file.flush().and_then(|()| file.get_ref().metadata()).map_err(|error| encode(error.to_string()))?.len();
        Ok(ParquetFileEnd { path, rows, bytes })
    }

    /// Appends off the async threads.
    pub(crate) async fn write(mut self, batch: RecordBatch) -> Result<ParquetFile, Error> {
        let uri = self.uri.clone();
        blocking(&uri, move || self.append(&batch).map(|()| self)).await
    }

    /// Ends the file off the async threads.
    pub(crate) async fn finish(self) -> Result<ParquetFileEnd, Error> {
        let uri = self.uri.clone();
        blocking(&uri, move || self.end()).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deltalake::arrow::array::{Int32Array, StringArray};

    use super::*;

    #[test]
    fn values_that_never_come_again_get_no_dictionary() {
        let with_dictionary = |rows: i32| {
            let id = Int32Array::from_iter_values(0..rows);
            let name = StringArray::from_iter_values((0..rows).map(|row| format!("name {row}")));
            let once_null = Int32Array::from_iter((0..rows).map(|row| (row > 0).then_some(row)));
            // The last is the first once more.
            let nearly = Int32Array::from_iter_values((0..rows).map(|row| row % (rows - 1)));
            let first = RecordBatch::try_from_iter([
                ("id", Arc::new(id) as _),
                ("name", Arc::new(name) as _),
                ("once_null", Arc::new(once_null) as _),
                ("nearly", Arc::new(nearly) as _),
            ]);
            let properties = writer_properties(Codec::Snappy, Some(&first.unwrap()));
            ["id", "name", "once_null", "nearly"].map(|name| properties.dictionary_enabled(&ColumnPath::from(name)))
        };
        assert_eq!(with_dictionary(DIFFERENT_ROWS_MIN as i32), [false, false, true, true]);
        assert_eq!(with_dictionary(DIFFERENT_ROWS_MIN as i32 - 1), [true; 4], "too few to tell");
    }
}
