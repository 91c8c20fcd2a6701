//! Columns as SQLite gives them: instants are milliseconds, ids their text.

use asl::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;

use super::super::Result;
use super::super::row::{Columns, corrupt};

fn column<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, name: &'static str) -> Result<T> {
    row.try_get(name).map_err(|error| corrupt(name, error))
}

impl Columns for SqliteRow {
    fn text(&self, name: &'static str) -> Result<String> {
        column(self, name)
    }

    fn text_or_null(&self, name: &'static str) -> Result<Option<String>> {
        column(self, name)
    }

    fn number(&self, name: &'static str) -> Result<i64> {
        column(self, name)
    }

    fn number_or_null(&self, name: &'static str) -> Result<Option<i64>> {
        column(self, name)
    }

    fn instant(&self, name: &'static str) -> Result<Timestamp> {
        column(self, name).map(Timestamp::from_millis)
    }

    fn instant_or_null(&self, name: &'static str) -> Result<Option<Timestamp>> {
        column::<Option<i64>>(self, name).map(|at| at.map(Timestamp::from_millis))
    }

    fn id(&self, name: &'static str) -> Result<Uuid> {
        let text: &str = column(self, name)?;
        text.parse().map_err(|error| corrupt(name, error))
    }
}
