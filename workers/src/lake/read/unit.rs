//! Units of work of a read: several small objects, or one large one, whose rows are handed over piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use rayon::prelude::*;

use super::csv::Header;
use super::cut::{Cutter, inflate};
use super::limit::{
    Budget, EXTRA_COLUMNS_MAX, OBJECTS_AT_ONCE, PARQUET_BYTES_MAX, PARQUET_GZIP_BYTES_MAX, RANGE_BYTES, SPLIT,
    UNIT_BYTES, UNIT_OBJECTS_MAX,
};
use super::outlet::Outlet;
use super::rows::Rows;
use super::{Format, ReadSettings, csv, json, parquet};
use crate::lake::parquet_slices::ParquetSlices;
use crate::lake::{Error, Folder, Object};

/// Splits the objects, in order, into units.
pub(super) fn gather(objects: &[Object]) -> Vec<Vec<Object>> {
    let mut units: Vec<Vec<Object>> = Vec::new();
    let mut size_bytes = u64::MAX;
    for object in objects {
        let full = size_bytes.saturating_add(object.size_bytes) > UNIT_BYTES;
        match units.last_mut() {
            Some(unit) if !full && unit.len() < UNIT_OBJECTS_MAX => {
                unit.push(object.clone());
                size_bytes += object.size_bytes;
            }
            _ => {
                units.push(vec![object.clone()]);
                size_bytes = object.size_bytes;
            }
        }
    }
    units
}

/// Fetches and parses a unit, whose rows go to the outlet; how many each of its objects had. `budget` is that of the whole
/// read.
pub(super) async fn read(
    folder: Folder,
    unit: Vec<Object>,
    settings: ReadSettings,
    budget: Arc<Budget>,
    outlet: Outlet,
) -> Result<Vec<u64>, Error> {
    let uri = folder.uri();
    let reader = Reader { folder, settings, budget };
    match unit.as_slice() {
        [object] if object.size_bytes > RANGE_BYTES && reader.format(object) != Format::Parquet => {
            reader.read_large(object, outlet).await
        }
        [object] if object.size_bytes > RANGE_BYTES && !object.name.ends_with(".gz") => {
            reader.read_large_parquet(object, outlet).await
        }
        _ => reader.read_small(unit, outlet).await,
    }
    .map_err(|error| match error {
        // The object was listed a moment ago: it changed under the reader, and another attempt sees the new state.
        Error::NotFound { uri } => Error::storage("read", uri, "it was deleted while the folder was being read"),
        error => error,
    })
    .inspect_err(|error| tracing::debug!("Reading `{uri}` ended early: {}", error.chain()))
}

#[derive(Clone)]
struct Reader {
    folder: Folder,
    settings: ReadSettings,
    budget: Arc<Budget>,
}

impl Reader {
    fn format(&self, object: &Object) -> Format {
        Format::of_name(&object.name).unwrap_or(self.settings.format)
    }

    async fn read_small(&self, unit: Vec<Object>, outlet: Outlet) -> Result<Vec<u64>, Error> {
        for object in unit.iter().filter(|object| self.format(object) == Format::Parquet) {
            self.check_parquet_size(object)?;
        }
        // Local files are read where they are parsed: a hop to another thread per file costs more than the read.
        let fetched: Vec<Option<Bytes>> = if self.folder.local_path().is_some() {
            vec![None; unit.len()]
        } else {
            futures::stream::iter(unit.clone())
                .map(|object| {
                    let folder = self.folder.clone();
                    async move { folder.get(&object.name).await.map(Some) }
                })
                .buffered(OBJECTS_AT_ONCE)
                .try_collect()
                .await?
        };
        let reader = self.clone();
        self.blocking(move || {
            let mut rows = Rows::new(reader.settings);
            let mut object_records = Vec::with_capacity(unit.len());
            for (object, bytes) in unit.iter().zip(fetched) {
                let before = outlet.records(&rows);
                let bytes = bytes.map_or_else(|| reader.read_local(object), Ok)?;
                reader.parse_object(&mut rows, object, bytes, &outlet)?;
                reader.spend(object, &mut rows)?;
                object_records.push(outlet.records(&rows) - before);
            }
            outlet.send(rows)?;
            Ok(object_records)
        })
        .await
    }

    fn check_parquet_size(&self, object: &Object) -> Result<(), Error> {
        if object.size_bytes > PARQUET_BYTES_MAX {
            return Err(self.limit(object, "the object", "PARQUET_BYTES_MAX", PARQUET_BYTES_MAX));
        }
        Ok(())
    }

    async fn read_large_parquet(&self, object: &Object, outlet: Outlet) -> Result<Vec<u64>, Error> {
        self.check_parquet_size(object)?;
        let slices = ParquetSlices::open(&self.folder, &object.name, object.size_bytes).await?;
        let reader = self.clone();
        self.blocking(move || {
            let mut rows = Rows::new(reader.settings);
            parquet::parse(&mut rows, &slices, &reader.budget, &outlet)?;
            let records = outlet.records(&rows);
            outlet.send(rows)?;
            Ok(vec![records])
        })
        .await
    }

    fn read_local(&self, object: &Object) -> Result<Bytes, Error> {
        let uri = self.folder.uri_of(&object.name);
        let path = self.folder.child(&object.name).local_path().expect("the caller checked that the folder is local");
        std::fs::read(path).map(Bytes::from).map_err(|error| Error::storage("read", uri, error))
    }

    fn parse_object(&self, rows: &mut Rows, object: &Object, bytes: Bytes, outlet: &Outlet) -> Result<(), Error> {
        let (uri, gzip) = (self.folder.uri_of(&object.name), object.name.ends_with(".gz"));
        let format = self.format(object);
        if bytes.is_empty() {
            return Ok(());
        }
        if format == Format::Parquet {
            let plain = if gzip {
                inflate(&uri, &bytes, "PARQUET_GZIP_BYTES_MAX", PARQUET_GZIP_BYTES_MAX)?.into()
            } else {
                bytes
            };
            return parquet::parse(rows, &ParquetSlices::of_bytes(&uri, plain)?, &self.budget, outlet);
        }
        let mut header = None;
        let mut parse = |piece: &[u8]| {
            parse_piece(rows, format, &mut header, piece);
            // Within an object, too: a bomb of tiny rows must not be read to its end.
            self.spend(object, rows)?;
            outlet.offer(rows)
        };
        let mut cutter = Cutter::new(uri, format, gzip);
        cutter.push(&bytes, &mut parse)?;
        cutter.finish(&mut parse)?;
        rows.open_quote_line = cutter.open_quote_line();
        Ok(())
    }

    /// Fetches range after range; the pieces of each are parsed in parallel.
    async fn read_large(&self, object: &Object, outlet: Outlet) -> Result<Vec<u64>, Error> {
        let uri = self.folder.uri_of(&object.name);
        let format = self.format(object);
        let mut large = Large {
            reader: self.clone(),
            object: object.clone(),
            header: None,
            pending: Vec::new(),
            outlet,
            records: 0,
        };
        let mut cutter = Cutter::new(uri, format, object.name.ends_with(".gz"));
        let mut at = 0;
        while at < object.size_bytes {
            let end = (at + RANGE_BYTES).min(object.size_bytes);
            let bytes = self.folder.get_range(&object.name, at..end).await?;
            at = end;
            (large, cutter) = self
                .blocking(move || {
                    cutter.push(&bytes, &mut |piece| large.take(format, piece))?;
                    Ok((large, cutter))
                })
                .await?;
        }
        self.blocking(move || {
            cutter.finish(&mut |piece| large.take(format, piece))?;
            large.parse_pending(format)?;
            let mut last = Rows::new(large.reader.settings);
            last.open_quote_line = cutter.open_quote_line();
            large.outlet.send(last)?;
            Ok(vec![large.records])
        })
        .await
    }

    /// Counts rows against the limits of the whole read.
    fn spend(&self, object: &Object, rows: &mut Rows) -> Result<(), Error> {
        if rows.unknown_columns() > EXTRA_COLUMNS_MAX {
            let limit = "EXTRA_COLUMNS_MAX";
            return Err(self.limit(object, "the number of undeclared columns", limit, EXTRA_COLUMNS_MAX as u64));
        }
        rows.spend(&self.budget, &self.folder.uri_of(&object.name))
    }

    fn limit(&self, object: &Object, what: &str, limit: &'static str, value: u64) -> Error {
        Error::Limit { uri: self.folder.uri_of(&object.name), what: what.to_owned(), limit, value, remedy: SPLIT }
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Error> + Send + 'static,
    {
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::storage("read", self.folder.uri(), error))?
    }
}

/// Parses a piece; the first one of a CSV file brings the header.
fn parse_piece(rows: &mut Rows, format: Format, header: &mut Option<Header>, piece: &[u8]) {
    match (format, &*header) {
        (Format::Csv, Some(header)) => csv::parse(rows, header, piece),
        (Format::Csv, None) => {
            if let Some((first, length)) = Header::take(rows, piece) {
                csv::parse(rows, &first, &piece[length..]);
                *header = Some(first);
            }
        }
        (Format::Json | Format::Parquet, _) => json::parse(rows, piece),
    }
}

/// A large object in progress.
struct Large {
    reader: Reader,
    object: Object,
    header: Option<Header>,
    pending: Vec<Vec<u8>>,
    outlet: Outlet,
    records: u64,
}

impl Large {
    fn take(&mut self, format: Format, piece: &[u8]) -> Result<(), Error> {
        let mut piece = piece;
        if format == Format::Csv && self.header.is_none() {
            let mut rows = Rows::new(self.reader.settings);
            if let Some((header, length)) = Header::take(&mut rows, piece) {
                self.header = Some(header);
                self.records += rows.height();
                self.outlet.send(rows)?;
                piece = &piece[length..];
            }
        }
        self.pending.push(piece.to_vec());
        if self.pending.len() >= 2 * rayon::current_num_threads() { self.parse_pending(format) } else { Ok(()) }
    }

    fn parse_pending(&mut self, format: Format) -> Result<(), Error> {
        let pieces = std::mem::take(&mut self.pending);
        let (settings, header) = (self.reader.settings, &self.header);
        let parsed: Vec<Rows> = pieces
            .into_par_iter()
            .map(|piece| {
                let mut rows = Rows::new(settings);
                parse_piece(&mut rows, format, &mut header.clone(), &piece);
                rows
            })
            .collect();
        for mut rows in parsed {
            self.records += rows.height();
            self.reader.spend(&self.object, &mut rows)?;
            self.outlet.send(rows)?;
        }
        Ok(())
    }
}
