//! The address of a place: `s3://bucket/key`, `s3a://bucket/key`, `file:///path` or a plain path.

use std::path::{Component, Path, PathBuf};

use super::Error;

/// A parsed address. It never contains `.` or `..`, so joining cannot leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An S3 bucket and a key without slashes at its ends; the key may be empty.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The key.
        key: String,
    },
    /// An absolute path of this machine.
    File {
        /// The path.
        path: PathBuf,
    },
}

impl Location {
    /// Parses a URI or path; a relative path is taken from the working directory.
    ///
    /// # Errors
    /// For an unknown scheme, an empty bucket, or a path with `..`.
    pub fn parse(text: &str) -> Result<Location, Error> {
        let text = text.trim();
        let refuse = |reason: &str| Error::Location { text: text.to_owned(), reason: reason.to_owned() };
        if let Some(rest) = text.strip_prefix("s3://").or_else(|| text.strip_prefix("s3a://")) {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            return Location::bucket(bucket)?.child(key);
        }
        let path = match text.strip_prefix("file://") {
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) => return Err(refuse("a file URI has an absolute path after file://")),
            None if text.contains("://") => return Err(refuse("the scheme is neither s3, s3a nor file")),
            None if text.is_empty() => return Err(refuse("it is empty")),
            None => text,
        };
        let absolute = std::path::absolute(path).map_err(|error| refuse(&error.to_string()))?;
        let mut clean = PathBuf::from("/");
        for component in absolute.components() {
            match component {
                Component::Normal(part) if part.to_str().is_some() => clean.push(part),
                Component::RootDir | Component::CurDir => {}
                _ => return Err(refuse("`..` is not allowed in a path")),
            }
        }
        Ok(Location::File { path: clean })
    }

    /// A whole bucket by its name.
    ///
    /// # Errors
    /// If the name is empty or has characters no bucket has.
    pub fn bucket(name: &str) -> Result<Location, Error> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(legal) || name.chars().all(|c| c == '.') {
            return Err(Error::Location {
                text: name.to_owned(),
                reason: "a bucket name has letters, digits, `.`, `-` and `_` only, and is not empty".to_owned(),
            });
        }
        Ok(Location::S3 { bucket: name.to_owned(), key: String::new() })
    }

    /// A place below this one; doubled slashes and slashes at the ends are dropped.
    ///
    /// # Errors
    /// If a segment is `.` or `..`.
    pub fn child(&self, key: &str) -> Result<Location, Error> {
        let key = clean_key(key)?;
        Ok(match self {
            Location::S3 { bucket, key: base } => Location::S3 { bucket: bucket.clone(), key: join(base, &key) },
            Location::File { path } => {
                Location::File { path: if key.is_empty() { path.clone() } else { path.join(key) } }
            }
        })
    }

    /// The key within its store: for a file the path without its leading slash.
    pub fn key(&self) -> String {
        match self {
            Location::S3 { key, .. } => key.clone(),
            Location::File { path } => file_key(path),
        }
    }
}

fn file_key(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

/// A key without empty segments.
///
/// # Errors
/// If a segment is `.` or `..`, or holds a control character.
pub(crate) fn clean_key(key: &str) -> Result<String, Error> {
    let segments: Vec<&str> = key.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.iter().any(|segment| matches!(*segment, "." | "..") || segment.contains(char::is_control)) {
        return Err(Error::Location {
            text: key.escape_debug().to_string(),
            reason: "`.`, `..` and control characters are not allowed in a key".to_owned(),
        });
    }
    Ok(segments.join("/"))
}

/// `base/key`, where either may be empty.
pub(crate) fn join(base: &str, key: &str) -> String {
    match (base.is_empty(), key.is_empty()) {
        (true, _) => key.to_owned(),
        (_, true) => base.to_owned(),
        _ => format!("{base}/{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_or_refused() {
        let s3 = |bucket: &str, key: &str| Location::S3 { bucket: bucket.into(), key: key.into() };
        let file = |path: &str| Location::File { path: path.into() };
        for (text, expected) in [
            ("s3://b/k/l/", s3("b", "k/l")),
            ("s3a://b//k", s3("b", "k")),
            ("s3://b", s3("b", "")),
            ("file:///a/b", file("/a/b")),
            ("/a//b/./c/", file("/a/b/c")),
        ] {
            assert_eq!(Location::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["", "s3://", "s3:///k", "file://a/b", "http://x/y", "/a/../b", "s3://b/../c", "s3://b x/k"] {
            let error = Location::parse(text).unwrap_err().to_string();
            assert!(error.contains("is not a location"), "{text}: {error}");
        }
    }
}
