//! From an address to a store.

use std::path::Path;
use std::sync::Arc;

use super::postgres::{PostgresSettings, PostgresStore};
use super::sqlite::SqliteStore;
use super::{Error, MemoryStore, Result, Store};

/// Opens the store at `url` and brings its schema up to date: `postgres://…` is a server, `sqlite:<folder>` or a
/// path the embedded database in that folder, `memory:` one that goes with the process.
///
/// # Errors
/// [`Error::Open`] with what to do about it.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(PostgresStore::open(url, PostgresSettings::default()).await?));
    }
    if url == "memory:" {
        return Ok(Arc::new(MemoryStore::new()));
    }
    let folder = match url.split_once(':') {
        Some(("sqlite", folder)) => folder.strip_prefix("//").unwrap_or(folder),
        // One letter is a drive.
        Some((scheme, _)) if scheme.len() > 1 && !scheme.contains(['/', '.', '\\']) => {
            return Err(Error::Open(format!(
                "`{scheme}:` is no database Stepwell knows: give postgres://user:password@host:5432/name, \
                 sqlite:<folder> or a folder"
            )));
        }
        _ => url,
    };
    if folder.is_empty() {
        return Err(Error::Open("the address of the database is empty: give a folder or postgres://…".to_owned()));
    }
    Ok(Arc::new(SqliteStore::open(Path::new(folder)).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_names_no_store_says_what_would() {
        for url in ["mysql://localhost/x", "", "sqlite:"] {
            let error = open(url).await.unwrap_err().to_string();
            assert!(error.contains("folder"), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn a_folder_in_use_is_refused_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().display());
        let first = open(&url).await.unwrap();
        let error = open(&url).await.unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
        drop(first);
        open(folder.path().to_str().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_named_with_the_remedy() {
        let error = open("postgres://nobody@127.0.0.1:1/none").await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:1") && error.contains("check that the server runs"), "{error}");
    }
}
