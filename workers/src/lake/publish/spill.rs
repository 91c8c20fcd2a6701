//! Streams of unknown length into files of known number: encoded once into a temporary file, whose size decides.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use deltalake::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, SchemaRef};
use deltalake::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use tempfile::TempDir;

use super::sink::Sink;
use super::source::file_name;
use super::{WriteSettings, blocking};
use crate::lake::parquet_file::{ParquetFile, ParquetFileEnd};
use crate::lake::{Error, Rows, SuccessFile, hive_name};

/// Rows decoded at once when a temporary file is cut into several.
const BATCH_ROWS: usize = 8_192;

/// Writes a stream; returns its length and the files, in reading order.
pub(super) async fn write_rows(
    uri: &str,
    mut rows: Rows,
    split_by: Option<&str>,
    settings: WriteSettings,
    mark: &str,
    sink: &Sink,
) -> Result<(u64, Vec<SuccessFile>), Error> {
    let place = tempfile::Builder::new()
        .prefix("stepwell-publish-")
        .tempdir()
        .map_err(|error| Error::storage("create", std::env::temp_dir().display().to_string(), error))?;
    let writer = Writer { uri, schema: rows.schema(), settings, mark, sink, place };
    let mut split = split_by.map(|column| Split::new(uri, &writer.schema, column)).transpose()?;
    let (mut total, mut files) = (0, Vec::new());
    // The folder being written, below the partition's, and its temporary file.
    let mut open: Option<(String, ParquetFile)> = None;
    while let Some(batch) = rows.next(uri).await? {
        total += batch.num_rows() as u64;
        let runs = match &split {
            Some(split) => split.runs(&batch)?,
            None => vec![(String::new(), batch)],
        };
        for (folder, batch) in runs {
            let file = match open.take() {
                Some((current, file)) if current == folder => file,
                finished => {
                    if let Some((current, file)) = finished {
                        writer.place(&current, file, &mut files).await?;
                    }
                    if let Some(split) = &mut split {
                        split.enter(&folder)?;
                    }
                    writer.begin()?
                }
            };
            open = Some((folder, file.write(batch).await?));
        }
    }
    let (folder, file) = match open {
        Some(open) => open,
        None => (String::new(), writer.begin()?),
    };
    writer.place(&folder, file, &mut files).await?;
    Ok((total, files))
}

struct Writer<'a> {
    uri: &'a str,
    schema: SchemaRef,
    settings: WriteSettings,
    mark: &'a str,
    sink: &'a Sink,
    place: TempDir,
}

impl Writer<'_> {
    fn begin(&self) -> Result<ParquetFile, Error> {
        let path = self.place.path().join("whole.parquet");
        ParquetFile::create(&path, self.schema.clone(), self.settings.codec, self.uri)
    }

    /// Moves the temporary file to where it belongs, cut into files of about the aimed size.
    async fn place(&self, folder: &str, whole: ParquetFile, files: &mut Vec<SuccessFile>) -> Result<(), Error> {
        let whole = whole.finish().await?;
        let count = self.settings.sizing.count(u128::from(whole.bytes), whole.rows);
        let name = |index| match folder {
            "" => file_name(index, self.mark),
            folder => format!("{folder}/{}", file_name(index, self.mark)),
        };
        if count == 1 {
            return self.hand_over(name(0), &whole, files).await;
        }
        let mut reader = self.reader(&whole.path)?;
        for index in 0..count {
            let bound = |i: usize| whole.rows as u128 * i as u128 / count as u128;
            let rows = (bound(index + 1) - bound(index)) as usize;
            let path = self.place.path().join("slice.parquet");
            let mut file = ParquetFile::create(&path, self.schema.clone(), self.settings.codec, self.uri)?;
            let slice;
            (reader, slice) = blocking(self.uri, move || {
                reader.copy(rows, &mut file)?;
                Ok((reader, file.end()?))
            })
            .await?;
            self.hand_over(name(index), &slice, files).await?;
        }
        Ok(())
    }

    async fn hand_over(&self, name: String, file: &ParquetFileEnd, files: &mut Vec<SuccessFile>) -> Result<(), Error> {
        self.sink.file(&name, &file.path).await?;
        files.push(SuccessFile { name, rows: Some(file.rows), bytes: file.bytes });
        Ok(())
    }

    fn reader(&self, path: &Path) -> Result<Reader, Error> {
        let unreadable = |error: String| Error::Encode { uri: self.uri.to_owned(), reason: error };
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let batches = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(Reader { batches, left: None, uri: self.uri.to_owned() })
    }
}

/// The temporary file, read on from where the last slice ended.
struct Reader {
    batches: ParquetRecordBatchReader,
    left: Option<RecordBatch>,
    uri: String,
}

impl Reader {
    fn copy(&mut self, mut rows: usize, file: &mut ParquetFile) -> Result<(), Error> {
        let cut_short = |reason: String| Error::Encode { uri: self.uri.clone(), reason };
        while rows > 0 {
            let batch = match self.left.take() {
                Some(batch) => batch,
                None => match self.batches.next() {
                    Some(batch) => batch.map_err(|error| cut_short(error.to_string()))?,
                    None => return Err(cut_short("the temporary file ended before its last row".to_owned())),
                },
            };
            let taken = rows.min(batch.num_rows());
            file.append(&batch.slice(0, taken))?;
            if taken < batch.num_rows() {
                self.left = Some(batch.slice(taken, batch.num_rows() - taken));
            }
            rows -= taken;
        }
        Ok(())
    }
}

/// Sub-folders by the values of a column.
struct Split {
    uri: String,
    column: String,
    index: usize,
    entered: HashSet<String>,
}

impl Split {
    fn new(uri: &str, schema: &SchemaRef, column: &str) -> Result<Split, Error> {
        let index = schema.index_of(column).map_err(|_| Error::Schema {
            uri: uri.to_owned(),
            reason: format!("there is no column `{column}` to split by"),
        })?;
        Ok(Split { uri: uri.to_owned(), column: column.to_owned(), index, entered: HashSet::new() })
    }

    /// The batch as runs of rows of one folder.
    fn runs(&self, batch: &RecordBatch) -> Result<Vec<(String, RecordBatch)>, Error> {
        let values = self.texts(batch.column(self.index))?;
        let value = |row: usize| (!values.is_null(row)).then(|| values.value(row));
        let mut runs = Vec::new();
        let mut start = 0;
        for row in 1..=batch.num_rows() {
            if row == batch.num_rows() || value(row) != value(start) {
                runs.push((hive_name(&self.column, value(start)), batch.slice(start, row - start)));
                start = row;
            }
        }
        Ok(runs)
    }

    fn texts(&self, values: &ArrayRef) -> Result<StringArray, Error> {
        let texts = cast(values, &DataType::Utf8)
            .map_err(|error| Error::Schema { uri: self.uri.clone(), reason: error.to_string() })?;
        let texts = texts.as_any().downcast_ref::<StringArray>().expect("it was cast to text");
        Ok(texts.clone())
    }

    fn enter(&mut self, folder: &str) -> Result<(), Error> {
        if self.entered.insert(folder.to_owned()) {
            return Ok(());
        }
        let reason = format!("the rows of `{folder}` do not come together; order them by `{}` first", self.column);
        Err(Error::Schema { uri: self.uri.clone(), reason })
    }
}
