//! Frames on this machine's disk.

use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;

use polars::prelude::{DataFrame, ParquetCompression, ParquetReader, ParquetWriter, SerReader, StatisticsOptions};

use crate::lake::Error;

/// A temporary file without a name: frame after frame, each as Parquet of its own, so that each may have columns of its own.
#[derive(Debug)]
pub(super) struct FrameFile {
    file: File,
    /// Where each frame begins and how many bytes it has.
    places: Vec<(u64, usize)>,
    end: u64,
}

impl FrameFile {
    /// An empty one in the temporary folder.
    pub fn create() -> Result<FrameFile, Error> {
        let file = tempfile::tempfile().map_err(|error| fault("create", error))?;
        Ok(FrameFile { file, places: Vec::new(), end: 0 })
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds a frame.
    pub fn append(&mut self, mut frame: DataFrame) -> Result<(), Error> {
        frame.rechunk_mut();
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Lz4Raw)
            .with_statistics(StatisticsOptions::empty())
            .finish(&mut frame)
            .map_err(|error| fault("encode", error))?;
        self.file.write_all_at(&bytes, self.end).map_err(|error| fault("write", error))?;
        self.places.push((self.end, bytes.len()));
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Adds a frame in pieces of about so many bytes, so that little of it is read at once.
    pub fn append_cut(&mut self, frame: &DataFrame, piece_bytes: u64) -> Result<(), Error> {
        let rows = frame.height() as u64;
        let pieces = super::frame_bytes(frame).div_ceil(piece_bytes.max(1)).clamp(1, rows.max(1));
        let bound = |piece: u64| (u128::from(rows) * u128::from(piece) / u128::from(pieces)) as usize;
        for piece in 0..pieces {
            self.append(frame.slice(bound(piece) as i64, bound(piece + 1) - bound(piece)))?;
        }
        Ok(())
    }

    /// Reads a frame.
    pub fn read(&self, index: usize) -> Result<DataFrame, Error> {
        let (at, length) = self.places[index];
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at).map_err(|error| fault("read", error))?;
        let mut frame = ParquetReader::new(Cursor::new(bytes)).finish().map_err(|error| fault("decode", error))?;
        frame.rechunk_mut();
        Ok(frame)
    }
}

fn fault(action: &'static str, error: impl Into<crate::lake::Cause>) -> Error {
    Error::storage(action, format!("a temporary file in {}", std::env::temp_dir().display()), error)
}
