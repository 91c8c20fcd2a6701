//! A raw file: who it is, by its content, and its lines, in bounded memory.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::job::JobError;
use crate::lake::read::limit::RECORD_BYTES_MAX;
use crate::lake::read::{Cutter, Format};
use crate::lake::{Error, Folder, Object};

/// Files are fetched in ranges of this size.
const RANGE_BYTES: u64 = 8 << 20;
/// Compressed bytes decoded for one piece: gzip expands at most about a thousandfold, so this bounds the memory.
const GZIP_STEP_BYTES: usize = 32 << 10;

/// A raw object of JSON lines, `.gz` or not.
#[derive(Debug)]
pub struct Source<'a> {
    folder: &'a Folder,
    object: &'a Object,
}

impl<'a> Source<'a> {
    /// The object of a folder.
    pub fn new(folder: &'a Folder, object: &'a Object) -> Source<'a> {
        Source { folder, object }
    }

    /// Where it is.
    pub fn uri(&self) -> String {
        self.folder.uri_of(&self.object.name)
    }

    /// SHA-256 of its bytes, the first 32 hex digits: the same file delivered under another name is the same. The file is
    /// decoded on the way, so that one that cannot be read to its end is refused before anything of it is taken.
    ///
    /// # Errors
    /// `STORAGE_ERROR`; `SCHEMA_VALIDATION_FAILED` for a broken gzip stream or a line beyond the limit.
    pub async fn digest(&self) -> Result<String, JobError> {
        let mut digest = Sha256::new();
        let mut cutter = self.cutter();
        let (mut at, mut line) = (0, 0);
        // The cutter holds against the limit what does not end; a line that does end may still be too long.
        let mut look = |piece: &[u8]| {
            for text in piece.split_inclusive(|byte| *byte == b'\n') {
                line += 1;
                let text = text.strip_suffix(b"\n").unwrap_or(text);
                if text.len() as u64 > RECORD_BYTES_MAX {
                    return Err(self.too_long(line));
                }
            }
            Ok(())
        };
        while let Some(bytes) = self.range(&mut at).await? {
            digest.update(&bytes);
            cutter.push(&bytes, &mut look)?;
        }
        cutter.finish(&mut look)?;
        Ok(hex::encode(&digest.finalize()[..16]))
    }

    fn cutter(&self) -> Cutter {
        Cutter::new(self.uri(), Format::Json, self.is_gzip())
    }

    fn is_gzip(&self) -> bool {
        self.object.name.ends_with(".gz")
    }

    fn too_long(&self, line: u64) -> Error {
        Error::Limit {
            uri: self.uri(),
            what: format!("the record that begins in line {line}"),
            limit: "RECORD_BYTES_MAX",
            value: RECORD_BYTES_MAX,
            remedy: "split the object or repair it",
        }
    }

    /// Its lines, in order, a piece of whole lines at a time.
    pub fn pieces(&self) -> Pieces<'a> {
        let step_bytes = if self.is_gzip() { GZIP_STEP_BYTES } else { usize::MAX };
        Pieces { source: Source { ..*self }, cutter: Some(self.cutter()), at: 0, fetched: Bytes::new(), step_bytes }
    }

    async fn range(&self, at: &mut u64) -> Result<Option<Bytes>, JobError> {
        if *at >= self.object.size_bytes {
            return Ok(None);
        }
        let end = (*at + RANGE_BYTES).min(self.object.size_bytes);
        let bytes = self.folder.get_range(&self.object.name, *at..end).await?;
        *at = end;
        Ok(Some(bytes))
    }
}

/// The reading of a file in progress.
pub struct Pieces<'a> {
    source: Source<'a>,
    cutter: Option<Cutter>,
    at: u64,
    /// What of the last range is still to be decoded.
    fetched: Bytes,
    step_bytes: usize,
}

impl Pieces<'_> {
    /// The next lines as one text; `None` at the end. May be empty where a record spans pieces.
    ///
    /// # Errors
    /// `STORAGE_ERROR`; `SCHEMA_VALIDATION_FAILED` for a broken gzip stream or a line beyond every limit.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, JobError> {
        let Some(mut cutter) = self.cutter.take() else { return Ok(None) };
        let mut text = Vec::new();
        let mut take = |piece: &[u8]| {
            text.extend_from_slice(piece);
            Ok(())
        };
        if self.fetched.is_empty() {
            self.fetched = self.source.range(&mut self.at).await?.unwrap_or_default();
        }
        let step = self.fetched.split_to(self.fetched.len().min(self.step_bytes));
        match Some(step).filter(|step| !step.is_empty()) {
            Some(step) => {
                cutter.push(&step, &mut take)?;
                self.cutter = Some(cutter);
            }
            None => cutter.finish(&mut take)?,
        }
        Ok(Some(text))
    }
}
