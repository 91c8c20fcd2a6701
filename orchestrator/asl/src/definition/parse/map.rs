//! The Parallel and Map states: what is inside them is a scope of its own.

use serde_json::Value;

use super::Parser;
use super::expression::has_expression;
use super::reader::Reader;
use crate::definition::QueryLanguage::{JsonPath, Jsonata};
use crate::definition::{Map, Operand, ScopeId, StateKind};
use crate::ids::StateName;
use crate::query::Template;

/// The largest `MaxConcurrency` of a definition: what the API's 32-bit field holds.
const CONCURRENCY_MAX: u64 = i32::MAX as u64;

/// Fields that a Map has only with `Mode: DISTRIBUTED`. The tolerated failures are not among them: AWS takes them
/// inline too, where they mean nothing (recorded: `base_map_TOLERATED_FAILURE_COUNT`).
const DISTRIBUTED_ONLY: [&str; 4] = ["ItemReader", "ItemBatcher", "ResultWriter", "Label"];

/// `ProcessorConfig`.
enum Processor {
    Inline,
    Distributed { execution_type: &'static str },
}

impl Parser {
    /// The fields that only a Parallel has.
    pub(super) fn parallel(
        &mut self,
        scope: ScopeId,
        name: &StateName,
        express: bool,
        reader: &mut Reader<'_>,
    ) -> StateKind {
        reader.require(&["Branches"]);
        let branches = reader
            .objects("Branches")
            .into_iter()
            .map(|branch| self.scope(branch.apart(), Some((scope, name.clone())), express, false))
            .collect();
        StateKind::Parallel { branches }
    }

    /// The fields that only a Map has.
    pub(super) fn map(
        &mut self,
        scope: ScopeId,
        name: &StateName,
        express: bool,
        reader: &mut Reader<'_>,
    ) -> StateKind {
        let (items, items_template) = reader.items();
        let item_selector = reader.item_selector();
        let max_concurrency = reader.integer_operand("MaxConcurrency", "MaxConcurrencyPath", 0..=CONCURRENCY_MAX);
        let count = reader.operand("ToleratedFailureCount", "ToleratedFailureCountPath", |reader, value| {
            let count = reader.as_integer("ToleratedFailureCount", value, 0..=i64::MAX as u64)?;
            Some(i64::try_from(count).expect("the range ends at the largest i64"))
        });
        let percentage =
            reader.operand("ToleratedFailurePercentage", "ToleratedFailurePercentagePath", |reader, value| {
                reader.as_number("ToleratedFailurePercentage", value, 0.0..=100.0)
            });
        let legacy = reader.has("Iterator");
        if !legacy {
            reader.require(&["ItemProcessor"]);
        }
        reader.exclusive(&["ItemProcessor", "Iterator"]);
        let inner = reader.object("ItemProcessor");
        let processor_field = if inner.is_some() { "ItemProcessor" } else { "Iterator" };
        let inner = reader.object("Iterator").filter(|_| inner.is_none()).or(inner);
        let Some(mut inner) = inner else {
            // No processor is a finding; the scope's own id keeps the value whole until then.
            reader.skip(&DISTRIBUTED_ONLY);
            return StateKind::Map(Box::new(Map {
                processor: scope,
                items,
                items_template,
                item_selector,
                max_concurrency,
                tolerated_failure_count: count,
                tolerated_failure_percentage: percentage,
                distributed: None,
            }));
        };
        let config = inner.processor_config();
        let (distributed, inner_express) = match config {
            Processor::Inline => {
                reader.refuse_distributed(processor_field);
                (None, express)
            }
            Processor::Distributed { execution_type } => {
                if express {
                    let message = "Express state machine does not support Map state in 'DISTRIBUTED' mode";
                    inner.field_error("ProcessorConfig/Mode", message);
                }
                (Some(self.distributed(reader, execution_type)), execution_type == "EXPRESS")
            }
        };
        let isolated = distributed.is_some();
        let processor = self.scope(inner.apart(), Some((scope, name.clone())), inner_express, isolated);
        StateKind::Map(Box::new(Map {
            processor,
            items,
            items_template,
            item_selector,
            max_concurrency,
            tolerated_failure_count: count,
            tolerated_failure_percentage: percentage,
            distributed,
        }))
    }
}

impl<'v> Reader<'v> {
    /// `ItemsPath` or `Items`. A literal that holds expressions is a template rather than an operand.
    fn items(&mut self) -> (Option<Operand<Value>>, Option<Template>) {
        let path = self.path("ItemsPath").map(Operand::Path);
        let Some(value) = self.value_in(Jsonata, "Items") else { return (path, None) };
        match self.jsonata("Items", value) {
            Ok(Some(expression)) => (Some(Operand::Jsonata(expression)), None),
            Ok(None) if !(value.is_array() || value.is_object()) => {
                self.field_error("Items", "Expected a JSON array, a JSON object or a JSONata expression");
                (None, None)
            }
            Ok(None) if has_expression(value) => (None, self.parse_template("Items", value)),
            Ok(None) => (Some(Operand::Literal(value.clone())), None),
            Err(()) => (None, None),
        }
    }

    /// `ItemSelector`, or its legacy name `Parameters`.
    fn item_selector(&mut self) -> Option<Template> {
        self.exclusive(&["ItemSelector", "Parameters"]);
        let legacy = self.template_in(JsonPath, "Parameters");
        self.template("ItemSelector").or(legacy)
    }

    /// `ProcessorConfig` of an `ItemProcessor`.
    fn processor_config(&mut self) -> Processor {
        if !self.has("ProcessorConfig") {
            return Processor::Inline;
        }
        let Some(mut config) = self.object("ProcessorConfig") else { return Processor::Inline };
        let mode = config.word("Mode", &["INLINE", "DISTRIBUTED"]).unwrap_or("INLINE");
        let processor = if mode == "DISTRIBUTED" {
            config.require(&["ExecutionType"]);
            let execution_type = config.word("ExecutionType", &["STANDARD", "EXPRESS"]).unwrap_or("STANDARD");
            Processor::Distributed { execution_type }
        } else {
            if config.has("ExecutionType") {
                config.value("ExecutionType");
                config.error("Field 'ExecutionType' is only supported with Mode 'DISTRIBUTED'; remove it");
            }
            Processor::Inline
        };
        config.finish();
        processor
    }

    /// Reports fields that need `Mode: DISTRIBUTED`.
    fn refuse_distributed(&mut self, processor_field: &str) {
        for field in DISTRIBUTED_ONLY {
            if self.has(field) {
                self.error(format!(
                    "Field '{field}' is only supported in 'DISTRIBUTED' mode; \
                     set {processor_field}.ProcessorConfig.Mode to 'DISTRIBUTED' or remove it"
                ));
            }
        }
        self.skip(&DISTRIBUTED_ONLY);
    }

    /// Takes fields that need no further look.
    fn skip(&mut self, fields: &[&'static str]) {
        for field in fields {
            self.value(field);
        }
    }

    /// The same object as the root of a scope: what its states do is not noted with the state around them.
    fn apart(mut self) -> Self {
        self.notes = Default::default();
        self
    }
}
