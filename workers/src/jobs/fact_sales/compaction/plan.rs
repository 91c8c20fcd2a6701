//! The relational part: SQL files, completed by what the input's columns are.
//!
//! Nothing here runs anything, so that another engine can run the same text.
//!
//! Source: pipelines.md 2.4, steps 3 to 7.

use super::super::columns::PROCESSED;
use crate::query::{Column, Kind, lost_column};

const NORMALISED: &str = include_str!("../sql/normalised.sql");
/// Adds `row_hash`.
pub(super) const HASHED: &str = include_str!("../sql/hashed.sql");
/// Keeps one row per transaction; takes the parameter `compacted_at`.
pub(super) const DEDUPLICATED: &str = include_str!("../sql/deduplicated.sql");
const GOLD: &str = include_str!("../sql/gold.sql");

/// The largest finite float64: what is larger is infinite or not a number, in the order both engines have.
const LARGEST: &str = "1.7976931348623157e308";

/// How the input becomes rows of gold's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Normalised {
    pub sql: String,
    /// Expected columns that no file has.
    pub missing: Vec<&'static str>,
    /// Whether a number can be lost: only then are failures worth counting.
    pub may_lose_numbers: bool,
    /// Keys, labels and instants that can be lost.
    pub may_lose: Vec<&'static str>,
}

impl Normalised {
    /// The SQL that counts the rows, as `total`, and what is lost of each column of `may_lose`, by its name.
    pub fn counts(&self) -> String {
        let lost = self.may_lose.iter().map(|name| format!(", count({}) as {name}", lost_column(name).name));
        format!("select count(*) as total{} from source", lost.collect::<String>())
    }
}

/// The SQL over the table `source` with the columns `found`.
pub(super) fn normalised(found: &[Column]) -> Normalised {
    let kind_of = |name: &str| found.iter().find(|column| column.name == name).map(|column| column.kind);
    let losing = |name: &str| found.iter().find(|column| **column == lost_column(name));
    let sql = NORMALISED.to_owned();
    let mut plan = Normalised { sql, missing: Vec::new(), may_lose_numbers: false, may_lose: Vec::new() };
    let mut failures = Vec::new();
    for column in PROCESSED {
        let name = match &column.name {
            std::borrow::Cow::Borrowed(name) => *name,
            std::borrow::Cow::Owned(_) => unreachable!("the columns of a constant are constants"),
        };
        let expression = match kind_of(name) {
            Some(kind) => expression(&format!("source.{name}"), kind, column.kind),
            None => {
                plan.missing.push(name);
                null(column.kind)
            }
        };
        let is_number = matches!(column.kind, Kind::Int64 | Kind::Float64);
        if !is_number && losing(name).is_some() {
            plan.may_lose.push(name);
        }
        if let Some(kind) = kind_of(name)
            && is_number
            && (!matches!(kind, Kind::Int32 | Kind::Int64) || losing(name).is_some())
        {
            let mut given = match kind {
                Kind::Text => format!("trim(source.{name}) <> ''"),
                _ => format!("source.{name} is not null"),
            };
            if let Some(lost) = losing(name) {
                given = format!("({given} or source.{} is not null)", lost.name);
            }
            failures.push(format!("case when {given} and ({expression}) is null then 1 else 0 end"));
        }
        plan.sql = plan.sql.replace(&format!("{{{{{name}}}}}"), &expression);
    }
    plan.may_lose_numbers = !failures.is_empty();
    let failures = if failures.is_empty() { "0".to_owned() } else { failures.join(" + ") };
    plan.sql = plan.sql.replace("{{parse_failures}}", &failures);
    plan
}

/// How a column of type `found` becomes one of type `wanted`.
fn expression(column: &str, found: Kind, wanted: Kind) -> String {
    match (wanted, found) {
        (Kind::Text, _) => text(column, found),
        (Kind::Timestamp, _) => instant(column, found),
        (Kind::Float64, Kind::Float64) => format!("case when abs({column}) <= {LARGEST} then {column} end"),
        (Kind::Float64, Kind::Int32 | Kind::Int64) => format!("cast({column} as double)"),
        (Kind::Float64, Kind::Text) => format!("sw_parse_number({column})"),
        (Kind::Int64, Kind::Int32 | Kind::Int64) => format!("cast({column} as bigint)"),
        (Kind::Int64, Kind::Float64) => whole(column),
        (Kind::Int64, Kind::Text) => whole(&format!("sw_parse_number({column})")),
        _ => null(wanted),
    }
}

/// A key or label as text; blank is null.
pub(super) fn text(column: &str, found: Kind) -> String {
    match found {
        Kind::Text => format!("sw_label({column})"),
        Kind::Float64 => format!("sw_text_f64({column})"),
        Kind::Timestamp => format!("sw_text_ts({column})"),
        Kind::Int32 | Kind::Int64 | Kind::Boolean | Kind::Date => format!("cast({column} as string)"),
    }
}

/// An instant.
pub(super) fn instant(column: &str, found: Kind) -> String {
    match found {
        Kind::Timestamp => column.to_owned(),
        // By way of text, so that all instants are of one type.
        Kind::Date => format!("sw_parse_ts(cast({column} as string))"),
        Kind::Text => format!("sw_parse_ts({column})"),
        Kind::Int32 | Kind::Int64 | Kind::Float64 | Kind::Boolean => null(Kind::Timestamp),
    }
}

/// A whole number, or null if it has a fraction or does not fit.
fn whole(number: &str) -> String {
    format!("case when {number} = floor({number}) and abs({number}) < 9.2e18 then cast({number} as bigint) end")
}

/// A null of a type.
pub(super) fn null(kind: Kind) -> String {
    let name = match kind {
        Kind::Text => "string",
        Kind::Int32 => "int",
        Kind::Int64 => "bigint",
        Kind::Float64 => "double",
        Kind::Boolean => "boolean",
        Kind::Date => "date",
        Kind::Timestamp => return "sw_parse_ts(cast(null as string))".to_owned(),
    };
    format!("cast(null as {name})")
}

/// The gold partition, with the columns of a dimension if there is one (`, d.a as a` and ` left join …`), and with what numbers
/// its rows have lost, if they can have.
pub(super) fn gold(dimension: Option<(&str, &str)>, may_lose_numbers: bool) -> String {
    let (columns, join) = dimension.unwrap_or_default();
    let lost = if may_lose_numbers { ",\n    g.parse_failures as \"numbersLost\"" } else { "" };
    GOLD.replace("{{dimension_columns}}", columns)
        .replace("{{dimension_join}}", join)
        .replace("{{parse_failures}}", lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobContext;
    use crate::lake::Lake;
    use crate::query::{Query, Value, column};

    #[test]
    fn every_placeholder_is_replaced_whatever_the_files_have() {
        for kind in [Kind::Text, Kind::Int32, Kind::Int64, Kind::Float64, Kind::Boolean, Kind::Date, Kind::Timestamp] {
            let found: Vec<Column> = PROCESSED.iter().map(|column| Column::new(column.name.clone(), kind)).collect();
            let plan = normalised(&found);
            assert!(!plan.sql.contains("{{") && plan.missing.is_empty(), "{kind:?}: {}", plan.sql);
            assert_eq!(plan.may_lose_numbers, !matches!(kind, Kind::Int32 | Kind::Int64), "{kind:?}");
        }
        assert_eq!(normalised(&[]).missing.len(), PROCESSED.len());
        let gold = gold(None, true);
        assert!(!gold.contains("{{") && gold.contains("from deduplicated g\norder by"), "{gold}");
    }

    #[tokio::test]
    async fn rows_are_sorted_once_and_by_what_gold_is_sorted_by() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
        let context = JobContext::detached(lake, "test");
        // Alone, and with one core for each of many.
        for sessions in [1, 1000] {
            let query = Query::beside(&context, sessions).unwrap();
            query.rows("source", &PROCESSED, Vec::new()).await.unwrap();
            query.view("normalised", &normalised(&PROCESSED).sql, &[]).await.unwrap();
            query.view("hashed", HASHED, &[]).await.unwrap();
            let compacted_at = [("compacted_at", Value::from(chrono::DateTime::UNIX_EPOCH))];
            query.view("deduplicated", DEDUPLICATED, &compacted_at).await.unwrap();
            let plan = query.json(&format!("explain {}", gold(None, true)), &[]).await.unwrap();
            let plan = plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].to_string();
            assert!(plan.contains("FirstRowExec"), "{plan}");
            assert_eq!(plan.matches("SortExec").count(), 1, "{plan}");
        }
    }

    #[test]
    fn a_column_nobody_expects_is_left_out() {
        let plan = normalised(&[column("store_id", Kind::Text), column("raw_row", Kind::Text)]);
        assert!(!plan.sql.contains("raw_row"), "{}", plan.sql);
        assert!(!plan.missing.contains(&"store_id") && plan.missing.contains(&"transaction_id"));
    }
}
