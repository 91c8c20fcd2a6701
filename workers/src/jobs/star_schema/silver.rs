//! The silver tables: `<SILVER_BASE>/<table>/event_date=YYYY-MM-DD/*.parquet`, every column text.
//!
//! Source: pipelines.md 3.1.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};

use crate::job::{Code, JobError};
use crate::lake::{Folder, SUCCESS_NAME, Success, hive_value, is_data};
use crate::query::{Column, Kind, column};

/// The partition key; it lives in the path.
pub(super) const PARTITION_KEY: &str = "event_date";
/// `_SUCCESS` objects fetched at once.
const FETCHES_AT_ONCE: usize = 16;

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

/// A silver table.
#[derive(Clone, Copy, Debug)]
pub(super) struct SilverTable {
    /// Its name and its folder's.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// The column that tells its rows apart.
    pub key: &'static str,
    /// The column that tells the newest version.
    pub newest_by: &'static str,
}

/// All three.
pub(super) const SILVER: &[SilverTable] = &[
    SilverTable {
        name: "events",
        columns: &[
            text("event_id"),
            text("user_id"),
            text("ts"),
            text("age"),
            text("country"),
            text("email"),
            text("message"),
            text("name"),
            text("price"),
            text("temperature"),
            text("amount"),
            text("year"),
            text("month"),
            text("day"),
        ],
        key: "event_id",
        newest_by: "ts",
    },
    SilverTable {
        name: "users",
        columns: &[
            text("user_id"),
            text("name"),
            text("email"),
            text("phone"),
            text("city"),
            text("age"),
            text("updated_at"),
            text("year"),
            text("month"),
            text("day"),
        ],
        key: "user_id",
        newest_by: "updated_at",
    },
    SilverTable {
        name: "transactions",
        columns: &[
            text("tx_id"),
            text("user_id"),
            text("amount"),
            text("status"),
            text("created_at"),
            text("delivered_at"),
            text("email"),
            text("name"),
            text("age"),
            text("year"),
            text("month"),
            text("day"),
        ],
        key: "tx_id",
        newest_by: "created_at",
    },
];

/// The data files of a silver table.
#[derive(Clone, Debug, Default)]
pub(super) struct SilverFiles {
    /// Names below the table's folder, in order.
    pub names: Vec<String>,
    /// Their size.
    pub bytes: u64,
    /// Partitions that an unfinished write left; they are not read.
    pub incomplete: Vec<String>,
}

/// Finds the files of a table: those its `_SUCCESS` objects name, of the table or of each partition; in a table without
/// any, put there by others, all Parquet files.
///
/// # Errors
/// `STORAGE_ERROR`; `SCHEMA_VALIDATION_FAILED` for a `_SUCCESS` that names a file that is not there.
pub(super) async fn find_files(folder: &Folder) -> Result<SilverFiles, JobError> {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut successes = Vec::new();
    for object in folder.objects().await? {
        let (first, rest) = object.name.split_once('/').unwrap_or(("", &object.name));
        let in_partition = hive_value(first, PARTITION_KEY).is_some();
        if rest == SUCCESS_NAME && (in_partition || first.is_empty()) {
            successes.push(first.to_owned());
        } else if in_partition && is_data(&object.name, object.size_bytes) && object.name.ends_with(".parquet") {
            found.insert(object.name, object.size_bytes);
        }
    }
    if successes.is_empty() {
        return Ok(SilverFiles { bytes: found.values().sum(), names: found.into_keys().collect(), incomplete: vec![] });
    }
    let published: Vec<Published> = futures::stream::iter(successes)
        .map(|place| read_success(folder, place))
        .buffered(FETCHES_AT_ONCE)
        .try_collect()
        .await?;
    let mut taken = BTreeMap::new();
    for Published { place, names } in published {
        // Another engine's `_SUCCESS` is empty: it means all files of its place.
        let of_place = |name: &&String| place.is_empty() || name.split('/').next() == Some(place.as_str());
        for name in names.unwrap_or_else(|| found.keys().filter(of_place).cloned().collect()) {
            let Some(bytes) = found.get(&name) else {
                let uri = folder.uri_of(&name);
                let message = format!("`{uri}` is named by its _SUCCESS and does not exist; write the partition again");
                return Err(JobError::new(Code::SchemaValidationFailed, message));
            };
            taken.insert(name, *bytes);
        }
    }
    let partition = |name: &String| name.split('/').next().unwrap_or_default().to_owned();
    let complete: BTreeSet<String> = taken.keys().map(partition).collect();
    let seen: BTreeSet<String> = found.keys().map(partition).collect();
    Ok(SilverFiles {
        bytes: taken.values().sum(),
        names: taken.into_keys().collect(),
        incomplete: seen.difference(&complete).cloned().collect(),
    })
}

/// What a `_SUCCESS` says.
struct Published {
    /// The partition's folder; empty for the table's own.
    place: String,
    /// Names below the table's folder; `None`: it names none.
    names: Option<Vec<String>>,
}

async fn read_success(folder: &Folder, place: String) -> Result<Published, JobError> {
    let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") };
    let bytes = folder.get_optional(&below(SUCCESS_NAME)).await?.unwrap_or_default();
    if bytes.is_empty() {
        return Ok(Published { place, names: None });
    }
    let success: Success = serde_json::from_slice(&bytes).map_err(|error| {
        let uri = folder.uri_of(&below(SUCCESS_NAME));
        JobError::new(Code::SchemaValidationFailed, format!("`{uri}` cannot be read: {error}; write it again"))
    })?;
    let names = success.files.iter().map(|file| below(&file.name)).collect();
    Ok(Published { place, names: Some(names) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Lake;

    const A: &str = "event_date=2024-12-26/part-00000-aa.parquet";
    const B: &str = "event_date=2024-12-27/part-00000-bb.parquet";
    const B_OLD: &str = "event_date=2024-12-27/part-00000-old.parquet";

    async fn table(objects: &[(&str, String)]) -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Lake::at(place.path().to_str().unwrap()).unwrap().folder("silver", "events").unwrap();
        for (name, content) in objects {
            folder.put(name, content.clone()).await.unwrap();
        }
        (place, folder)
    }

    fn success(names: &[&str]) -> String {
        let files: Vec<_> = names.iter().map(|name| serde_json::json!({"name": name, "rows": 1, "bytes": 1})).collect();
        serde_json::json!({"run_id": "r", "written_at": "t", "rows": 1, "files": files}).to_string()
    }

    #[tokio::test]
    async fn the_files_of_success_are_read_and_those_of_others_as_they_are() {
        let data = |name: &'static str| (name, "PAR1".to_owned());
        type Case<'a> = (&'a str, Vec<(&'a str, String)>, &'a [&'a str], &'a [&'a str]);
        let cases: [Case<'_>; 6] = [
            ("nothing", vec![], &[], &[]),
            (
                "put there by others",
                vec![data(A), data(B), data("_temporary/x.parquet"), data("note.txt")],
                &[A, B],
                &[],
            ),
            (
                "a partition left unfinished",
                vec![data(A), data(B), ("event_date=2024-12-26/_SUCCESS", success(&["part-00000-aa.parquet"]))],
                &[A],
                &["event_date=2024-12-27"],
            ),
            (
                "an old file beside the new one",
                vec![data(B), data(B_OLD), ("event_date=2024-12-27/_SUCCESS", success(&["part-00000-bb.parquet"]))],
                &[B],
                &[],
            ),
            ("one for the table", vec![data(A), data(B), ("_SUCCESS", success(&[A, B]))], &[A, B], &[]),
            ("an empty one", vec![data(A), data(B), ("_SUCCESS", String::new())], &[A, B], &[]),
        ];
        for (case, objects, names, incomplete) in cases {
            let (_place, folder) = table(&objects).await;
            let files = find_files(&folder).await.unwrap();
            assert_eq!((files.names, files.incomplete), (own(names), own(incomplete)), "{case}");
        }
    }

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn a_missing_file_of_success_is_named() {
        let (_place, folder) = table(&[("event_date=2024-12-26/_SUCCESS", success(&["gone.parquet"]))]).await;
        let error = find_files(&folder).await.unwrap_err();
        assert_eq!(error.code, Code::SchemaValidationFailed);
        assert!(error.message.contains("event_date=2024-12-26/gone.parquet"), "{error}");
    }
}
