//! Columns as Postgres gives them.

use asl::Timestamp;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};
use uuid::Uuid;

use super::super::Result;
use super::super::row::{Columns, corrupt};

fn column<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, name: &'static str) -> Result<T> {
    row.try_get(name).map_err(|error| corrupt(name, error))
}

impl Columns for PgRow {
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
        column::<DateTime<Utc>>(self, name).map(Timestamp::from)
    }

    fn instant_or_null(&self, name: &'static str) -> Result<Option<Timestamp>> {
        column::<Option<DateTime<Utc>>>(self, name).map(|at| at.map(Timestamp::from))
    }

    fn id(&self, name: &'static str) -> Result<Uuid> {
        column(self, name)
    }
}

/// The rows of an update in the order in which they had waited: `returning` knows no order.
pub(super) fn by_waiting(mut rows: Vec<PgRow>) -> Result<Vec<PgRow>> {
    let since = |row: &PgRow| column::<DateTime<Utc>>(row, "waiting_since");
    for row in &rows {
        since(row)?;
    }
    rows.sort_by_cached_key(|row| since(row).ok());
    Ok(rows)
}
