//! From the types files have to the declared ones, as expressions of Spark: the twin of `conform.rs`, type for type.

use deltalake::arrow::datatypes::DataType;

use super::super::dialect::spark_expression;
use crate::lake::Kind;

/// The name of a kind's type.
pub(super) fn type_name(kind: Kind) -> &'static str {
    kind.catalog_name()
}

/// A null of a kind.
pub(super) fn null(kind: Kind) -> String {
    format!("cast(null as {})", type_name(kind))
}

/// The type to read a column of a file as; `None` for nested types, and for columns that are nothing but null.
pub(super) fn read_as(found: &DataType) -> Option<String> {
    Some(match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 | DataType::UInt8 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt16 => "int".to_owned(),
        DataType::Int64 | DataType::UInt32 => "bigint".to_owned(),
        DataType::UInt64 => "decimal(20, 0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Dictionary(_, values) => return read_as(values),
        _ => return None,
    })
}

/// A column of a file, read as [`read_as`] says, as a value of the kind; what cannot be is null, never an error.
pub(super) fn column(value: &str, found: &DataType, to: Kind) -> String {
    let Some(from) = Kind::of(found).filter(|_| *found != DataType::Null) else { return null(to) };
    // One type per kind from here on.
    let value =
        if *found == from.arrow() { value.to_owned() } else { format!("try_cast({value} as {})", type_name(from)) };
    value_of(&value, from, to)
}

/// A value of one kind as one of another.
pub(super) fn value_of(value: &str, from: Kind, to: Kind) -> String {
    let function = |name: &str| {
        let expression = spark_expression(name, &[value.to_owned()]);
        expression.unwrap_or_else(|| unreachable!("{name} takes one argument"))
    };
    let wanted = type_name(to);
    match (from, to) {
        (from, to) if from == to => value.to_owned(),
        (Kind::Text, Kind::Int32 | Kind::Int64 | Kind::Float64) => format!("try_cast(trim({value}) as {wanted})"),
        (Kind::Text, Kind::Timestamp) => function("sw_parse_ts"),
        (Kind::Text, Kind::Date) => format!("cast({} as date)", function("sw_parse_ts")),
        (Kind::Text, Kind::Boolean) => format!(
            "case when lower(trim({value})) in ('true', 't', '1', 'yes', 'y') then true \
             when lower(trim({value})) in ('false', 'f', '0', 'no', 'n') then false end"
        ),
        (Kind::Float64, Kind::Text) => function("sw_text_f64"),
        (Kind::Timestamp, Kind::Text) => function("sw_text_ts"),
        (Kind::Float64, Kind::Int32 | Kind::Int64) => {
            format!("case when {value} = floor({value}) then try_cast({value} as {wanted}) end")
        }
        (Kind::Float64 | Kind::Int32 | Kind::Int64, Kind::Boolean) => format!("({value} <> 0)"),
        (Kind::Boolean | Kind::Int32 | Kind::Int64 | Kind::Date, Kind::Text)
        | (Kind::Boolean, Kind::Int32 | Kind::Int64 | Kind::Float64)
        | (Kind::Int32 | Kind::Int64, Kind::Int32 | Kind::Int64 | Kind::Float64)
        | (Kind::Date, Kind::Timestamp)
        | (Kind::Timestamp, Kind::Date) => format!("try_cast({value} as {wanted})"),
        // An instant is no number and a number no date.
        _ => null(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 7] =
        [Kind::Text, Kind::Int32, Kind::Int64, Kind::Float64, Kind::Boolean, Kind::Date, Kind::Timestamp];

    #[test]
    fn every_kind_has_a_way_to_every_other_or_none() {
        for from in KINDS {
            for to in KINDS {
                let expression = value_of("x", from, to);
                assert!(expression.contains('x') || expression == null(to), "{from:?} to {to:?}: {expression}");
                assert!(!expression.contains("sw_"), "{from:?} to {to:?}: {expression}");
            }
        }
    }

    #[test]
    fn a_column_of_nulls_is_null_and_others_are_read_as_what_they_are() {
        assert_eq!(column("x", &DataType::Null, Kind::Int32), "cast(null as int)");
        assert_eq!(column("x", &DataType::Int64, Kind::Int64), "x");
        assert_eq!(column("x", &DataType::Float32, Kind::Float64), "try_cast(x as double)");
        assert_eq!(read_as(&DataType::Null), None);
        assert_eq!(read_as(&DataType::Decimal128(18, 4)).as_deref(), Some("decimal(18, 4)"));
    }
}
