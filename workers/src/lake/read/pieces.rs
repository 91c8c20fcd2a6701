//! Rows of one object piece by piece, none of them held.

use std::collections::BTreeSet;

use polars::prelude::{DataFrame, PlSmallStr};

use super::cell::too_many_columns;
use super::limit::{Budget, EXTRA_COLUMNS_MAX};
use super::outlet::{Reading, piece_bytes};
use super::{ReadSettings, assemble};
use crate::lake::{Error, Folder, Object};

/// An object that is being read.
pub(crate) struct Pieces {
    uri: String,
    settings: ReadSettings,
    reading: Reading,
    /// Columns so far that are not declared.
    others: BTreeSet<PlSmallStr>,
}

/// Some of its rows.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Columns as of [`super::RowsRead::frame`], as far as these rows have them.
    pub frame: DataFrame,
    /// The columns that the object says it has, known with its first rows; `None` where the format has no header.
    pub columns: Option<Vec<String>>,
    /// Rows that could not be read completely.
    pub malformed_records: u64,
    /// The first of them, from 0.
    pub malformed_at: Option<usize>,
}

impl Pieces {
    /// An object of a folder; a piece has a small part of `memory_bytes`, or what is parsed at once.
    pub fn of(folder: &Folder, object: &Object, settings: ReadSettings, memory_bytes: u64) -> Pieces {
        let bytes = piece_bytes(memory_bytes);
        let reading = Reading::new(folder, std::slice::from_ref(object), settings, Budget::of_records(), bytes);
        Pieces { uri: folder.uri_of(&object.name), settings, reading, others: BTreeSet::new() }
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// As [`super::read_rows`], but for memory; [`Error::Unreadable`], too, for CSV that ends within quotes: the rows behind
    /// the quote cannot be told from its field.
    pub async fn next(&mut self) -> Result<Option<Piece>, Error> {
        let Some(mut rows) = self.reading.next().await? else { return Ok(None) };
        if let Some(line) = rows.open_quote_line {
            let reason = format!(
                "the quote that opens in line {line} is not closed; close it or, if it belongs to the text, put the field in \
                 quotes and write it twice"
            );
            return Err(Error::Unreadable { uri: self.uri.clone(), format: "CSV", reason });
        }
        let columns = rows.columns.take();
        let (uri, settings) = (self.uri.clone(), self.settings);
        let assembled = tokio::task::spawn_blocking(move || assemble(&uri, vec![rows], settings, Vec::new(), 0)).await;
        let (read, malformed_at) = assembled.map_err(|error| Error::storage("read", self.uri.clone(), error))??;
        let frame = read.frame;
        let declared = self.settings.declared;
        let others = frame.columns().iter().map(|column| column.name());
        self.others
            .extend(others.filter(|name| declared.iter().all(|declared| declared.name != name.as_str())).cloned());
        if self.others.len() > EXTRA_COLUMNS_MAX {
            let reason = too_many_columns();
            return Err(Error::Unreadable { uri: self.uri.clone(), format: "rows", reason });
        }
        Ok(Some(Piece { frame, columns, malformed_records: read.malformed_records, malformed_at }))
    }
}
