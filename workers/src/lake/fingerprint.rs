//! The fingerprint of a table's schema, and its record in the artifacts bucket.

use polars::prelude::{DataFrame, DataType};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Codec, Error, Folder};

/// The current fingerprint's object name, and its predecessor's.
const LATEST: &str = "latest.json";
const PREVIOUS: &str = "previous.json";

/// A column's name and type, as catalogs name types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintColumn {
    /// Column name.
    pub name: String,
    /// `string, int, bigint, smallint, double, float, boolean, date, timestamp, decimal(p,s)`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A schema and the hash that changes when it does.
///
/// Source: pipelines.md 1.7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The columns in file order, without partition columns.
    pub columns: Vec<FingerprintColumn>,
    /// The codec of the files; not part of the hash.
    pub codec: String,
    /// SHA-256, hex, of `{"columns":[{"name":…,"type":…},…]}`.
    pub hash: String,
}

/// What recording a fingerprint found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FingerprintChange {
    /// Whether the schema differs from the recorded one, or none (readable) was recorded.
    pub changed: bool,
    /// The new hash.
    pub hash: String,
}

impl Fingerprint {
    /// The fingerprint of rows as they are written.
    ///
    /// # Errors
    /// Names the column whose type no catalog has.
    pub fn of(frame: &DataFrame, codec: Codec) -> Result<Fingerprint, String> {
        let columns = frame
            .columns()
            .iter()
            .map(|column| {
                let kind = type_name(column.dtype())
                    .ok_or_else(|| format!("column `{}` has no catalog type: {}", column.name(), column.dtype()))?;
                Ok(FingerprintColumn { name: column.name().to_string(), kind })
            })
            .collect::<Result<_, String>>()?;
        Ok(Fingerprint::new(columns, codec))
    }

    fn new(columns: Vec<FingerprintColumn>, codec: Codec) -> Fingerprint {
        #[derive(Serialize)]
        struct Hashed<'a> {
            columns: &'a [FingerprintColumn],
        }
        let text = serde_json::to_vec(&Hashed { columns: &columns }).expect("strings always serialise");
        Fingerprint { hash: hex::encode(Sha256::digest(text)), columns, codec: codec.to_string() }
    }
}

fn type_name(kind: &DataType) -> Option<String> {
    Some(
        match kind {
            DataType::String => "string",
            DataType::Int16 => "smallint",
            DataType::Int32 => "int",
            DataType::Int64 => "bigint",
            DataType::Float32 => "float",
            DataType::Float64 => "double",
            DataType::Boolean => "boolean",
            DataType::Date => "date",
            DataType::Datetime(..) => "timestamp",
            DataType::Decimal(precision, scale) => return Some(format!("decimal({precision},{scale})")),
            _ => return None,
        }
        .to_owned(),
    )
}

/// Records the fingerprint as `latest.json` in the folder, after copying the old one to `previous.json`.
///
/// An old one that cannot be understood counts as changed.
///
/// # Errors
/// [`Error::Storage`]; the caller reports `SCHEMA_CHECK_FAILED`.
pub async fn record_fingerprint(folder: &Folder, fingerprint: &Fingerprint) -> Result<FingerprintChange, Error> {
    let old = folder.get_optional(LATEST).await?;
    let changed = match &old {
        Some(bytes) => serde_json::from_slice::<Fingerprint>(bytes).map_or(true, |old| old.hash != fingerprint.hash),
        None => true,
    };
    if let Some(old) = old {
        folder.put(PREVIOUS, old).await?;
    }
    folder.put(LATEST, serde_json::to_vec(fingerprint).expect("strings always serialise")).await?;
    Ok(FingerprintChange { changed, hash: fingerprint.hash.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Lake;
    use polars::prelude::df;

    #[test]
    fn the_hash_is_that_of_the_contract() {
        let frame = df!("symbol" => ["A"], "close" => [1.0]).unwrap();
        let fingerprint = Fingerprint::of(&frame, Codec::Zstd).unwrap();
        assert_eq!(fingerprint.hash, "3435552ff83a30b9d1c440e113209993de4ad4e8fe9e24240454cb0ab21f1014");
        let snappy = Fingerprint::of(&frame, Codec::Snappy).unwrap();
        assert_eq!(snappy.hash, fingerprint.hash, "the codec is recorded, not hashed");
    }

    #[tokio::test]
    async fn a_change_is_seen_once_and_a_broken_record_counts_as_one() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let folder = lake.folder("artifacts", "_schema").unwrap();
        let print = |name: &str| {
            let columns = vec![FingerprintColumn { name: name.to_owned(), kind: "string".to_owned() }];
            Fingerprint::new(columns, Codec::Zstd)
        };
        for (name, expected) in [("a", true), ("a", false), ("b", true), ("b", false)] {
            assert_eq!(record_fingerprint(&folder, &print(name)).await.unwrap().changed, expected, "{name}");
        }
        folder.put(LATEST, "not json").await.unwrap();
        assert!(record_fingerprint(&folder, &print("b")).await.unwrap().changed);
        assert_eq!(folder.get(PREVIOUS).await.unwrap(), "not json");
    }
}
