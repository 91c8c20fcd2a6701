//! One expression, in either language.

use std::collections::BTreeSet;

use serde_json::Value;

use super::intrinsic::Call;
use super::path::Path;
use super::{Data, EvalError, jsonata};

/// A single expression: a path, an intrinsic function call or a JSONata `{% … %}`.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    kind: Kind,
}

/// The seam between the languages: whatever evaluates an expression goes through this enum.
#[derive(Clone, Debug)]
enum Kind {
    /// A path of a `…Path` field.
    Path(Path),
    /// A path where an intrinsic might stand.
    TemplatePath(Path),
    Call(Call),
    Jsonata(jsonata::Program),
}

impl Expression {
    /// A path only (`InputPath`, `…Path` fields).
    pub fn path(text: &str) -> Result<Self, String> {
        Ok(Self { text: text.to_owned(), kind: Kind::Path(Path::parse(text)?) })
    }

    /// A path or an intrinsic call (values of `….$` keys, `ErrorPath`, `CausePath`).
    pub fn path_or_intrinsic(text: &str) -> Result<Self, String> {
        let kind = match text.starts_with('$') {
            true => Kind::TemplatePath(Path::parse(text)?),
            false => Kind::Call(Call::parse(text)?),
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The text between `{%` and `%}`.
    pub fn jsonata(text: &str) -> Result<Self, String> {
        let text = text.trim();
        Ok(Self { text: text.to_owned(), kind: Kind::Jsonata(jsonata::Program::parse(text)?) })
    }

    /// The text it was read from (JSONata: between the delimiters, trimmed).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the variables it refers to.
    pub fn variables(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.collect_variables(&mut names);
        names
    }

    pub(super) fn collect_variables(&self, names: &mut BTreeSet<String>) {
        match &self.kind {
            Kind::Path(path) | Kind::TemplatePath(path) => names.extend(path.variable().map(str::to_owned)),
            Kind::Call(call) => call.variables(names),
            Kind::Jsonata(program) => names.extend(program.variables().iter().cloned()),
        }
    }

    /// Names of the fields of `$states` that a JSONata expression uses: `input`, `context`, `result`, `errorOutput`.
    ///
    /// The last two exist in some places only, which the definition checks.
    pub fn states_fields(&self) -> BTreeSet<String> {
        match &self.kind {
            Kind::Jsonata(program) => program.states_fields().clone(),
            Kind::Path(_) | Kind::TemplatePath(_) | Kind::Call(_) => BTreeSet::new(),
        }
    }

    /// The failure of a JSONata expression whose value is not of the type its field takes: `array`, `boolean`, ...
    pub fn unexpected_type(&self, field: &str, expected: &str, value: &Value) -> EvalError {
        let was = jsonata::type_name(value);
        let what =
            format!("returned an unexpected result type. Expected '{expected}', but was '{was}' for value: {value}");
        jsonata::failure(&self.text, field, &what)
    }

    /// The value. `field` names the field in messages: a payload template's key by its own name (`x.$`), a JSONata
    /// field by its place (`Output/a[0]`).
    pub fn evaluate(&self, field: &str, data: &Data<'_>) -> Result<Value, EvalError> {
        match &self.kind {
            Kind::Path(path) => path.evaluate(field, data),
            Kind::TemplatePath(path) => path.select_in_template(data).map_err(|_| {
                // Recorded: the message names the key alone, and shows the input, or for `$$` the context object.
                let key = field.rsplit('/').next().unwrap_or(field);
                let searched = if path.is_context() { data.context } else { data.input };
                EvalError::runtime(format!(
                    "The JSONPath '{}' specified for the field '{key}' could not be found in the input '{searched}'",
                    self.text
                ))
            }),
            Kind::Call(call) => call.evaluate(&self.text, data),
            Kind::Jsonata(program) => program.evaluate(&self.text, field, data),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::query::testing::Scene;

    #[test]
    fn each_kind_has_its_message() {
        let scene = Scene::on(json!({"a": 1}));
        for (expression, field, cause) in [
            (Expression::path("$.x"), "OutputPath", "Invalid path '$.x' : No results for path: $['x']"),
            (
                Expression::path_or_intrinsic("$.x"),
                "Parameters/deep/value.$",
                "The JSONPath '$.x' specified for the field 'value.$' could not be found in the input '{\"a\":1}'",
            ),
            (
                Expression::path_or_intrinsic("$$.x"),
                "ErrorPath",
                "The JSONPath '$$.x' specified for the field 'ErrorPath' could not be found in the input '{}'",
            ),
            (
                Expression::jsonata(" $nope "),
                "Output/a",
                "The JSONata expression '$nope' specified for the field 'Output/a' returned nothing (undefined).",
            ),
        ] {
            let error = expression.unwrap().evaluate(field, &scene.data()).unwrap_err();
            assert_eq!(error.cause, cause);
        }
    }

    #[test]
    fn variables_are_found() {
        let names = |expression: Result<Expression, String>| Vec::from_iter(expression.unwrap().variables());
        assert_eq!(names(Expression::path("$x.y[0]")), ["x"]);
        assert_eq!(names(Expression::path("$.x")), [""; 0]);
        assert_eq!(names(Expression::path_or_intrinsic("States.Array($b, States.MathAdd($a, 1), $$.c)")), ["a", "b"]);
        assert_eq!(names(Expression::jsonata("$a + $states.input.b + ($c := 1; $c) + $sum($d)")), ["a", "d"]);
    }
}
