//! Batches as JSON objects, for metrics and checks.

use chrono::DateTime;
use deltalake::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use deltalake::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value as Json};

use crate::job::{Code, JobError};
use crate::lake::{Kind, audit_time};

/// The rows as objects; dates `YYYY-MM-DD`, instants ISO-8601 in UTC, numbers that are not finite null.
pub(crate) fn rows(batches: &[RecordBatch]) -> Result<Vec<Map<String, Json>>, JobError> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let schema = batch.schema();
        let columns = batch.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let fields = schema.fields().iter().zip(&columns);
            rows.push(fields.map(|(field, values)| (field.name().clone(), values[row].clone())).collect());
        }
    }
    Ok(rows)
}

fn values(column: &ArrayRef) -> Result<Vec<Json>, JobError> {
    let failed = |error| JobError::new(Code::UnexpectedError, format!("a result cannot be shown as JSON: {error}"));
    let wanted = match Kind::of(column.data_type()) {
        Some(Kind::Int32 | Kind::Int64) => DataType::Int64,
        Some(Kind::Timestamp) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Some(kind) => kind.arrow(),
        None => column.data_type().clone(),
    };
    let column = cast(column, &wanted).map_err(failed)?;
    let formatter = ArrayFormatter::try_new(&column, &FormatOptions::default()).map_err(failed)?;
    let value = |row: usize| match &wanted {
        _ if column.is_null(row) => Json::Null,
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Date32 => Date32Type::to_naive_date_opt(column.as_primitive::<Date32Type>().value(row))
            .map_or(Json::Null, |date| date.to_string().into()),
        DataType::Timestamp(..) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            DateTime::from_timestamp_micros(micros).map_or(Json::Null, |at| audit_time(at).into())
        }
        _ => formatter.value(row).to_string().into(),
    };
    Ok((0..column.len()).map(value).collect())
}
