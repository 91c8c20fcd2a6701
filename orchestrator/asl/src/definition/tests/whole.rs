//! A machine with every field, what is known of it, and texts that nobody would write.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use crate::definition::{
    Jitter, Next, Operand, Pattern, Resource, ResultPath, ScopeId, Selection, StateKind, StateMachine, Wait,
};

const EVERY_FIELD: &str = include_str!("every_field.asl.json");

fn every_field() -> StateMachine {
    StateMachine::parse(EVERY_FIELD, false).unwrap_or_else(|found| panic!("{found:#?}"))
}

#[test]
fn every_field_is_read() {
    let machine = every_field();
    assert_eq!(machine.comment.as_deref(), Some("Every field of the language"));
    assert_eq!(machine.timeout_seconds, Some(86_400));
    let parents: Vec<_> = machine.scopes.iter().map(|scope| scope.parent.clone()).collect();
    let inside = |name: &str| Some((ScopeId::TOP, name.into()));
    assert_eq!(
        parents,
        [
            None,
            inside("Side by side"),
            inside("Side by side"),
            inside("Inline"),
            inside("Distributed"),
            inside("Legacy")
        ]
    );
    let state = |name: &str| machine.state(ScopeId::TOP, name).expect(name);

    let StateKind::Task(task) = &state("Extract").kind else { panic!("no task") };
    let service = Resource::Service { service: "glue".into(), api: "startJobRun".into(), pattern: Pattern::Sync };
    assert_eq!(task.resource, service);
    assert!(matches!(task.timeout_seconds, Some(Operand::Literal(3600))));
    assert!(matches!(task.heartbeat_seconds, Some(Operand::Path(_))));
    let extract = state("Extract");
    assert_eq!(extract.next, Next::State("Decide".into()));
    assert_eq!(extract.retry[0].jitter, Jitter::Full);
    assert_eq!(extract.retry[0].delay_max_seconds, Some(600));
    assert_eq!((extract.retry[1].interval_seconds, extract.retry[1].attempts_max), (1, 3));
    assert_eq!(extract.catch[0].next, "Failed".into());
    assert!(matches!(extract.catch[0].result_path, ResultPath::At(_)));
    assert!(matches!(extract.data.input_path, Selection::Path(_)));
    assert!(matches!(extract.data.output_path, Selection::Nothing));
    assert!(matches!(extract.data.result_path, ResultPath::Discard));

    let StateKind::Choice(choice) = &state("Decide").kind else { panic!("no choice") };
    assert_eq!((choice.rules.len(), choice.default.as_deref()), (2, Some("Pause")));
    assert!(matches!(&state("Pause").kind, StateKind::Wait(Wait::Timestamp(Operand::Path(_)))));
    assert!(matches!(&state("Until").kind, StateKind::Wait(Wait::Seconds(Operand::Jsonata(_)))));

    let StateKind::Map(map) = &state("Distributed").kind else { panic!("no map") };
    let distributed = map.distributed.as_ref().expect("a distributed map");
    assert_eq!((distributed.label.as_deref(), distributed.execution_type.as_str()), (Some("rows"), "EXPRESS"));
    assert!(
        distributed.item_reader.is_some() && distributed.item_batcher.is_some() && distributed.result_writer.is_some()
    );
    let StateKind::Map(map) = &state("Inline").kind else { panic!("no map") };
    assert!(map.items.is_none() && map.items_template.is_some());
    assert!(machine.scopes[0].assigned.contains("attempted"));
}

#[test]
fn variable_references_are_listed_by_state() {
    let expected = BTreeMap::from([
        ("Decide".to_owned(), vec!["attempted".to_owned(), "limit".to_owned()]),
        ("Distributed".to_owned(), vec!["bucket".to_owned(), "limit".to_owned()]),
        ("Inline".to_owned(), vec!["limit".to_owned()]),
        ("Left".to_owned(), vec!["attempted".to_owned()]),
    ]);
    assert_eq!(every_field().variable_references(), expected);
}

#[test]
fn what_looks_unintended_is_a_warning() {
    let text = r#"{ "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Result": { "x": [{ "y.$": "$.z" }] }, "Parameters": { "a": { "b": "$.c" }, "d.$": "$.e" }, "Next": "B" },
        "B": { "Type": "Fail", "Error": "$.error", "Cause": "costs $5" } } }"#;
    let warnings: Vec<_> = StateMachine::warnings(text).into_iter().map(|found| (found.code, found.location)).collect();
    let at = |location: &str| Some(location.to_owned());
    assert_eq!(
        warnings,
        [
            ("PASS_RESULT_IS_STATIC", at("/States/A/Result/x[0]/y.$")),
            ("NO_DOLLAR", at("/States/A/Parameters/a/b")),
            ("NO_PATH", at("/States/B/Error")),
        ]
    );
    assert!(StateMachine::warnings(EVERY_FIELD).is_empty());
    assert!(StateMachine::warnings("nothing").is_empty());
}

#[test]
fn a_single_state_may_lead_anywhere() {
    let machine = StateMachine::parse_state(r#"{ "Type": "Pass", "Next": "Elsewhere" }"#).expect("a state");
    assert_eq!(
        machine.state(ScopeId::TOP, &machine.scopes[0].start_at).expect("the state").next,
        Next::State("Elsewhere".into())
    );
    assert!(StateMachine::parse_state(r#"{ "Type": "Pass" }"#).is_err());
}

/// Any JSON value, small.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[$.a-z{}%'\\[\\]()*?@ ]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("(StartAt|States|Type|Next|End|a\\.\\$|And|Choices)", inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// How many values there are in `value`, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Puts `new` in the place of the value with this number, counted from the front.
fn replace(value: &mut Value, place: &mut usize, new: &mut Option<Value>) {
    if *place == 0 {
        if let Some(new) = new.take() {
            *value = new;
        }
        return;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_next(item, place, new)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace_next(field, place, new)),
        _ => {}
    }
}

fn replace_next(value: &mut Value, place: &mut usize, new: &mut Option<Value>) {
    if new.is_some() {
        replace(value, place, new);
    }
}

proptest! {
    #[test]
    fn mutated_definitions_are_read_or_refused(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4), express: bool,
    ) {
        let mut value: Value = serde_json::from_str(EVERY_FIELD).expect("the file is JSON");
        for (index, new) in mutations {
            let mut place = index.index(count(&value));
            replace(&mut value, &mut place, &mut Some(new));
        }
        let text = value.to_string();
        if let Err(found) = StateMachine::parse(&text, express) {
            prop_assert!(!found.is_empty());
        }
        StateMachine::warnings(&text);
    }

    #[test]
    fn cut_and_garbled_texts_are_read_or_refused(at: prop::sample::Index, length in 0..20_usize, new in "\\PC{0,5}") {
        let characters: Vec<char> = EVERY_FIELD.chars().collect();
        let start = at.index(characters.len());
        let end = (start + length).min(characters.len());
        let text: String = characters[..start].iter().copied().chain(new.chars()).chain(characters[end..].iter().copied()).collect();
        if let Err(found) = StateMachine::parse(&text, false) {
            prop_assert!(!found.is_empty());
        }
    }
}
