//! A table as jobs describe it to the catalog.

use serde::Serialize;
use serde_json::{Value, json};

use crate::job::JobError;
use crate::lake::Success;

/// A table, and those of its partitions that are to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDescription {
    /// The database, in lower case.
    pub database: String,
    /// The table's name, in lower case.
    pub name: String,
    /// Its folder, `s3://…` or `file:///…`.
    pub location: String,
    /// Its columns in order: of a Parquet table without the partition keys, of a Delta table all.
    pub columns: Vec<CatalogColumn>,
    /// What its partitions are named by, in the order of the folders; empty: it has none.
    pub partition_keys: Vec<CatalogColumn>,
    /// The partitions to register. A table without keys may have one without values: its figures.
    pub partitions: Vec<CatalogPartition>,
    /// What its files are.
    pub format: TableFormat,
}

/// What a table's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Parquet files in `<key>=<value>` folders.
    Parquet,
    /// A Delta table. Its partitions are in its own log: Glue gets none.
    Delta,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CatalogColumn {
    /// Its name.
    pub name: String,
    /// Its Hive type: `string`, `bigint`, `double`, `decimal(12,4)`, `timestamp`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CatalogPartition {
    /// In the order of the table's partition keys.
    pub values: Vec<String>,
    /// Its folder, if it is not `<table>/<key>=<value>/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Its rows, if known.
    pub rows: Option<u64>,
    /// Size of its files in bytes.
    pub bytes: u64,
    /// Number of its files.
    pub files: u64,
}

/// What a registration did to the table itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It was there and differed; or it is the server's catalog, of which a job does not know what it had.
    Updated,
    /// It was there as described.
    Unchanged,
}

/// What a registration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// To the table.
    pub table: Change,
    /// Partitions that were not there.
    pub created: usize,
    /// Partitions that were there and differed; in the server's catalog, all.
    pub updated: usize,
}

impl CatalogColumn {
    /// A column of a Hive type.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { name: name.into(), kind: kind.into(), comment: None }
    }

    /// The same with a comment.
    pub fn with_comment(self, comment: impl Into<String>) -> Self {
        Self { comment: Some(comment.into()), ..self }
    }
}

impl CatalogPartition {
    /// A partition as it was published.
    pub fn published(values: Vec<String>, success: &Success) -> Self {
        let files = success.files.len() as u64;
        Self { values, location: None, rows: success.rows, bytes: success.bytes(), files }
    }
}

impl TableDescription {
    /// The folder, with one slash at its end.
    pub(super) fn folder(&self) -> String {
        format!("{}/", self.location.trim_end_matches('/'))
    }

    /// The folder of a partition, with one slash at its end.
    pub(super) fn partition_folder(&self, partition: &CatalogPartition) -> String {
        match &partition.location {
            Some(location) => format!("{}/", location.trim_end_matches('/')),
            None => {
                let names = self.partition_keys.iter().zip(&partition.values);
                self.folder() + &names.map(|(key, value)| format!("{}={value}/", key.name)).collect::<String>()
            }
        }
    }

    /// The table as the server's catalog keeps it, with the partitions given.
    pub(super) fn described(&self, partitions: &[Value]) -> Value {
        json!({
            "database": self.database,
            "name": self.name,
            "location": self.folder(),
            "columns": self.columns,
            "partition_keys": self.partition_keys,
            "partitions": partitions,
        })
    }

    /// Refuses names that Glue would change, and partitions that have other values than there are keys.
    pub(super) fn check(&self) -> Result<(), JobError> {
        for name in [&self.database, &self.name] {
            if name.is_empty()
                || name.len() > 255
                || name.chars().any(|c| c.is_uppercase() || c == '/' || c.is_control())
            {
                return Err(JobError::arguments(format!(
                    "`{name}` is no name for a catalog: give lower case, at most 255 bytes, without slashes"
                )));
            }
        }
        let keys = self.partition_keys.len();
        match self.partitions.iter().find(|partition| partition.values.len() != keys) {
            Some(partition) => Err(JobError::arguments(format!(
                "a partition of `{}.{}` has the values {:?} for {keys} partition key(s)",
                self.database, self.name, partition.values
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Code;

    fn table() -> TableDescription {
        TableDescription {
            database: "gold".to_owned(),
            name: "sales".to_owned(),
            location: "s3://lake/gold/sales".to_owned(),
            columns: vec![CatalogColumn::new("id", "bigint").with_comment("unique")],
            partition_keys: vec![CatalogColumn::new("year", "string"), CatalogColumn::new("ds", "string")],
            partitions: Vec::new(),
            format: TableFormat::Parquet,
        }
    }

    fn partition(values: &[&str]) -> CatalogPartition {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        CatalogPartition { values, location: None, rows: Some(1), bytes: 2, files: 3 }
    }

    #[test]
    fn partitions_are_where_their_keys_say_unless_told_otherwise() {
        let (table, here) = (table(), partition(&["2024", "2024-12-06"]));
        assert_eq!(table.partition_folder(&here), "s3://lake/gold/sales/year=2024/ds=2024-12-06/");
        let elsewhere = CatalogPartition { location: Some("s3://old/day".to_owned()), ..here };
        assert_eq!(table.partition_folder(&elsewhere), "s3://old/day/");
    }

    #[test]
    fn descriptions_that_contradict_themselves_are_refused() {
        type Change = fn(&mut TableDescription);
        let cases: [(Change, &str); 4] = [
            (|table| table.name = "Sales".to_owned(), "lower case"),
            (|table| table.database.clear(), "no name"),
            (|table| table.name = "a/b".to_owned(), "slashes"),
            (|table| table.partitions.push(partition(&["2024"])), "2 partition key(s)"),
        ];
        for (change, part) in cases {
            let mut table = table();
            table.check().unwrap();
            change(&mut table);
            let refused = table.check().unwrap_err();
            assert_eq!(refused.code, Code::PreValidationFailed);
            assert!(refused.message.contains(part), "{}", refused.message);
        }
    }

    #[test]
    fn the_server_is_told_types_and_figures() {
        let described = table().described(&[json!(partition(&["2024", "2024-12-06"]))]);
        assert_eq!(described["columns"], json!([{ "name": "id", "type": "bigint", "comment": "unique" }]));
        assert_eq!(described["location"], "s3://lake/gold/sales/");
        assert_eq!(
            described["partitions"],
            json!([{ "values": ["2024", "2024-12-06"], "rows": 1, "bytes": 2, "files": 3 }])
        );
    }
}
