//! The SQL functions every session has. Null in, null out (but for the hash of a row); nothing here raises an error for a
//! value.

mod digest;
mod distinct;
mod hashes;
mod number;
mod stand_in;
mod text;

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, StringBuilder, TimestampMicrosecondArray};
use deltalake::arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use deltalake::datafusion::common::{Result, plan_err};
use deltalake::datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::lake::Kind;
use crate::lake::read::parse_instant;

pub(super) use distinct::{distinct, distinct_least};
pub use number::{parse_number, round_half_away};
pub(super) use stand_in::stand_in;
pub use text::{text_of_float, text_of_timestamp};

/// Makes numbers that are not finite null; for our own expressions, no part of the dialect.
pub(super) const FINITE: &str = "sw_finite";
/// Instants that say no zone are of UTC; for our own expressions, too.
pub(super) const IN_UTC: &str = "sw_in_utc";

/// All functions.
pub(super) fn all() -> Vec<ScalarUDF> {
    [
        Body::Finite,
        Body::InUtc,
        Body::Label,
        Body::Round,
        Body::Days,
        Body::RowHash,
        Body::TextOfNumber,
        Body::TextOfTimestamp,
        Body::ParseNumber,
        Body::ParseTimestamp,
    ]
    .map(udf)
    .to_vec()
}

pub(super) fn finite(value: Expr) -> Expr {
    udf(Body::Finite).call(vec![value])
}

pub(super) fn in_utc(value: Expr) -> Expr {
    udf(Body::InUtc).call(vec![value])
}

pub(super) fn text_of_number(value: Expr) -> Expr {
    udf(Body::TextOfNumber).call(vec![value])
}

pub(super) fn text_of_instant(value: Expr) -> Expr {
    udf(Body::TextOfTimestamp).call(vec![value])
}

pub(super) fn parse_timestamp(value: Expr) -> Expr {
    udf(Body::ParseTimestamp).call(vec![value])
}

fn udf(body: Body) -> ScalarUDF {
    ScalarUDF::new_from_impl(Function { body, signature: Signature::user_defined(Volatility::Immutable) })
}

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Body {
    Finite,
    InUtc,
    /// Text without white space around it; null if nothing is left.
    Label,
    Round,
    Days,
    /// A digest of some texts.
    RowHash,
    TextOfNumber,
    TextOfTimestamp,
    ParseNumber,
    ParseTimestamp,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    body: Body,
    signature: Signature,
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.body {
            Body::Finite => FINITE,
            Body::InUtc => IN_UTC,
            Body::Label => "sw_label",
            Body::Round => "sw_round",
            Body::Days => "sw_days",
            Body::RowHash => "sw_row_hash",
            Body::TextOfNumber => "sw_text_f64",
            Body::TextOfTimestamp => "sw_text_ts",
            Body::ParseNumber => "sw_parse_number",
            Body::ParseTimestamp => "sw_parse_ts",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.body {
            Body::Finite | Body::Round | Body::ParseNumber => Kind::Float64,
            Body::Days => Kind::Int32,
            Body::Label | Body::RowHash | Body::TextOfNumber | Body::TextOfTimestamp => Kind::Text,
            Body::InUtc | Body::ParseTimestamp => Kind::Timestamp,
        }
        .arrow())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if self.body == Body::InUtc {
            return Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, None)]);
        }
        let wanted = match (self.body, given) {
            (Body::Round, [_, _]) => vec![Kind::Float64, Kind::Int64],
            (Body::Finite | Body::TextOfNumber, [_]) => vec![Kind::Float64],
            (Body::TextOfTimestamp, [_]) => vec![Kind::Timestamp],
            (Body::Days, [_]) => vec![Kind::Date],
            (Body::RowHash, [_, ..]) => vec![Kind::Text; given.len()],
            // Numbers and instants pass.
            (Body::ParseNumber, [given]) if given.is_numeric() => vec![Kind::Float64],
            (Body::ParseTimestamp, [given]) if given.is_temporal() => vec![Kind::Timestamp],
            (Body::Label | Body::ParseNumber | Body::ParseTimestamp, [_]) => vec![Kind::Text],
            _ => return plan_err!("{} does not take {} arguments", self.name(), given.len()),
        };
        Ok(wanted.into_iter().map(Kind::arrow).collect())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let arrays = arguments.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = self.body.call(&arrays);
        if scalar {
            let value = deltalake::datafusion::common::ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Body {
    /// Types are those of `coerce_types`.
    fn call(self, arguments: &[ArrayRef]) -> ArrayRef {
        let first = &arguments[0];
        match (self, first.data_type()) {
            (Body::Finite | Body::ParseNumber, DataType::Float64) => {
                let values = first.as_primitive::<Float64Type>().iter();
                Arc::new(values.map(|value| value.filter(|value| value.is_finite())).collect::<Float64Array>())
            }
            (Body::InUtc, _) => Arc::new(first.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("UTC")),
            (Body::Label, _) => text::labels(first),
            (Body::Round, _) => {
                let decimals = arguments[1].as_primitive::<Int64Type>();
                let values = first.as_primitive::<Float64Type>().iter().zip(decimals.iter());
                let round = |(value, decimals): (Option<f64>, Option<i64>)| {
                    let decimals = decimals?.clamp(-400, 400) as i32;
                    value.filter(|value| value.is_finite()).map(|value| round_half_away(value, decimals))
                };
                Arc::new(values.map(round).collect::<Float64Array>())
            }
            (Body::Days, _) => {
                // A date is the number of its day.
                let days = first.as_primitive::<Date32Type>().iter();
                Arc::new(days.collect::<Int32Array>())
            }
            (Body::RowHash, _) => digest::row_hashes(arguments),
            (Body::TextOfNumber, _) => {
                let values = first.as_primitive::<Float64Type>();
                texts(first.len(), values.iter(), text::push_float)
            }
            (Body::TextOfTimestamp, _) => {
                let values = first.as_primitive::<TimestampMicrosecondType>();
                let push = |text: &mut String, micros| {
                    text::push_timestamp(text, micros);
                    true
                };
                texts(first.len(), values.iter(), push)
            }
            (Body::ParseTimestamp, DataType::Timestamp(..)) => first.clone(),
            (Body::ParseTimestamp, _) => {
                let values = first.as_string::<i32>().iter();
                let parsed: TimestampMicrosecondArray = values.map(|text| parse_instant(text?)).collect();
                Arc::new(parsed.with_timezone("UTC"))
            }
            (Body::ParseNumber | Body::Finite, _) => {
                let values = first.as_string::<i32>().iter();
                Arc::new(values.map(|text| parse_number(text?)).collect::<Float64Array>())
            }
        }
    }
}

/// A text for each value, without an allocation for each; `push` says whether a value has one.
fn texts<T: Copy>(
    rows: usize,
    values: impl Iterator<Item = Option<T>>,
    push: impl Fn(&mut String, T) -> bool,
) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(rows, rows * 20);
    let mut text = String::new();
    for value in values {
        text.clear();
        match value {
            Some(value) if push(&mut text, value) => texts.append_value(&text),
            _ => texts.append_null(),
        }
    }
    Arc::new(texts.finish())
}
