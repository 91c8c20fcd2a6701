//! The lookups: users, products, plans and risks of addresses, as CSV files with a header.
//!
//! Source: pipelines.md 4.2.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use flate2::read::MultiGzDecoder;

use super::super::settings;
use crate::job::{Code, JobContext, JobError};
use crate::lake::Folder;
use crate::lake::read::{BoundedCsv, Budget};
use crate::query::{Column, Kind, Query, column};

/// A lookup is held in memory, within the allowance of a read; and more text than this is no lookup.
const LOOKUP_BYTES_MAX: u64 = 256 << 20;

/// A lookup.
struct Lookup {
    /// The table's name in SQL.
    table: &'static str,
    /// The argument with its file, and the file below the lookups' folder when there is none.
    file: (&'static str, &'static str),
    /// Its columns; the first is the key. Others of the file are passed over.
    columns: &'static [Column],
}

static USERS: [Column; 3] =
    [column("user_id", Kind::Text), column("country", Kind::Text), column("user_status", Kind::Text)];
static PRODUCTS: [Column; 4] = [
    column("product_id", Kind::Text),
    column("product_name", Kind::Text),
    column("category", Kind::Text),
    column("price", Kind::Text),
];
static PLANS: [Column; 4] = [
    column("subscription_type", Kind::Text),
    column("monthly_cost", Kind::Text),
    column("churn_risk", Kind::Text),
    column("plan_duration", Kind::Text),
];
static RISKS: [Column; 4] = [
    column("ip_hash", Kind::Text),
    column("risk_level", Kind::Text),
    column("risk_score", Kind::Text),
    column("location", Kind::Text),
];

static LOOKUPS: [Lookup; 4] = [
    Lookup { table: "users", file: ("users_lookup", "users_lookup.csv"), columns: &USERS },
    Lookup { table: "products", file: ("products_lookup", "products_lookup.csv"), columns: &PRODUCTS },
    Lookup { table: "plans", file: ("plans_lookup", "subscription_plans_lookup.csv"), columns: &PLANS },
    Lookup { table: "risks", file: ("ip_risk_lookup", "ip_risk_lookup_with_location_v2.csv"), columns: &RISKS },
];

/// The lookups' rows, to be registered with each query.
pub struct Lookups {
    tables: Vec<(&'static Lookup, RecordBatch)>,
}

impl Lookups {
    /// Reads all four.
    ///
    /// # Errors
    /// `SILVER_INPUT_MISSING` naming the files that are not there; `MISSING_COLUMNS` for a file without its key;
    /// `SCHEMA_VALIDATION_FAILED` for one that is no CSV or too much for the memory.
    pub async fn read(context: &JobContext) -> Result<Lookups, JobError> {
        let folder = settings::folder(context, "lookup_path", "lookups")?;
        let budget = Arc::new(Budget::from_env()?);
        let (mut tables, mut absent) = (Vec::new(), Vec::new());
        for lookup in &LOOKUPS {
            let name = context.arguments.text(lookup.file.0, lookup.file.1);
            match find(&folder, name).await? {
                Some((uri, bytes)) => {
                    let budget = budget.clone();
                    tables.push((lookup, context.blocking(move || rows(lookup, &uri, &bytes, &budget)).await?));
                }
                None => absent.push(folder.uri_of(name)),
            }
        }
        if absent.is_empty() {
            return Ok(Lookups { tables });
        }
        let message = format!("lookups are missing: {} (also looked for with .gz); deliver them", absent.join(", "));
        Err(JobError::new(Code::SilverInputMissing, message))
    }

    /// Makes them tables of a query.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` of the engine.
    pub async fn register(&self, query: &Query) -> Result<(), JobError> {
        for (lookup, rows) in &self.tables {
            query.rows(lookup.table, lookup.columns, vec![rows.clone()]).await?;
        }
        Ok(())
    }
}

/// The file, or its `.gz`.
async fn find(folder: &Folder, name: &str) -> Result<Option<(String, Bytes)>, JobError> {
    for name in [name.to_owned(), format!("{name}.gz")] {
        if let Some(bytes) = folder.get_optional(&name).await? {
            return Ok(Some((folder.uri_of(&name), bytes)));
        }
    }
    Ok(None)
}

fn unreadable(uri: &str, why: &str) -> JobError {
    JobError::new(Code::SchemaValidationFailed, format!("lookup `{uri}` cannot be read as CSV: {why}; repair it"))
}

/// The declared columns as trimmed text; blank is null. A byte order mark is passed over by the reader.
fn rows(lookup: &Lookup, uri: &str, bytes: &[u8], budget: &Budget) -> Result<RecordBatch, JobError> {
    /// What a cell takes besides its text: its end, and whether it is there; arrays grow by doubling.
    const CELL_BYTES: usize = 10;
    let text: Box<dyn Read + '_> =
        if uri.ends_with(".gz") { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
    let mut reader = csv::Reader::from_reader(BoundedCsv::new(text, LOOKUP_BYTES_MAX));
    let header = reader.headers().map_err(|error| unreadable(uri, &error.to_string()))?.clone();
    let place = |column: &Column| header.iter().position(|name| name.trim() == column.name);
    let places: Vec<Option<usize>> = lookup.columns.iter().map(place).collect();
    if places[0].is_none() {
        let message = format!("lookup `{uri}` has no column `{}`, its key", lookup.columns[0].name);
        return Err(JobError::new(Code::MissingColumns, message));
    }
    let mut builders: Vec<StringBuilder> = places.iter().map(|_| StringBuilder::new()).collect();
    for line in reader.records() {
        let line = line.map_err(|error| unreadable(uri, &error.to_string()))?;
        budget.spend(uri, 1, (builders.len() * CELL_BYTES + line.as_slice().len()) as u64)?;
        for (builder, place) in builders.iter_mut().zip(&places) {
            let cell = place.and_then(|place| line.get(place)).map(str::trim).filter(|cell| !cell.is_empty());
            builder.append_option(cell);
        }
    }
    let arrays = builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
    let fields = lookup.columns.iter().map(|column| Field::new(column.name.to_string(), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, arrays).map_err(|error| unreadable(uri, &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lookup: usize, uri: &str, text: &[u8]) -> Result<RecordBatch, JobError> {
        rows(&LOOKUPS[lookup], uri, text, &Budget::new(1))
    }

    #[test]
    fn columns_are_found_by_name_and_blank_cells_are_null() {
        let text = b"\xef\xbb\xbfsubscription_type, monthly_cost,x\nYearly,299.99,1\nBasic, ,2\n";
        let batch = read(2, "plans.csv", text).unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (2, 4));
        assert_eq!(batch.column(1).null_count(), 1, "the blank cost");
        assert_eq!(batch.column(3).null_count(), 2, "the absent duration");
    }

    #[test]
    fn a_lookup_that_is_none_is_refused_with_its_name() {
        let many = b"user_id\nU\n".repeat(20_000);
        for (uri, text, code, part) in [
            ("users.csv", &b"a,b\n1,2\n"[..], Code::MissingColumns, "`user_id`"),
            ("users.csv", b"user_id,b\n1,2,3\n", Code::SchemaValidationFailed, "`users.csv`"),
            ("users.csv.gz", b"user_id,b\n1,2\n", Code::SchemaValidationFailed, "`users.csv.gz`"),
            ("users.csv", &many, Code::SchemaValidationFailed, "`users.csv`: the memory that the rows"),
        ] {
            let error = read(0, uri, text).unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }
}
