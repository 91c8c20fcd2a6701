//! What a state reads and what it gives: `InputPath` → `Parameters` → work → `ResultSelector` → `ResultPath` →
//! `OutputPath`, or `Arguments` → work → `Output`; and `Assign` beside it.

use std::cell::OnceCell;
use std::io::Write;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::definition::{QueryLanguage, ResultPath, Selection, State};
use crate::execution::{Execution, FrameId, OpenState, Waiting};
use crate::fault::Fault;
use crate::ids::TaskToken;
use crate::query::{Data, EvalError, Expression, Random, Template, VariableMap};
use crate::time::Timestamp;

/// Evaluates the fields of one open state.
pub(crate) struct Evaluation<'a> {
    execution: &'a Execution,
    frame: FrameId,
    state: &'a State,
    open: &'a OpenState,
    variables: Vec<&'a VariableMap>,
    random: &'a Random,
    now: Timestamp,
    token: Option<TaskToken>,
    item: Option<Value>,
    /// Made when first asked for: most states never look at it.
    context: OnceCell<Value>,
}

/// What JSONata finds under `$states` beside the input and the context.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras<'a> {
    /// `$states.result`.
    pub result: Option<&'a Value>,
    /// `$states.errorOutput`.
    pub error_output: Option<&'a Value>,
}

impl<'a> Evaluation<'a> {
    pub fn new(
        execution: &'a Execution,
        frame: FrameId,
        state: &'a State,
        open: &'a OpenState,
        random: &'a Random,
        now: Timestamp,
    ) -> Self {
        let variables = variables_in_sight(execution, frame);
        let context = OnceCell::new();
        Self { execution, frame, state, open, variables, random, now, token: None, item: None, context }
    }

    /// With the token that the context object shows.
    pub fn with_token(self, token: Option<TaskToken>) -> Self {
        Self { token, ..self }
    }

    /// With the `Map.Item` that the context object shows.
    pub fn with_item(self, item: Option<Value>) -> Self {
        Self { item, ..self }
    }

    /// The raw input after `InputPath`.
    pub fn filtered_input(&self) -> Result<Arc<Value>, Fault> {
        self.select(&self.state.data.input_path, "InputPath", &self.open.input)
    }

    /// `filtered` after `Parameters` or `Arguments`.
    pub fn arguments(&self, filtered: &Arc<Value>) -> Result<Arc<Value>, Fault> {
        let field = if self.is_jsonata() { "Arguments" } else { "Parameters" };
        match &self.state.data.parameters {
            Some(template) => self.template(template, field, filtered, Extras::default()).map(Arc::new),
            None => Ok(filtered.clone()),
        }
    }

    /// The output that follows from the result of a Task, Parallel or Map.
    pub fn output_of_result(&self, result: &Arc<Value>) -> Result<Arc<Value>, Fault> {
        if self.is_jsonata() {
            let extras = Extras { result: Some(result), error_output: None };
            return self.jsonata_output(self.state.data.output.as_ref(), result, extras);
        }
        let selected = match &self.state.data.result_selector {
            Some(template) => Arc::new(self.template(template, "ResultSelector", result, Extras::default())?),
            None => result.clone(),
        };
        self.placed_output(&selected)
    }

    /// The output of a state whose result is its effective input or literal: `ResultPath`, then `OutputPath`.
    pub fn placed_output(&self, result: &Arc<Value>) -> Result<Arc<Value>, Fault> {
        let placed = self.place(&self.state.data.result_path, result)?;
        self.select(&self.state.data.output_path, "OutputPath", &placed)
    }

    /// The output of a state without a result: `Output`, or the effective input after `OutputPath`.
    pub fn output_of_input(&self, filtered: &Arc<Value>, output: Option<&Template>) -> Result<Arc<Value>, Fault> {
        if self.is_jsonata() {
            return self.jsonata_output(output, filtered, Extras::default());
        }
        self.select(&self.state.data.output_path, "OutputPath", filtered)
    }

    /// `Output` of JSONata, or `default` where there is none.
    pub fn jsonata_output(
        &self,
        output: Option<&Template>,
        default: &Arc<Value>,
        extras: Extras<'_>,
    ) -> Result<Arc<Value>, Fault> {
        match output {
            Some(template) => self.template(template, "Output", &self.open.input, extras).map(Arc::new),
            None => Ok(default.clone()),
        }
    }

    /// `result` put into the raw input.
    pub fn place(&self, path: &ResultPath, result: &Arc<Value>) -> Result<Arc<Value>, Fault> {
        match path {
            ResultPath::Replace => Ok(result.clone()),
            ResultPath::Discard => Ok(self.open.input.clone()),
            ResultPath::At(path) => {
                path.insert(&self.open.input, Value::clone(result)).map(Arc::new).map_err(|error| self.fault(error))
            }
        }
    }

    /// The variables that `assign` sets, `$` being `input`.
    pub fn assigned(
        &self,
        assign: Option<&Template>,
        input: &Value,
        extras: Extras<'_>,
    ) -> Result<Option<Arc<VariableMap>>, Fault> {
        let Some(template) = assign else { return Ok(None) };
        match self.template(template, "Assign", input, extras)? {
            Value::Object(values) if values.is_empty() => Ok(None),
            Value::Object(values) => Ok(Some(Arc::new(values.into_iter().collect()))),
            other => Err(self.runtime(format!("The Assign field must be an object, but was: {other}"))),
        }
    }

    /// A template of any field.
    pub fn template(
        &self,
        template: &Template,
        field: &str,
        input: &Value,
        extras: Extras<'_>,
    ) -> Result<Value, Fault> {
        self.with_data(input, extras, |data| template.evaluate(field, data))
    }

    /// A single expression of the field `field`.
    pub fn expression(&self, expression: &Expression, field: &str, input: &Value) -> Result<Value, Fault> {
        self.with_data(input, Extras::default(), |data| expression.evaluate(field, data))
    }

    /// `States.Runtime` with the usual beginning.
    pub fn runtime(&self, cause: String) -> Fault {
        self.fault(EvalError { error: "States.Runtime", cause, location: None })
    }

    /// `States.QueryEvaluationError` for a value of the wrong type.
    pub fn unexpected_type(&self, expression: &Expression, field: &str, expected: &str, value: &Value) -> Fault {
        self.fault(expression.unexpected_type(field, expected, value))
    }

    /// `States.QueryEvaluationError`.
    pub fn query_failure(&self, cause: String, location: Option<String>) -> Fault {
        self.fault(EvalError { error: "States.QueryEvaluationError", cause, location })
    }

    /// Whether the state is written in JSONata.
    pub fn is_jsonata(&self) -> bool {
        self.state.query_language == QueryLanguage::Jsonata
    }

    /// Gives `evaluate` everything an expression may refer to.
    pub fn with_data<T>(
        &self,
        input: &Value,
        extras: Extras<'_>,
        evaluate: impl FnOnce(&Data<'_>) -> Result<T, EvalError>,
    ) -> Result<T, Fault> {
        let context = self.context.get_or_init(|| {
            self.execution.context(self.frame, Some(self.open), self.token.as_ref(), self.item.clone())
        });
        let states = if self.is_jsonata() { states_object(&self.open.input, context, extras) } else { Value::Null };
        let Self { variables, random, now, .. } = self;
        let data = Data { input, context, variables, states: &states, random, now: *now };
        evaluate(&data).map_err(|error| self.fault(error))
    }

    fn select(&self, selection: &Selection, field: &str, value: &Arc<Value>) -> Result<Arc<Value>, Fault> {
        match selection {
            Selection::Whole => Ok(value.clone()),
            Selection::Nothing => Ok(Arc::new(json!({}))),
            Selection::Path(path) => {
                self.with_data(value, Extras::default(), |data| path.evaluate(field, data)).map(Arc::new)
            }
        }
    }

    fn fault(&self, error: EvalError) -> Fault {
        Fault::evaluation(self.open, self.is_jsonata(), error)
    }
}

/// The size of a value as compact JSON, in bytes of UTF-8.
pub(crate) fn size_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("counting bytes cannot fail");
    count.0
}

fn states_object(input: &Value, context: &Value, extras: Extras<'_>) -> Value {
    let mut states = Map::new();
    states.insert("input".to_owned(), input.clone());
    states.insert("context".to_owned(), context.clone());
    if let Some(result) = extras.result {
        states.insert("result".to_owned(), result.clone());
    }
    if let Some(error_output) = extras.error_output {
        states.insert("errorOutput".to_owned(), error_output.clone());
    }
    Value::Object(states)
}

/// The variables of the frame and of the frames around it, innermost first; a distributed Map hides the outer ones.
fn variables_in_sight(execution: &Execution, frame: FrameId) -> Vec<&VariableMap> {
    let mut variables = Vec::new();
    let mut next = execution.frames.get(&frame);
    while let Some(frame) = next {
        variables.push(&*frame.variables);
        next = frame.parent.and_then(|parent| execution.frames.get(&parent)).filter(|around| {
            !matches!(&around.position, crate::execution::Position::Open(open)
                if matches!(&open.waiting, Some(Waiting::Children(children)) if children.map_run.is_some()))
        });
    }
    variables
}
