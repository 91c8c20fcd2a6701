//! A raw file: who it is, by its content, and its lines, in bounded memory.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::job::{Code, JobError};
use crate::lake::read::limit::RECORD_BYTES_MAX;
use crate::lake::read::{Cutter, Format};
use crate::lake::{Error, Folder, ObjectState};

/// Files are fetched in ranges of this size.
const RANGE_BYTES: u64 = 8 << 20;
/// Compressed bytes decoded for one piece: gzip expands at most about a thousandfold, so this bounds the memory.
const GZIP_STEP_BYTES: usize = 32 << 10;

/// A raw object of JSON lines, `.gz` or not, as it was when it was opened: what is written to it later is never read as part of it.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    folder: &'a Folder,
    name: &'a str,
    opened: ObjectState,
}

impl<'a> Source<'a> {
    /// An object of a folder.
    ///
    /// # Errors
    /// `STORAGE_ERROR`, also if it is gone.
    pub async fn open(folder: &'a Folder, name: &'a str) -> Result<Source<'a>, JobError> {
        let opened = folder.state(name).await?.ok_or_else(|| Error::NotFound { uri: folder.uri_of(name) })?;
        Ok(Source { folder, name, opened })
    }

    /// Where it is.
    pub fn uri(&self) -> String {
        self.folder.uri_of(self.name)
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
        self.name.ends_with(".gz")
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
        Pieces { source: self.clone(), cutter: Some(self.cutter()), at: 0, fetched: Bytes::new(), step_bytes }
    }

    async fn range(&self, at: &mut u64) -> Result<Option<Bytes>, JobError> {
        if *at >= self.opened.size_bytes {
            return Ok(None);
        }
        let end = (*at + RANGE_BYTES).min(self.opened.size_bytes);
        let bytes = self.folder.get_range(self.name, *at..end).await?;
        if self.folder.state(self.name).await?.is_none_or(|now| !now.is_still(&self.opened)) {
            let message = format!("`{}` was changed while it was read; run again", self.uri());
            return Err(JobError::new(Code::StorageError, message));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Lake;

    #[tokio::test]
    async fn a_file_is_what_it_was_when_it_was_opened() {
        let place = tempfile::tempdir().unwrap();
        let folder = Lake::at(place.path().to_str().unwrap()).unwrap().folder("raw", "").unwrap();
        folder.put("a.json", "{}\n").await.unwrap();
        let source = Source::open(&folder, "a.json").await.unwrap();
        let digest = source.digest().await.unwrap();
        assert_eq!(source.pieces().next().await.unwrap().unwrap(), b"");
        folder.put("a.json", "[]\n").await.unwrap();
        let changed = source.pieces().next().await.unwrap_err();
        assert_eq!(changed.code, Code::StorageError);
        assert!(changed.message.contains("a.json` was changed while it was read"), "{changed}");
        let again = Source::open(&folder, "a.json").await.unwrap();
        assert_ne!(again.digest().await.unwrap(), digest);
        assert!(Source::open(&folder, "none.json").await.unwrap_err().message.contains("none.json"));
    }
}
