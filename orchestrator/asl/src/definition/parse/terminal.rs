//! The Fail state. (Succeed has no fields of its own.)

use super::reader::Reader;
use crate::definition::{Fail, Operand, StateKind};

/// The functions whose result is a text; `ErrorPath` and `CausePath` take no others. Source: AWS, "Fail workflow state".
const TEXT_FUNCTIONS: [&str; 7] =
    ["Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID"];

impl Reader<'_> {
    /// The fields that only a Fail has.
    pub(super) fn fail(&mut self) -> StateKind {
        let error = self.text_operand("Error", "ErrorPath");
        let cause = self.text_operand("Cause", "CausePath");
        StateKind::Fail(Fail { error, cause })
    }

    fn text_operand(&mut self, field: &'static str, path_field: &'static str) -> Option<Operand<String>> {
        self.exclusive(&[field, path_field]);
        let path = self.path_or_intrinsic(path_field);
        if let Some(function) = path.as_ref().and_then(|path| path.text().strip_prefix("States.")) {
            let name = function.split('(').next().unwrap_or(function).trim();
            if !TEXT_FUNCTIONS.contains(&name) {
                let message = format!(
                    "'States.{name}' is not supported here; use one of [States.{}]",
                    TEXT_FUNCTIONS.join(", States.")
                );
                self.field_error(path_field, message);
            }
        }
        let Some(value) = self.value(field) else { return path.map(Operand::Path) };
        match self.jsonata(field, value) {
            Ok(Some(expression)) => Some(Operand::Jsonata(expression)),
            Ok(None) => {
                let text = self.string(field)?;
                Some(Operand::Literal(text.to_owned()))
            }
            Err(()) => None,
        }
    }
}
