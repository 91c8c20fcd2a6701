//! What is read of silver: the rows of some dates, in the declared types, each judged readable or not.

use std::collections::BTreeSet;

use super::super::columns::{KEYS, PARTITION, REQUIRED, SILVER};
use crate::job::{Code, JobError};
use crate::query::{Column, Kind, lost_column};

/// The partitions of silver a computation is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Dates, `YYYY-MM-DD`: those whose gold is replaced.
    pub dates: BTreeSet<String>,
    /// Whether rows without a date were touched: they cannot be placed and become bad records.
    pub undated: bool,
}

impl Scope {
    /// Takes in the partition values of a change. What is no date cannot be a partition of gold either.
    pub fn extend(&mut self, values: impl IntoIterator<Item = Option<String>>) {
        for value in values {
            match value.filter(|text| crate::job::parse_date(text).is_some()) {
                Some(date) => _ = self.dates.insert(date),
                None => self.undated = true,
            }
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.dates.is_empty() && !self.undated
    }

    /// The dates, ascending.
    pub fn values(&self) -> Vec<String> {
        self.dates.iter().cloned().collect()
    }
}

/// A column of silver whose values are no single values, and its type.
pub type Nested = (String, String);

/// How silver is read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The statement.
    pub sql: String,
    /// The columns that are not of the declared type: a value that cannot be read is in `given_<name>`, as text, or as hex if it
    /// is no text.
    pub doubtful: Vec<&'static str>,
}

/// The statement that reads the rows of `scope` from the table `silver` with these columns.
///
/// A column of another type is cast; a value that does not cast makes the row a bad one, with `bad_reason`. NaN and
/// infinities become null and are counted in `non_finite`.
///
/// # Errors
/// `MISSING_COLUMNS` naming the required ones that are not there, or cannot be read for their type.
pub fn source(found: &[Column], nested: &[Nested], scope: &Scope) -> Result<Source, JobError> {
    let absent: Vec<String> = REQUIRED
        .into_iter()
        .filter(|name| !found.iter().any(|column| column.name == *name))
        .map(|name| match nested.iter().find(|(nested, _)| nested == name) {
            Some((_, kind)) => format!("{name} that can be read (it is of type {kind})"),
            None => name.to_owned(),
        })
        .collect();
    if !absent.is_empty() {
        let message = format!("silver has no column {}; it must be written with them", absent.join(", "));
        return Err(JobError::new(Code::MissingColumns, message));
    }
    let (mut values, mut reasons, mut non_finite, mut doubtful) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for column in &SILVER {
        let name: &'static str = column.name.as_ref();
        let lost = lost_column(name).name;
        let mut given = Vec::new();
        if found.iter().any(|found| found.name == lost) {
            reasons.push(format!("when {lost} is not null then '{name} is not UTF-8'"));
            given.push(lost.into_owned());
        }
        let found = found.iter().find(|found| found.name == name).map(|found| found.kind);
        let value = match found {
            None => format!("cast(null as {})", sql_type(column.kind)),
            Some(kind) if kind == column.kind => name.to_owned(),
            Some(kind) => {
                let cast = cast(name, kind, column.kind);
                // Blank text is null, not unreadable.
                let text = if kind == Kind::Text { format!("sw_label({name})") } else { name.to_owned() };
                let unreadable = format!("when {text} is not null and {cast} is null");
                reasons.push(format!("{unreadable} then '{name} cannot be read'"));
                given.push(format!("case {unreadable} then cast({name} as string) end"));
                cast
            }
        };
        let value = match column.kind {
            Kind::Float64 if found.is_some() => {
                // A finite number and only that is itself once and nothing twice.
                non_finite
                    .push(format!("case when {value} is not null and not ({value} - {value} = 0) then 1 else 0 end"));
                format!("case when {value} - {value} = 0 then {value} end")
            }
            Kind::Text if KEYS.contains(&name) => format!("sw_label({value})"),
            _ => value,
        };
        values.push(format!("{value} as {name}"));
        if !given.is_empty() {
            values.push(format!("coalesce({}) as given_{name}", given.join(", ")));
            doubtful.push(name);
        }
    }
    let date = dated(found);
    reasons.push(format!("when {date} is null then 'event_date is null'"));
    reasons.push(format!("when {} then 'event_date is not of the years 1 to 9999'", undated(&date)));
    let sql = format!(
        "select {}, case {} end as bad_reason, {} as non_finite from silver where {}",
        values.join(", "),
        reasons.join(" "),
        if non_finite.is_empty() { "0".to_owned() } else { non_finite.join(" + ") },
        condition(&date, scope),
    );
    Ok(Source { sql, doubtful })
}

/// The expression of a row's date.
fn dated(found: &[Column]) -> String {
    match found.iter().find(|column| column.name == PARTITION) {
        Some(column) if column.kind != Kind::Date => cast(PARTITION, column.kind, Kind::Date),
        _ => PARTITION.to_owned(),
    }
}

/// Whether a row has no date that a partition could be named by.
fn undated(date: &str) -> String {
    format!("({date} is null or {date} < date '0001-01-01' or {date} > date '9999-12-31')")
}

/// Literals, so that only the files of these partitions are opened.
fn condition(date: &str, scope: &Scope) -> String {
    let mut parts = Vec::new();
    if !scope.dates.is_empty() {
        let dates: Vec<String> = scope.dates.iter().map(|date| format!("date '{date}'")).collect();
        parts.push(format!("{date} in ({})", dates.join(", ")));
    }
    if scope.undated {
        parts.push(undated(date));
    }
    if parts.is_empty() { "false".to_owned() } else { parts.join(" or ") }
}

fn cast(name: &str, from: Kind, to: Kind) -> String {
    match (from, to) {
        (Kind::Text, Kind::Timestamp) => format!("sw_parse_ts({name})"),
        (Kind::Text, _) => format!("try_cast(sw_label({name}) as {})", sql_type(to)),
        _ => format!("try_cast({name} as {})", sql_type(to)),
    }
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Int32 => "int",
        Kind::Int64 => "bigint",
        Kind::Float64 => "double",
        Kind::Boolean => "boolean",
        Kind::Date => "date",
        Kind::Timestamp => "timestamp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::column;

    fn scope(dates: &[&str], undated: bool) -> Scope {
        Scope { dates: dates.iter().map(|&date| date.to_owned()).collect(), undated }
    }

    #[test]
    fn required_columns_are_named_when_absent_and_others_are_null() {
        let few = [column("transaction_id", Kind::Text), column("amount", Kind::Float64)];
        let nested = [("event_date".to_owned(), "Struct".to_owned())];
        let error = source(&few, &nested, &scope(&["2025-06-11"], false)).unwrap_err();
        assert_eq!(error.code, Code::MissingColumns);
        assert!(
            error
                .message
                .contains("column user_id, product_id, event_date that can be read (it is of type Struct), risk_level"),
            "{error}"
        );
        let required: Vec<Column> =
            SILVER.iter().filter(|column| REQUIRED.contains(&column.name.as_ref())).cloned().collect();
        let Source { sql, doubtful } = source(&required, &[], &scope(&["2025-06-11"], false)).unwrap();
        assert_eq!(doubtful, [""; 0]);
        assert!(sql.contains("cast(null as timestamp) as event_time"), "{sql}");
        assert!(sql.ends_with("where event_date in (date '2025-06-11')"), "{sql}");
    }

    #[test]
    fn partitions_that_are_no_dates_are_undated() {
        let mut touched = Scope::default();
        assert!(touched.is_empty());
        let value = |text: &str| Some(text.to_owned());
        touched.extend([value("2025-06-11"), None, value("2024-02-30"), value("2025-06-10")]);
        assert_eq!(touched, scope(&["2025-06-10", "2025-06-11"], true));
        let Source { sql, .. } = source(&SILVER, &[], &touched).unwrap();
        let dates =
            "in (date '2025-06-10', date '2025-06-11') or (event_date is null or event_date < date '0001-01-01' or";
        assert!(sql.contains(dates), "{sql}");
    }
}
