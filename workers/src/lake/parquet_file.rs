//! Batches into one Parquet file on this machine's disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
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
/// The same of kept results.
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

/// How Parquet files are written, by us and for Delta tables.
pub(crate) fn writer_properties(codec: Codec) -> WriterProperties {
    let compression = match codec {
        Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level of zstd")),
        Codec::Snappy => Compression::SNAPPY,
        Codec::Gzip => Compression::GZIP(GzipLevel::default()),
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::Uncompressed => Compression::UNCOMPRESSED,
    };
    WriterProperties::builder()
        .set_compression(compression)
        .set_created_by("stepwell".to_owned())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(row_group_bytes()))
        .build()
}

/// A row group is in memory until it is whole, beside what statements are allowed: where that is little, it is small, too.
fn row_group_bytes() -> usize {
    // Whoever runs statements has said what is wrong with the variable.
    crate::query::memory_bytes().map_or(ROW_GROUP_BYTES, |allowed| (allowed / 8).clamp(1 << 20, ROW_GROUP_BYTES))
}

impl ParquetFile {
    /// Begins a file at a path. `uri` is what it will be, for errors.
    pub(crate) fn create(path: &Path, schema: SchemaRef, codec: Codec, uri: &str) -> Result<ParquetFile, Error> {
        ParquetFile::create_with(path, schema, writer_properties(codec), uri)
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
