//! A dimension (stores, items, customers) whose columns follow `row_hash` in gold.
//!
//! `--dimension_path` names a Parquet file, a folder of them or a CSV file; `--dimension_key store_id=id` says which of
//! its columns is matched with which of a sale's (one name if both are called alike); `--dimension_columns city,region`
//! are added, null where there is no match. With `--dimension_valid_from` and/or `--dimension_valid_to` the dimension
//! is slowly changing (type 2): a sale gets the version valid at its `timestamp`, from `valid_from` on and before
//! `valid_to` or the key's next version; null means without limit. A join never makes one sale two.

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, RecordBatch, StringBuilder};

use super::super::columns::gold;
use super::plan::{instant, null, text};
use super::settings::list;
use crate::job::{Arguments, Code, JobContext, JobError};
use crate::lake::{Folder, schema_of};
use crate::query::{Column, Kind, Query};

const LATEST: &str = include_str!("../sql/dimension_latest.sql");
const VERSIONS: &str = include_str!("../sql/dimension_versions.sql");
/// A larger CSV is better kept as Parquet.
const CSV_BYTES_MAX: u64 = 64 << 20;

/// What the arguments say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DimensionSettings {
    path: String,
    /// The sale's column.
    sale_key: String,
    /// The dimension's.
    key: String,
    columns: Vec<String>,
    valid_from: Option<String>,
    valid_to: Option<String>,
}

impl DimensionSettings {
    /// `None` without `--dimension_path`.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED`.
    pub fn read(arguments: &Arguments) -> Result<Option<DimensionSettings>, JobError> {
        let Some(path) = arguments.optional("dimension_path") else {
            for name in ["dimension_key", "dimension_columns", "dimension_valid_from", "dimension_valid_to"] {
                if arguments.optional(name).is_some() {
                    return Err(JobError::arguments(format!("--{name} is given without --dimension_path")));
                }
            }
            return Ok(None);
        };
        let key = arguments.required("dimension_key")?;
        let (sale_key, key) = key.split_once('=').unwrap_or((key, key));
        let column = |name: &str| arguments.optional(name).map(|name| name.trim().to_owned());
        let settings = DimensionSettings {
            path: path.to_owned(),
            sale_key: sale_key.trim().to_owned(),
            key: key.trim().to_owned(),
            columns: list(arguments.required("dimension_columns")?),
            valid_from: column("dimension_valid_from"),
            valid_to: column("dimension_valid_to"),
        };
        settings.check()?;
        Ok(Some(settings))
    }

    fn check(&self) -> Result<(), JobError> {
        let sale = gold();
        if !sale.iter().any(|column| column.name == self.sale_key && column.kind == Kind::Text) {
            return Err(JobError::arguments(format!(
                "--dimension_key names `{}`, which is no text column of a sale; give store_id, item_id, item_category, \
                 payment_method or customer_id",
                self.sale_key
            )));
        }
        if self.columns.is_empty() {
            return Err(JobError::arguments(
                "--dimension_columns names no column; give those to add, separated by commas",
            ));
        }
        let names = self.columns.iter().chain([&self.key]).chain(&self.valid_from).chain(&self.valid_to);
        for name in names {
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(legal) || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(JobError::arguments(format!(
                    "`{name}` is no column name that can be joined; a name has lower-case letters, digits and `_`"
                )));
            }
        }
        for (n, name) in self.columns.iter().enumerate() {
            if sale.iter().any(|column| column.name == *name) || self.columns[..n].contains(name) || name == "date" {
                return Err(JobError::arguments(format!(
                    "--dimension_columns names `{name}`, which gold has already; rename it in the dimension"
                )));
            }
        }
        Ok(())
    }
}

/// A dimension that can be joined.
#[derive(Debug)]
pub(super) struct Dimension {
    settings: DimensionSettings,
    source: Source,
    /// The columns added to gold.
    pub columns: Vec<Column>,
}

#[derive(Debug)]
enum Source {
    Csv(Vec<Column>, RecordBatch),
    Parquet(Folder, Vec<String>),
}

impl Dimension {
    /// Finds the dimension and checks that it has the columns it must.
    ///
    /// # Errors
    /// `SILVER_INPUT_MISSING` if there is none, `MISSING_COLUMNS`, `SCHEMA_VALIDATION_FAILED`, `STORAGE_ERROR`.
    pub async fn open(context: &JobContext, settings: &DimensionSettings) -> Result<Dimension, JobError> {
        let source = find(context, &settings.path).await?;
        let query = Query::new(context)?;
        source.register(&query).await?;
        let found = query.columns("dimension").await?;
        let kind_of = |name: &String| found.iter().find(|column| column.name == *name).map(|column| column.kind);
        let needed =
            settings.columns.iter().chain([&settings.key]).chain(&settings.valid_from).chain(&settings.valid_to);
        let missing: Vec<&str> = needed.filter(|name| kind_of(name).is_none()).map(String::as_str).collect();
        if !missing.is_empty() {
            let has: Vec<&str> = found.iter().map(|column| &*column.name).collect();
            let message =
                format!("the dimension `{}` lacks {}; it has {}", settings.path, missing.join(", "), has.join(", "));
            return Err(JobError::new(Code::MissingColumns, message));
        }
        for name in settings.valid_from.iter().chain(&settings.valid_to) {
            check_instants(&query, settings, name, kind_of(name).unwrap_or(Kind::Text)).await?;
        }
        let added = settings.columns.iter().filter_map(|name| Some(Column::new(name.clone(), kind_of(name)?)));
        let columns = added.collect();
        Ok(Dimension { settings: settings.clone(), source, columns })
    }

    /// Registers `dimension_versions`; returns the columns and the join for gold's SQL.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn register(&self, query: &Query) -> Result<(String, String), JobError> {
        self.source.register(query).await?;
        let found = query.columns("dimension").await?;
        let kind_of =
            |name: &str| found.iter().find(|column| column.name == name).map_or(Kind::Text, |column| column.kind);
        let DimensionSettings { sale_key, key, columns, valid_from, valid_to, .. } = &self.settings;
        let versioned = valid_from.is_some() || valid_to.is_some();
        let at = |name: &Option<String>| match name {
            Some(name) => instant(&format!("d.{name}"), kind_of(name)),
            None => null(Kind::Timestamp),
        };
        // All columns decide, so that of several rows the same one wins every time.
        let mut order: Vec<String> = columns.iter().map(|name| format!("d.{name} desc nulls last")).collect();
        if versioned {
            order.insert(0, format!("{} desc nulls first", at(valid_to)));
        }
        let carried: String = columns.iter().map(|name| format!(",\n            d.{name} as {name}")).collect();
        let sql = if versioned { VERSIONS } else { LATEST }
            .replace("{{key}}", &text(&format!("d.{key}"), kind_of(key)))
            .replace("{{valid_from}}", &at(valid_from))
            .replace("{{valid_to}}", &at(valid_to))
            .replace("{{order}}", &order.join(", "))
            .replace("{{columns}}", &carried);
        query.view("dimension_versions", &sql, &[]).await?;
        let mut join = format!("\nleft join dimension_versions v on g.{sale_key} = v.dimension_key");
        if versioned {
            join += "\n    and (v.valid_from is null or g.timestamp >= v.valid_from)";
            join += "\n    and (v.valid_until is null or g.timestamp < v.valid_until)";
        }
        Ok((columns.iter().map(|name| format!(",\n    v.{name}")).collect(), join))
    }
}

impl Source {
    async fn register(&self, query: &Query) -> Result<(), JobError> {
        match self {
            Source::Csv(columns, batch) => query.rows("dimension", columns, vec![batch.clone()]).await,
            Source::Parquet(folder, objects) => query.parquet("dimension", folder, objects, None).await.map(drop),
        }
    }
}

/// Refuses a limit of validity that is no instant: taken for none, it would make a version valid for ever.
async fn check_instants(query: &Query, settings: &DimensionSettings, name: &str, kind: Kind) -> Result<(), JobError> {
    let refused = |reason: String| {
        let message = format!(
            "`{name}` of the dimension `{}` {reason}; give dates as YYYY-MM-DD, instants as YYYY-MM-DD HH:MM:SS, nothing for no \
             limit",
            settings.path
        );
        Err(JobError::new(Code::SchemaValidationFailed, message))
    };
    match kind {
        Kind::Date | Kind::Timestamp => return Ok(()),
        Kind::Text => {}
        other => return refused(format!("is {}, which is no date", other.catalog_name())),
    }
    let key = &settings.key;
    let sql = format!(
        "select cast({key} as string) as dimension_key, {name} as given from dimension \
         where sw_label({name}) is not null and sw_parse_ts({name}) is null order by 1, 2 limit 1"
    );
    match query.json(&sql, &[]).await?.first() {
        None => Ok(()),
        Some(row) => {
            refused(format!("is {} where `{key}` is {}, which is no date there is", row["given"], row["dimension_key"]))
        }
    }
}

async fn find(context: &JobContext, path: &str) -> Result<Source, JobError> {
    let place = context.lake.folder_at(path)?;
    let absent = || JobError::new(Code::SilverInputMissing, format!("there is no dimension at `{}`", place.uri()));
    let is = |extension: &str| path.to_ascii_lowercase().ends_with(extension);
    if !is(".csv") && !is(".parquet") {
        let mut objects: Vec<String> = place.data_objects().await?.into_iter().map(|object| object.name).collect();
        objects.retain(|name| name.ends_with(".parquet"));
        return if objects.is_empty() { Err(absent()) } else { Ok(Source::Parquet(place, objects)) };
    }
    let (folder, name) = place.parent().ok_or_else(absent)?;
    let objects = folder.objects().await?;
    let object = objects.iter().find(|object| object.name == name).ok_or_else(absent)?;
    if is(".parquet") {
        return Ok(Source::Parquet(folder, vec![name]));
    }
    if object.size_bytes > CSV_BYTES_MAX {
        let message = format!("`{}` is larger than {CSV_BYTES_MAX} bytes; keep it as Parquet", place.uri());
        return Err(JobError::new(Code::SchemaValidationFailed, message));
    }
    read_csv(&place.uri(), &folder.get(&name).await?)
}

/// A CSV file with a header; every column is text, blank is null.
fn read_csv(uri: &str, bytes: &[u8]) -> Result<Source, JobError> {
    let refuse = |error: &dyn std::fmt::Display| {
        JobError::new(Code::SchemaValidationFailed, format!("the dimension `{uri}` is no CSV file: {error}"))
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let headers = reader.headers().map_err(|error| refuse(&error))?;
    let columns: Vec<Column> = headers
        .iter()
        .map(|name| Column::new(name.trim_start_matches('\u{FEFF}').to_ascii_lowercase(), Kind::Text))
        .collect();
    if let Some(column) = columns.iter().enumerate().find(|(n, column)| columns[..*n].contains(column)).map(|(_, c)| c)
    {
        return Err(refuse(&format!("its header names `{}` twice; rename one", column.name)));
    }
    if columns.is_empty() {
        return Err(refuse(&"it is empty; it needs a header"));
    }
    let mut builders: Vec<StringBuilder> = columns.iter().map(|_| StringBuilder::new()).collect();
    for record in reader.records() {
        // Rows of another width than the header's are refused by the reader, with their line.
        let record = record.map_err(|error| refuse(&error))?;
        for (builder, value) in builders.iter_mut().zip(&record) {
            builder.append_option(Some(value).filter(|value| !value.is_empty()));
        }
    }
    let arrays: Vec<ArrayRef> = builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
    let batch = RecordBatch::try_new(schema_of(&columns), arrays).map_err(|error| refuse(&error))?;
    Ok(Source::Csv(columns, batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_cannot_be_joined_are_refused_by_name() {
        let check = |line: &[&str]| {
            let line: Vec<String> = line.iter().map(|word| format!("--dimension_{word}")).collect();
            let arguments = Arguments::parse(&line, super::super::settings::ARGUMENTS).unwrap();
            DimensionSettings::read(&arguments)
        };
        assert_eq!(check(&[]).unwrap(), None);
        let good = check(&["path=s3://b/stores.csv", "key=store_id=id", "columns=city, region"]).unwrap().unwrap();
        assert_eq!((good.sale_key.as_str(), good.key.as_str()), ("store_id", "id"));
        assert_eq!(good.columns, ["city", "region"]);
        for (line, part) in [
            (&["key=store_id"][..], "without --dimension_path"),
            (&["path=x", "columns=city"], "--dimension_key is required"),
            (&["path=x", "key=store_id"], "--dimension_columns is required"),
            (&["path=x", "key=quantity", "columns=city"], "`quantity`"),
            (&["path=x", "key=store_id", "columns=revenue"], "`revenue`, which gold has already"),
            (&["path=x", "key=store_id", "columns=city,city"], "`city`, which gold has already"),
            (&["path=x", "key=store_id", "columns=city;drop"], "`city;drop`"),
        ] {
            let error = check(line).unwrap_err();
            assert!(error.message.contains(part), "{line:?}: {error}");
            assert_eq!(error.code.exit_status(), 2);
        }
    }
}
