//! Intrinsic functions: `States.Format('{}', $.name)` and its like.
//!
//! [`Call`] is read once and evaluated often; one file per family holds what the functions do.

mod array;
mod encoding;
mod json;
mod math;
mod parse;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use super::path::Path;
use super::{Data, EvalError};
pub(super) use encoding::digest;

/// A call of an intrinsic function.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Clone, Debug)]
enum Argument {
    Literal(Value),
    Text(text::Text),
    Path(Path),
    Call(Call),
}

/// A function that the Amazon States Language defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Format,
    StringToJson,
    JsonToString,
    Array,
    ArrayPartition,
    ArrayContains,
    ArrayRange,
    ArrayGetItem,
    ArrayLength,
    ArrayUnique,
    Base64Encode,
    Base64Decode,
    Hash,
    JsonMerge,
    MathRandom,
    MathAdd,
    StringSplit,
    Uuid,
}

impl Function {
    const ALL: [Self; 18] = [
        Self::Format,
        Self::StringToJson,
        Self::JsonToString,
        Self::Array,
        Self::ArrayPartition,
        Self::ArrayContains,
        Self::ArrayRange,
        Self::ArrayGetItem,
        Self::ArrayLength,
        Self::ArrayUnique,
        Self::Base64Encode,
        Self::Base64Decode,
        Self::Hash,
        Self::JsonMerge,
        Self::MathRandom,
        Self::MathAdd,
        Self::StringSplit,
        Self::Uuid,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Format => "States.Format",
            Self::StringToJson => "States.StringToJson",
            Self::JsonToString => "States.JsonToString",
            Self::Array => "States.Array",
            Self::ArrayPartition => "States.ArrayPartition",
            Self::ArrayContains => "States.ArrayContains",
            Self::ArrayRange => "States.ArrayRange",
            Self::ArrayGetItem => "States.ArrayGetItem",
            Self::ArrayLength => "States.ArrayLength",
            Self::ArrayUnique => "States.ArrayUnique",
            Self::Base64Encode => "States.Base64Encode",
            Self::Base64Decode => "States.Base64Decode",
            Self::Hash => "States.Hash",
            Self::JsonMerge => "States.JsonMerge",
            Self::MathRandom => "States.MathRandom",
            Self::MathAdd => "States.MathAdd",
            Self::StringSplit => "States.StringSplit",
            Self::Uuid => "States.UUID",
        }
    }

    /// How many arguments it takes, at least and at most.
    const fn arity(self) -> (usize, usize) {
        match self {
            Self::Format => (1, usize::MAX),
            Self::Array => (0, usize::MAX),
            Self::Uuid => (0, 0),
            Self::StringToJson
            | Self::JsonToString
            | Self::ArrayLength
            | Self::ArrayUnique
            | Self::Base64Encode
            | Self::Base64Decode => (1, 1),
            Self::ArrayPartition
            | Self::ArrayContains
            | Self::ArrayGetItem
            | Self::Hash
            | Self::MathAdd
            | Self::StringSplit => (2, 2),
            Self::ArrayRange | Self::JsonMerge => (3, 3),
            Self::MathRandom => (2, 3),
        }
    }
}

/// Why a call has no value.
enum Fault {
    /// A path argument leads nowhere.
    Missing(String),
    /// An argument is not what the function takes; the reason may be empty.
    Invalid(Function, &'static str),
}

type Outcome = Result<Value, &'static str>;

impl Call {
    /// Reads a call; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse::call(text)
    }

    /// Adds the names of the variables its arguments refer to.
    pub(crate) fn variables(&self, names: &mut BTreeSet<String>) {
        for argument in &self.arguments {
            match argument {
                Argument::Literal(_) | Argument::Text(_) => {}
                Argument::Path(path) => names.extend(path.variable().map(str::to_owned)),
                Argument::Call(call) => call.variables(names),
            }
        }
    }

    /// The value. `text` is the whole expression, which the message names even if an inner call fails.
    ///
    /// The service reports bad arguments as `States.Runtime`, although the specification knows
    /// `States.IntrinsicFailure`.
    pub(crate) fn evaluate(&self, text: &str, data: &Data<'_>) -> Result<Value, EvalError> {
        self.value(data).map_err(|fault| {
            let why = match fault {
                Fault::Missing(path) => {
                    // A path on the context object is shown without its first `$`, and with the input all the same.
                    let path = if path.starts_with("$$") { &path[1..] } else { &path };
                    format!(
                        "The JsonPath argument for the field '{path}' could not be found in the input '{}'",
                        data.input
                    )
                }
                Fault::Invalid(function, "") => format!("Invalid arguments in {}", function.name()),
                Fault::Invalid(function, why) => format!("Invalid arguments in {}: {why}", function.name()),
            };
            EvalError::runtime(format!("The function '{text}' had the following error: {why}"))
        })
    }

    fn value(&self, data: &Data<'_>) -> Result<Value, Fault> {
        let arguments: Vec<Value> = self
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Literal(value) => Ok(value.clone()),
                Argument::Text(text) => Ok(Value::String(text.value.clone())),
                Argument::Path(path) => path.select(data).or_else(|_| match path.is_definite() {
                    true => Err(Fault::Missing(path.text().to_owned())),
                    false => Ok(Value::Array(Vec::new())),
                }),
                Argument::Call(call) => call.value(data),
            })
            .collect::<Result<_, _>>()?;
        let arguments = arguments.as_slice();
        let outcome = match self.function {
            Function::Format => match &self.arguments[0] {
                Argument::Text(template) => text::format(template, &arguments[1..]),
                _ => text::format_template(arguments),
            },
            Function::StringSplit => text::split(arguments),
            Function::StringToJson => json::parse(arguments),
            Function::JsonToString => json::print(arguments),
            Function::JsonMerge => json::merge(arguments),
            Function::Array => Ok(Value::Array(arguments.to_vec())),
            Function::ArrayPartition => array::partition(arguments),
            Function::ArrayContains => array::contains(arguments),
            Function::ArrayRange => array::range(arguments),
            Function::ArrayGetItem => array::get_item(arguments),
            Function::ArrayLength => array::length(arguments),
            Function::ArrayUnique => array::unique(arguments),
            Function::Base64Encode => encoding::base64_encode(arguments),
            Function::Base64Decode => encoding::base64_decode(arguments),
            Function::Hash => encoding::hash(arguments),
            Function::MathRandom => math::random(arguments, data.random),
            Function::MathAdd => math::add(arguments),
            Function::Uuid => Ok(Value::String(data.random.uuid())),
        };
        outcome.map_err(|why| Fault::Invalid(self.function, why))
    }
}

fn number(value: &Value) -> Result<&Number, &'static str> {
    value.as_number().ok_or("a number is expected")
}

/// A number argument, to the nearest integer.
fn integer(value: &Value) -> Result<i64, &'static str> {
    super::number::rounded(number(value)?).ok_or("the number is out of range")
}

fn string(value: &Value) -> Result<&str, &'static str> {
    value.as_str().ok_or("a string is expected")
}

fn array(value: &Value) -> Result<&Vec<Value>, &'static str> {
    value.as_array().ok_or("an array is expected")
}
