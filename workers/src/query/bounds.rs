//! Scans that look at a Parquet file before they decode it.
//!
//! Every scan of a session's plans, over Parquet objects and Delta tables alike, gets readers that check the footer and
//! the pages they hand on ([`check_footer`], [`ColumnPages`]). That costs no request: the bytes are on their way to the
//! decoder anyway.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::datafusion::common::Result as PlanResult;
use deltalake::datafusion::common::config::ConfigOptions;
use deltalake::datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use deltalake::datafusion::datasource::listing::PartitionedFile;
use deltalake::datafusion::datasource::physical_plan::{
    FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use deltalake::datafusion::datasource::source::DataSourceExec;
use deltalake::datafusion::physical_optimizer::PhysicalOptimizerRule;
use deltalake::datafusion::physical_plan::ExecutionPlan;
use deltalake::datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use deltalake::parquet::arrow::arrow_reader::ArrowReaderOptions;
use deltalake::parquet::arrow::async_reader::AsyncFileReader;
use deltalake::parquet::errors::{ParquetError, Result};
use deltalake::parquet::file::metadata::ParquetMetaData;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::named::NamedSource;
use crate::lake::{ColumnPages, Error, check_footer};

/// The length of the footer, and the mark at the end.
const TAIL_BYTES: u64 = 8;

/// Wraps the readers of all Parquet scans of a plan.
#[derive(Debug)]
pub(super) struct BoundScans;

impl PhysicalOptimizerRule for BoundScans {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let found = node.downcast_ref::<DataSourceExec>().and_then(|scan| {
                let (scan, source) = scan.downcast_to_file_source::<ParquetSource>()?;
                let inner = source.parquet_file_reader_factory()?.clone();
                let place = match scan.object_store_url.as_str() {
                    // Delta tables are scanned through stores with names of their own.
                    url if url.starts_with("delta-rs:") => "",
                    url => url,
                };
                let readers = BoundReaders { inner, place: place.to_owned() };
                let source = source.clone().with_parquet_file_reader_factory(Arc::new(readers));
                let source = NamedSource::new(source, place);
                Some(FileScanConfigBuilder::from(scan.clone()).with_source(Arc::new(source)).build())
            });
            Ok(match found {
                Some(scan) => Transformed::yes(DataSourceExec::from_data_source(scan) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "bound_scans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct BoundReaders {
    inner: Arc<dyn ParquetFileReaderFactory>,
    /// The URL of the store, before a file's location; empty if the locations say all.
    place: String,
}

impl ParquetFileReaderFactory for BoundReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> PlanResult<Box<dyn AsyncFileReader + Send>> {
        let uri = format!("{}{}", self.place, file.object_meta.location);
        let size_bytes = file.object_meta.size;
        let inner = self.inner.create_reader(partition_index, file, metadata_size_hint, metrics)?;
        Ok(Box::new(BoundReader { inner, uri, size_bytes, footer: None }))
    }
}

struct BoundReader {
    inner: Box<dyn AsyncFileReader + Send>,
    uri: String,
    size_bytes: u64,
    footer: Option<Arc<ParquetMetaData>>,
}

impl BoundReader {
    async fn footer(&mut self, options: Option<&ArrowReaderOptions>) -> Result<Arc<ParquetMetaData>> {
        let footer = match caught(self.inner.get_metadata(options)).await {
            Some(Ok(footer)) => footer,
            failed => {
                let tail = match self.size_bytes {
                    0 => Bytes::new(),
                    // That it cannot be read is the store's fault.
                    size => self.inner.get_bytes(tail_of(size)).await?,
                };
                return Err(
                    judge(failed.and_then(Result::err), tail, &self.uri, self.size_bytes).unwrap_or_else(refused)
                );
            }
        };
        check_footer(&self.uri, self.size_bytes, &footer).map_err(refused)?;
        self.footer = Some(footer.clone());
        Ok(footer)
    }

    /// Looks at the pages in bytes that begin at one; others (indexes, filters) are passed on. A dictionary and pages that
    /// refer to it are asked for together.
    async fn check(&mut self, ranges: &[Range<u64>], all: &[Bytes]) -> Result<()> {
        let footer = match &self.footer {
            Some(footer) => footer.clone(),
            None => self.footer(None).await?,
        };
        let mut columns: HashMap<u64, ColumnPages<'_>> = HashMap::new();
        for (range, bytes) in ranges.iter().zip(all) {
            let chunk = footer.row_groups().iter().flat_map(|group| group.columns()).find(|chunk| {
                let (start, length) = chunk.byte_range();
                start <= range.start && range.start < start.saturating_add(length)
            });
            if let Some(chunk) = chunk {
                let (start, _) = chunk.byte_range();
                let pages = columns.entry(start).or_insert_with(|| ColumnPages::new(&self.uri, chunk));
                pages.check(bytes).map_err(refused)?;
            }
        }
        Ok(())
    }
}

/// What decodes a footer; `None` if it panicked.
pub(super) async fn caught<T>(decode: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(decode).catch_unwind().await.ok()
}

/// Where a file says how long its footer is.
pub(super) fn tail_of(size_bytes: u64) -> Range<u64> {
    size_bytes.saturating_sub(TAIL_BYTES)..size_bytes
}

/// Why a footer could not be decoded. The decoder counts on one that is shorter than its file: else it panics, or asks for
/// bytes that no file has, which looks like a fault of the store.
///
/// # Errors
/// [`Error::Unreadable`] if the file is to blame; else the decoder's own error comes back.
pub(super) fn judge<E>(failed: Option<E>, tail: Bytes, uri: &str, size_bytes: u64) -> std::result::Result<E, Error> {
    let fits = match tail.split_first_chunk::<4>() {
        Some((length, b"PAR1")) => u64::from(u32::from_le_bytes(*length)) + TAIL_BYTES <= size_bytes,
        _ => false,
    };
    match failed {
        Some(error) if fits => Ok(error),
        _ => {
            let reason = format!("the end of its {size_bytes} bytes is no footer");
            Err(Error::Unreadable { uri: uri.to_owned(), format: "Parquet", reason })
        }
    }
}

fn refused(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for BoundReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let bytes = self.inner.get_bytes(range.clone()).await?;
            self.check(std::slice::from_ref(&range), std::slice::from_ref(&bytes)).await?;
            Ok(bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            let all = self.inner.get_byte_ranges(ranges.clone()).await?;
            self.check(&ranges, &all).await?;
            Ok(all)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.footer(options).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_footer_that_does_not_fit_its_file_is_the_files_fault() {
        for (tail, size_bytes, is_torn) in [
            (&b"\x10\0\0\0PAR1"[..], 24, false),
            (b"\x11\0\0\0PAR1", 24, true),
            (b"\xff\xff\xff\xffPAR1", 24, true),
            (b"\x10\0\0\0PARE", 24, true),
            (b"PAR1", 4, true),
            (b"", 0, true),
        ] {
            let judged = judge(Some("the decoder's"), Bytes::from_static(tail), "s3://lake/x", size_bytes);
            assert_eq!(judged.is_err(), is_torn, "{tail:?}");
        }
        let panicked = caught(async { "x".parse::<u8>().unwrap() }).await;
        let judged = judge(panicked, Bytes::new(), "s3://lake/x", 24).unwrap_err().to_string();
        assert!(judged.contains("`s3://lake/x`"), "{judged}");
    }
}
