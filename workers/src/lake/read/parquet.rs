//! Parquet into rows, and frames of other writers into declared types.

use polars::error::PolarsResult;
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, IntoColumn, NamedFrom, PlSmallStr, Series, TimeUnit, TimeZone,
};

use super::cell::Cell;
use super::limit::Budget;
use super::outlet::Outlet;
use super::rows::{Rows, Target, Value};
use super::{Declared, Kind, parse_instant};
use crate::lake::Error;
use crate::lake::parquet_slices::ParquetSlices;

/// What is decoded at once.
const SLICE_BYTES: u64 = 32 << 20;

/// Appends the rows of a Parquet object, if they fit into the budget.
pub(super) fn parse(rows: &mut Rows, object: &ParquetSlices, budget: &Budget, outlet: &Outlet) -> Result<(), Error> {
    let uri = object.uri();
    let unreadable = |error: polars::error::PolarsError| Error::Unreadable {
        uri: uri.to_owned(),
        format: "Parquet",
        reason: error.to_string(),
    };
    // A few bytes can stand for billions of equal rows: look before decoding.
    budget.spend(uri, 0, object.values_bytes())?;
    let columns = object.read(0, 0)?;
    let targets: Vec<Target> = columns.columns().iter().map(|column| rows.settings.target(column.name())).collect();
    for target in &targets {
        if let Target::Unknown(name) = target {
            rows.see(name);
        }
    }
    rows.columns = Some(columns.get_column_names().iter().map(|name| name.to_string()).collect());
    for (start, rows_at_once) in object.slices(SLICE_BYTES) {
        let frame = object.read(start, rows_at_once)?;
        for row in 0..frame.height() {
            for (column, target) in frame.columns().iter().zip(&targets) {
                let value = column.get(row).map_err(unreadable)?;
                if !matches!(value, AnyValue::Null) {
                    set(rows, target, &value);
                }
            }
            rows.end_row(|| row_json(&frame, row).to_string());
            // Row by row: equal values share their memory only in the file.
            rows.spend(budget, uri)?;
            outlet.offer(rows)?;
        }
    }
    Ok(())
}

fn set(rows: &mut Rows, target: &Target, value: &AnyValue<'_>) {
    match target {
        Target::Ignored => {}
        Target::Corrupt => rows.mark_corrupt(),
        Target::Declared(column) => match (rows.settings.declared[*column].kind, value) {
            (_, AnyValue::String(_) | AnyValue::StringOwned(_)) => {
                rows.set_text(*column, value.get_str().unwrap_or_default());
            }
            (Kind::Instant, value) => match instant(value) {
                Some(micros) => rows.set(*column, Value::Instant(micros)),
                None => rows.mark_corrupt(),
            },
            (Kind::Number, value) if is_number(value) => match value.extract::<f64>() {
                Some(number) => rows.set(*column, Value::Number(number)),
                None => rows.mark_corrupt(),
            },
            (Kind::Text, value) if value.is_primitive_numeric() => rows.set_text(*column, &value.to_string()),
            _ => rows.mark_corrupt(),
        },
        Target::Unknown(name) => {
            let cell = match value {
                AnyValue::Boolean(_) => Cell::Plain(value.to_string().into()),
                // `to_string` would shorten floats for display.
                AnyValue::Float64(number) => Cell::Plain(format!("{number:?}").into()),
                AnyValue::Float32(number) => Cell::Plain(format!("{number:?}").into()),
                value if is_number(value) => Cell::Plain(value.to_string().into()),
                value => match json(value) {
                    serde_json::Value::String(text) => Cell::Text(text.into()),
                    nested => Cell::Text(nested.to_string().into()),
                },
            };
            rows.set_unknown(name, cell);
        }
    }
}

fn is_number(value: &AnyValue<'_>) -> bool {
    value.is_primitive_numeric() || matches!(value, AnyValue::Decimal(..))
}

/// Microseconds since 1970 of a date or timestamp of any unit.
fn instant(value: &AnyValue<'_>) -> Option<i64> {
    let (ticks, unit) = match value {
        AnyValue::Date(days) => return Some(i64::from(*days) * super::MICROS_PER_DAY),
        AnyValue::Datetime(ticks, unit, _) => (*ticks, *unit),
        AnyValue::DatetimeOwned(ticks, unit, _) => (*ticks, *unit),
        _ => return None,
    };
    match unit {
        TimeUnit::Nanoseconds => Some(ticks.div_euclid(1_000)),
        TimeUnit::Microseconds => Some(ticks),
        TimeUnit::Milliseconds => ticks.checked_mul(1_000),
    }
}

/// A value as JSON; nested ones as far as they go, times as ISO-8601.
fn json(value: &AnyValue<'_>) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        AnyValue::Null => Json::Null,
        AnyValue::Boolean(flag) => (*flag).into(),
        AnyValue::String(text) => (*text).into(),
        AnyValue::StringOwned(text) => text.as_str().into(),
        AnyValue::List(series) => series.iter().map(|value| json(&value)).collect(),
        value if value.is_primitive_numeric() => match value.extract::<i64>() {
            Some(number) if !value.is_float() => number.into(),
            _ => value.extract::<f64>().map_or(Json::Null, Json::from),
        },
        value => match instant(value).and_then(chrono::DateTime::from_timestamp_micros) {
            Some(at) if matches!(value, AnyValue::Date(_)) => at.date_naive().to_string().into(),
            Some(at) => crate::lake::audit_time(at).into(),
            None => value.to_string().into(),
        },
    }
}

fn row_json(frame: &DataFrame, row: usize) -> serde_json::Value {
    let fields = frame.columns().iter().map(|column| {
        let value = column.get(row).map_or(serde_json::Value::Null, |value| json(&value));
        (column.name().to_string(), value)
    });
    serde_json::Value::Object(fields.collect())
}

/// A frame with exactly the declared types in its declared columns, those first; absent ones are added as nulls, other
/// columns follow as they are. What cannot be converted becomes null.
///
/// # Errors
/// If a column's type has no conversion at all, naming it.
pub fn conform(frame: &DataFrame, declared: &[Declared]) -> PolarsResult<DataFrame> {
    let mut columns = Vec::with_capacity(frame.width());
    for Declared { name, kind } in declared {
        let wanted = match kind {
            Kind::Text => DataType::String,
            Kind::Number => DataType::Float64,
            Kind::Instant => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
        };
        columns.push(match frame.column(name) {
            Ok(column) if *column.dtype() == wanted => column.clone(),
            Ok(column) if *kind == Kind::Instant => instants(column)?,
            Ok(column) => column.cast(&wanted)?,
            Err(_) => Column::full_null(PlSmallStr::from_static(name), frame.height(), &wanted),
        });
    }
    let others =
        frame.columns().iter().filter(|column| declared.iter().all(|known| known.name != column.name().as_str()));
    columns.extend(others.cloned());
    DataFrame::new(frame.height(), columns)
}

fn instants(column: &Column) -> PolarsResult<Column> {
    let mut micros: Vec<Option<i64>> = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        let value = column.get(row)?;
        micros.push(match value.get_str() {
            Some(text) => parse_instant(text),
            None => instant(&value),
        });
    }
    let series = Series::new(column.name().clone(), micros);
    Ok(series.i64()?.clone().into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column())
}
