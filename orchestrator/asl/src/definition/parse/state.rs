//! One state: its type, the fields that several types share, and the way on.

use std::rc::Rc;

use serde_json::Value;

use super::reader::{Reader, Target};
use super::{Node, Parser, SCHEMA};
use crate::definition::QueryLanguage::{JsonPath, Jsonata};
use crate::definition::{DataFlow, Next, ResultPath, ScopeId, Selection, State, StateKind};

/// The types in AWS's order (recorded: `state_name_invalid_state_definition`).
const TYPES: [&str; 8] = ["Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map"];

impl Parser {
    /// Reads one state into its scope; what comes back is what the scope's rules need.
    pub(super) fn state(&mut self, scope: ScopeId, name: &str, value: &Value, location: String, express: bool) -> Node {
        let Some(mut reader) = Reader::new(value, location.clone(), self.language, &self.findings) else {
            return Node::unknown(name, location);
        };
        let notes = Rc::clone(&reader.notes);
        reader.query_language(self.language);
        if self.language == Jsonata && reader.language == JsonPath {
            reader.error("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine");
            reader.any_language = true;
        }
        let mut terminal = true;
        if let Some(kind) = self.state_type(&mut reader) {
            let state = self.typed(scope, name, kind, express, reader);
            terminal = state.next == Next::End || matches!(state.kind, StateKind::Succeed | StateKind::Fail(_));
            // A state without a way on has its own finding.
            terminal |= state.next == Next::Absent && !matches!(state.kind, StateKind::Choice(_));
            let name = state.name.clone();
            self.scopes[scope.0 as usize].states.insert(name, state);
        } else if let Some(next) = value.get("Next").and_then(Value::as_str) {
            // Only for reachability: the states behind one of unknown type are not to blame.
            let target = Target { name: next.to_owned(), location: format!("{location}/Next") };
            notes.targets.borrow_mut().push(target);
        }
        let targets = notes.targets.take().into_iter().map(|target| (target.name, target.location)).collect();
        Node { name: name.to_owned(), location, targets, terminal, assigned: notes.assigned.take() }
    }

    fn state_type(&self, reader: &mut Reader<'_>) -> Option<&'static str> {
        reader.require(&["Type"]);
        let text = reader.string("Type")?;
        let found = TYPES.into_iter().find(|kind| *kind == text);
        if found.is_none() {
            let message = format!("The field 'Type' should have one of these values: [{}]", TYPES.join(", "));
            self.findings.add(SCHEMA, &reader.at("Type"), message);
        }
        found
    }

    fn typed(
        &mut self,
        scope: ScopeId,
        name: &str,
        kind: &'static str,
        express: bool,
        mut reader: Reader<'_>,
    ) -> State {
        let has_way_on = !matches!(kind, "Choice" | "Succeed" | "Fail");
        let calls = matches!(kind, "Task" | "Parallel" | "Map");
        let next = if has_way_on { reader.way_on() } else { Next::Absent };
        let data = reader.data_flow(kind);
        let assign = if matches!(kind, "Succeed" | "Fail") { None } else { reader.assign() };
        reader.forbid_states(kind);
        let (retry, catch) = if calls { (reader.retry(), reader.catch()) } else { (Vec::new(), Vec::new()) };
        let name: crate::ids::StateName = name.into();
        let query_language = reader.language;
        let notes = Rc::clone(&reader.notes);
        let kind = match kind {
            "Task" => reader.task(express),
            "Wait" => reader.wait(),
            "Pass" => StateKind::Pass { result: reader.value_in(JsonPath, "Result").cloned() },
            "Succeed" => StateKind::Succeed,
            "Fail" => reader.fail(),
            "Choice" => reader.choice(),
            "Parallel" => self.parallel(scope, &name, express, &mut reader),
            _ => self.map(scope, &name, express, &mut reader),
        };
        reader.finish();
        let variables = notes.variables.take();
        State { name, query_language, next, data, assign, retry, catch, kind, variables }
    }
}

impl Reader<'_> {
    /// `Next` or `End: true`, exactly one of them.
    fn way_on(&mut self) -> Next {
        let end = self.boolean("End");
        let next = self.target("Next");
        match (next, end) {
            (Some(_), Some(true)) => {
                self.error("Only one of 'Next' and 'End' is allowed; remove one of them");
                Next::End
            }
            (Some(name), _) => Next::State(name),
            (None, Some(true)) => Next::End,
            (None, _) => {
                // A field of the wrong type has its own finding.
                let unread = self.has("Next") || (self.has("End") && end.is_none());
                if !unread {
                    self.error("One of 'Next' and 'End' is required; name the next state or write \"End\": true");
                }
                Next::Absent
            }
        }
    }

    /// The data fields that states of this type have; the others stay behind as unknown fields.
    fn data_flow(&mut self, kind: &str) -> DataFlow {
        let mut data = DataFlow {
            input_path: Selection::Whole,
            parameters: None,
            result_selector: None,
            result_path: ResultPath::Replace,
            output_path: Selection::Whole,
            output: None,
        };
        if kind == "Fail" {
            return data;
        }
        data.input_path = self.selection("InputPath");
        data.output_path = self.selection("OutputPath");
        data.output = self.template_in(Jsonata, "Output");
        if matches!(kind, "Task" | "Pass" | "Parallel") {
            data.parameters = self.template_in(JsonPath, "Parameters");
        }
        if matches!(kind, "Task" | "Parallel") {
            let arguments = self.template_in(Jsonata, "Arguments");
            data.parameters = data.parameters.or(arguments);
        }
        if matches!(kind, "Task" | "Pass" | "Parallel" | "Map") {
            data.result_path = self.result_path();
        }
        if matches!(kind, "Task" | "Parallel" | "Map") {
            data.result_selector = self.object_template_in(JsonPath, "ResultSelector");
        }
        data
    }

    /// Where `$states.result` and `$states.errorOutput` cannot be read. Source: AWS, "Transforming data with JSONata".
    fn forbid_states(&self, kind: &str) {
        let outputs = ["Output", "Assign"];
        if matches!(kind, "Task" | "Parallel" | "Map") {
            self.forbid_states_members(&outputs, &["errorOutput"]);
        } else {
            self.forbid_states_members(&outputs, &["result", "errorOutput"]);
        }
        let before_result = [
            "Arguments",
            "Credentials",
            "TimeoutSeconds",
            "HeartbeatSeconds",
            "Seconds",
            "Timestamp",
            "Error",
            "Cause",
            "Items",
            "ItemSelector",
            "MaxConcurrency",
            "ToleratedFailureCount",
            "ToleratedFailurePercentage",
            "Choices",
        ];
        self.forbid_states_members(&before_result, &["result", "errorOutput"]);
    }
}
