//! From the types a file or a plan happens to have to the declared ones.

use deltalake::arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use deltalake::datafusion::common::{Column as Reference, Result, ScalarValue, TableReference};
use deltalake::datafusion::functions::expr_fn::{encode, lower, trim, trunc};
use deltalake::datafusion::logical_expr::{Expr, cast, lit, try_cast, when};
use deltalake::datafusion::prelude::DataFrame;

use super::function;
use crate::lake::{Column, Kind};

/// The frame with exactly these columns: absent ones null, others dropped, all cast.
pub(super) fn frame(frame: DataFrame, columns: &[Column]) -> Result<DataFrame> {
    select(frame, columns, |_, value| value)
}

/// The same for rows that are published: numbers that are not finite are null.
///
/// Source: pipelines.md 0.2.
pub(super) fn finite_frame(frame: DataFrame, columns: &[Column]) -> Result<DataFrame> {
    select(frame, columns, |kind, value| if kind == Kind::Float64 { function::finite(value) } else { value })
}

fn select(frame: DataFrame, columns: &[Column], finish: impl Fn(Kind, Expr) -> Expr) -> Result<DataFrame> {
    let schema = frame.schema().clone();
    let expressions = columns
        .iter()
        .map(|column| {
            let found = schema.iter().find(|(_, field)| field.name() == column.name.as_ref());
            let expression = match found {
                Some((qualifier, field)) => {
                    let reference = Expr::Column(Reference::new(qualifier.cloned(), field.name()));
                    finish(column.kind, convert(reference, field.data_type(), column.kind)?)
                }
                None => match column.name.strip_suffix(LOST) {
                    Some(name) => match schema.iter().find(|(_, field)| field.name() == name) {
                        Some((qualifier, field)) => {
                            let read_as = columns.iter().find(|column| column.name == name);
                            lost(qualifier, field, read_as.map_or(Kind::Text, |column| column.kind))?
                        }
                        None => null(column.kind)?,
                    },
                    None => null(column.kind)?,
                },
            };
            Ok(expression.alias(column.name.as_ref()))
        })
        .collect::<Result<Vec<_>>>()?;
    frame.select(expressions)
}

/// The end of the name of a column that says what is lost where another is read: bytes that are not UTF-8, in hex, the type of
/// a nested value, or a number that has no text. Null where nothing is.
const LOST: &str = "__lost";

/// The column that says what is lost where `name` is read, to be asked for beside it.
pub(super) fn lost_column(name: &str) -> Column {
    Column::new(format!("{name}{LOST}"), Kind::Text)
}

/// What says so beside columns that lose values of some file.
pub(super) fn lost_columns(schemas: &[SchemaRef], columns: &[Column]) -> Vec<Column> {
    let loses = |column: &Column| {
        let fields = schemas.iter().filter_map(|schema| schema.field_with_name(&column.name).ok());
        fields.map(Field::data_type).any(|found| match Kind::of(found) {
            None => true,
            Some(Kind::Float64) => column.kind == Kind::Text,
            Some(_) => found.is_binary(),
        })
    };
    columns.iter().filter(|column| loses(column)).map(|column| lost_column(&column.name)).collect()
}

fn lost(qualifier: Option<&TableReference>, field: &Field, read_as: Kind) -> Result<Expr> {
    let value = Expr::Column(Reference::new(qualifier.cloned(), field.name()));
    let (is_lost, kept) = match field.data_type() {
        kind if Kind::of(kind) == Some(Kind::Float64) && read_as == Kind::Text => {
            let text = function::text_of_number(cast(value.clone(), DataType::Float64));
            (value.clone().is_not_null().and(text.is_null()), cast(value, DataType::Utf8))
        }
        kind if kind.is_binary() => {
            let text = try_cast(value.clone(), DataType::Utf8);
            let bytes = cast(value.clone(), DataType::Binary);
            (value.is_not_null().and(text.is_null()), cast(encode(bytes, lit("hex")), DataType::Utf8))
        }
        kind if Kind::of(kind).is_none() => (value.is_not_null(), lit(kind.to_string())),
        _ => return null(Kind::Text),
    };
    when(is_lost, kept).otherwise(null(Kind::Text)?)
}

/// A null of a kind.
fn null(kind: Kind) -> Result<Expr> {
    Ok(lit(ScalarValue::try_from(&kind.arrow())?))
}

/// A value of one type as another; what cannot be is null, never an error.
///
/// Text is trimmed and parsed, numbers are text in their shortest form, a number with a fraction is no integer.
fn convert(value: Expr, from: &DataType, to: Kind) -> Result<Expr> {
    let wanted = to.arrow();
    if *from == wanted {
        return Ok(value);
    }
    let Some(kind) = Kind::of(from) else { return null(to) };
    // One type per kind from here on.
    let value = match kind {
        Kind::Text if *from == DataType::Utf8 => value,
        Kind::Text if from.is_binary() => try_cast(value, DataType::Utf8),
        Kind::Int64 if matches!(from, DataType::UInt64) => try_cast(value, DataType::Int64),
        // The cast would look up each instant's offset.
        Kind::Timestamp if matches!(from, DataType::Timestamp(_, None)) => {
            function::in_utc(cast(value, DataType::Timestamp(TimeUnit::Microsecond, None)))
        }
        _ => cast(value, kind.arrow()),
    };
    Ok(match (kind, to) {
        (from, to) if from == to => value,
        (Kind::Text, Kind::Int32 | Kind::Int64 | Kind::Float64) => try_cast(trim(vec![value]), wanted),
        (Kind::Text, Kind::Timestamp) => function::parse_timestamp(value),
        (Kind::Text, Kind::Date) => cast(function::parse_timestamp(value), wanted),
        (Kind::Text, Kind::Boolean) => {
            let word = lower(trim(vec![value]));
            let one_of = |words: [&str; 5]| word.clone().in_list(words.map(lit).to_vec(), false);
            when(one_of(["true", "t", "1", "yes", "y"]), lit(true))
                .when(one_of(["false", "f", "0", "no", "n"]), lit(false))
                .otherwise(null(Kind::Boolean)?)?
        }
        (Kind::Float64, Kind::Text) => function::text_of_number(value),
        (Kind::Timestamp, Kind::Text) => function::text_of_instant(value),
        (Kind::Float64, Kind::Int32 | Kind::Int64) => {
            let whole = value.clone().eq(trunc(vec![value.clone()]));
            when(whole, try_cast(value, wanted)).otherwise(null(to)?)?
        }
        (Kind::Float64 | Kind::Int32 | Kind::Int64, Kind::Boolean) => value.not_eq(lit(0)),
        (Kind::Boolean | Kind::Int32 | Kind::Int64 | Kind::Date, Kind::Text)
        | (Kind::Boolean, Kind::Int32 | Kind::Int64 | Kind::Float64)
        | (Kind::Int32 | Kind::Int64, Kind::Int32 | Kind::Int64 | Kind::Float64)
        | (Kind::Date, Kind::Timestamp)
        | (Kind::Timestamp, Kind::Date) => try_cast(value, wanted),
        // An instant is no number and a number no date.
        _ => null(to)?,
    })
}

/// The columns of several files, united by name in the order they appear; nested types are left out.
pub(super) fn united<'a>(schemas: impl IntoIterator<Item = &'a SchemaRef>) -> Vec<Column> {
    let mut columns: Vec<(Column, bool)> = Vec::new();
    for schema in schemas {
        for field in schema.fields() {
            let Some(kind) = Kind::of(field.data_type()) else {
                tracing::warn!("Column `{}` is of a nested type ({}) and left out", field.name(), field.data_type());
                continue;
            };
            // A file without any value for a column says nothing about its type.
            let void = *field.data_type() == DataType::Null;
            match columns.iter_mut().find(|(column, _)| column.name == field.name().as_str()) {
                Some((column, known)) if *known && !void => column.kind = column.kind.united(kind),
                Some((_, true)) => {}
                Some((column, known)) => (column.kind, *known) = (kind, !void),
                None => columns.push((Column::new(field.name().clone(), kind), !void)),
            }
        }
    }
    columns.into_iter().map(|(column, _)| column).collect()
}
