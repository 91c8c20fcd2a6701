//! Columns of tables: names and the few types the lake's tables are made of.

use std::borrow::Cow;
use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// A column of a table; every column may hold nulls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as in the files.
    pub name: Cow<'static, str>,
    /// Its type.
    pub kind: Kind,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Double-precision number.
    Float64,
    /// True or false.
    Boolean,
    /// A calendar date.
    Date,
    /// An instant: microseconds, UTC.
    Timestamp,
}

/// A column, for constant tables.
pub const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name: Cow::Borrowed(name), kind }
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: Kind) -> Column {
        Column { name: name.into(), kind }
    }

    pub(crate) fn field(&self) -> Field {
        Field::new(self.name.as_ref(), self.kind.arrow(), true)
    }
}

impl Kind {
    /// The type as Arrow and Parquet files have it.
    pub fn arrow(self) -> DataType {
        match self {
            Kind::Text => DataType::Utf8,
            Kind::Int32 => DataType::Int32,
            Kind::Int64 => DataType::Int64,
            Kind::Float64 => DataType::Float64,
            Kind::Boolean => DataType::Boolean,
            Kind::Date => DataType::Date32,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The kind that holds all values of a type of other writers; `None` for nested types.
    pub(crate) fn of(kind: &DataType) -> Option<Kind> {
        Some(match kind {
            DataType::Null
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView => Kind::Text,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Kind::Int32,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Kind::Int64,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Kind::Float64,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Kind::Float64
            }
            DataType::Boolean => Kind::Boolean,
            DataType::Date32 | DataType::Date64 => Kind::Date,
            DataType::Timestamp(..) => Kind::Timestamp,
            DataType::Dictionary(_, values) => return Kind::of(values),
            _ => return None,
        })
    }

    /// The kind that holds the values of two files of one column: integers widen to the larger, a date to a timestamp, any
    /// other conflict (integer and float, number and text) to text.
    ///
    /// Source: pipelines.md 2.4, step 2.
    pub(crate) fn united(self, other: Kind) -> Kind {
        match (self, other) {
            (a, b) if a == b => a,
            (Kind::Int32, Kind::Int64) | (Kind::Int64, Kind::Int32) => Kind::Int64,
            (Kind::Date, Kind::Timestamp) | (Kind::Timestamp, Kind::Date) => Kind::Timestamp,
            _ => Kind::Text,
        }
    }

    /// The name catalogs give the type.
    pub fn catalog_name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Int32 => "int",
            Kind::Int64 => "bigint",
            Kind::Float64 => "double",
            Kind::Boolean => "boolean",
            Kind::Date => "date",
            Kind::Timestamp => "timestamp",
        }
    }
}

/// The Arrow schema of columns.
pub(crate) fn schema_of(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()))
}

/// The columns of an Arrow schema; those of nested types are left out.
pub(crate) fn columns_of(schema: &Schema) -> Vec<Column> {
    let column = |field: &Arc<Field>| Some(Column::new(field.name().clone(), Kind::of(field.data_type())?));
    schema.fields().iter().filter_map(column).collect()
}
