//! Tables of expressions.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::query::testing::Scene;

fn evaluate(text: &str, scene: &Scene) -> Result<Value, EvalError> {
    Program::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).evaluate(text, "Output", &scene.data())
}

#[test]
fn expressions_have_these_values() {
    let mut scene = Scene::on(json!({
        "n": 2, "list": [1, 2, 3], "rows": [{"k": "a", "v": 1}, {"k": "b", "v": 2}], "one": [5], "nil": null,
    }));
    scene.set("x", json!(10));
    scene.set("rows", json!([{"k": 1}]));
    for (text, expected) in [
        ("$states.input.n + $x", json!(12)),
        ("$sum($states.input.list) + 0.5", json!(6.5)),
        ("$states.input.list", json!([1, 2, 3])),
        ("$states.input.one", json!([5])),
        ("$states.input.nil", json!(null)),
        ("$states.input.rows.v", json!([1, 2])),
        ("$states.input.rows[k = 'b'].v", json!(2)),
        ("$rows.k", json!(1)),
        ("$states.input ~> $keys()", json!(["n", "list", "rows", "one", "nil"])),
        ("$states.context.State.Name", json!("S")),
        ("{'a': $x, 'b': $no}", json!({"a": 10})),
        ("[1, $no, null]", json!([1, null])),
        ("($y := 3; $y * $x)", json!(30)),
        ("$exists($)", json!(false)),
        ("$type($states.input.nil)", json!("null")),
        ("$contains(\"hello$world\", /^hello\\$/)", json!(true)),
        ("$partition([0, 1, 2], 2)", json!([[0, 1], [2]])),
        ("$partition([0], 3.9)", json!([[0]])),
        ("$range(0, 9, 3)", json!([0, 3, 6, 9])),
        ("$range(5, 1, -2)", json!([5, 3, 1])),
        ("$range(-1.7, 2, 1)", json!([-1, 0, 1, 2])),
        ("$range(1, 9, 9)", json!(1)),
        ("$hash('input data', 'MD5')", json!("812f45842bc6d66ee14572ce20db8e86")),
        ("$parse('{\"Arg1\": 1, \"Arg2\": []}')", json!({"Arg1": 1, "Arg2": []})),
        ("$parse('1.1')", json!(1.1)),
        ("$random(7) = $random(7)", json!(true)),
        ("$random() < 1 and $random() >= 0", json!(true)),
        ("$length($uuid())", json!(36)),
        ("$uuid() = $uuid()", json!(false)),
        ("$sort($shuffle([3, 1, 2]))", json!([1, 2, 3])),
        ("$now()", json!("2023-11-14T22:13:20.123Z")),
        ("$now('[Y0001]-[M01]-[D01]')", json!("2023-11-14")),
        ("$millis()", json!(1_700_000_000_123_i64)),
    ] {
        assert_eq!(evaluate(text, &scene), Ok(expected), "{text}");
    }
}

#[test]
fn numbers_that_are_only_looked_up_stay_as_they_are() {
    let mut scene = Scene::on(json!({"id": 9_007_199_254_740_993_i64, "deep": {"f": 1.0}, "list": [{"id": 1.0}]}));
    scene.set("v", json!({"big": u64::MAX}));
    for (text, expected) in [
        ("$states.input.id", "9007199254740993"),
        ("$states.input.deep", r#"{"f":1.0}"#),
        ("$states.input.deep.f", "1.0"),
        ("$v.big", "18446744073709551615"),
        ("$v", r#"{"big":18446744073709551615}"#),
        // The engine maps over arrays, and its numbers are doubles.
        ("$states.input.list.id", "1"),
    ] {
        assert_eq!(evaluate(text, &scene).unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn failures_are_worded_as_recorded() {
    let scene = Scene::on(json!({}));
    for (text, what) in [
        ("$doesNotExist", "returned nothing (undefined)."),
        ("$states.input.no.such", "returned nothing (undefined)."),
        ("nothing", "returned nothing (undefined)."),
        ("$partition([], 2)", "returned nothing (undefined)."),
        ("$partition([1], 0)", "returned nothing (undefined)."),
        ("$range(1, 5)", "returned nothing (undefined)."),
        ("$range(1, 5, -1)", "returned nothing (undefined)."),
        ("$hash('x')", "returned nothing (undefined)."),
        ("$fn := function($x){$x}", "returned an unsupported result type."),
        ("$sum", "returned an unsupported result type."),
        ("/a/", "returned an unsupported result type."),
        ("[function($x){$x}]", "returned an unsupported result type."),
        ("$randomSeeded('fst')", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("$eval('1')", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("$error('mine')", "threw an error during evaluation. D3137: mine"),
        ("$range(1, 400000, 1)", "threw an error during evaluation. Expression evaluation memory limit exceeded"),
        ("($f := function($n){1 + $f($n)}; $f(1))", "threw an error during evaluation. Stack overflow error"),
    ] {
        let error = evaluate(text, &scene).unwrap_err();
        assert_eq!(error.error, "States.QueryEvaluationError", "{text}");
        assert_eq!(error.location.as_deref(), Some("Output"));
        let expected = format!("The JSONata expression '{text}' specified for the field 'Output' {what}");
        assert_eq!(error.cause, expected);
    }
    let error = evaluate("1 + 'a'", &scene).unwrap_err();
    assert!(error.cause.contains("threw an error during evaluation. T2002: "), "{}", error.cause);
    let error = evaluate("$hash('x', 1)", &scene).unwrap_err();
    assert!(error.cause.contains("T0410: "), "{}", error.cause);
}

#[test]
fn a_hundred_levels_are_enough_for_a_hundred_terms() {
    let scene = Scene::on(json!({}));
    assert_eq!(evaluate(&vec!["1"; 100].join("+"), &scene), Ok(json!(100)));
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(evaluate(&deep(90), &scene).is_ok());
}

#[test]
fn an_endless_expression_is_cut() {
    let scene = Scene::on(json!({}));
    let error = evaluate("($f := function($n){$f($n + 1)}; $f(1))", &scene).unwrap_err();
    assert!(error.cause.ends_with("Expression evaluation timeout"), "{}", error.cause);
}

#[test]
fn newer_syntax_and_mistakes_are_refused() {
    for text in ["", "1 +", "$a ?? 1", "$a ?: 1", "(", "'a", "$states := 1", "function($states){1}"] {
        assert!(Program::parse(text).is_err(), "{text}");
    }
}

#[test]
fn free_variables_and_fields_of_states_are_found() {
    for (text, variables, fields) in [
        ("1", vec![], vec![]),
        ("$a + $sum($b.c)", vec!["a", "b"], vec![]),
        ("($a := 1; $a + $b)", vec!["b"], vec![]),
        ("$map($list, function($x, $i){ $x * $i * $k })", vec!["k", "list"], vec![]),
        ("$states.input.rows[v > $min].{'k': $states.context.Execution.Id}", vec!["min"], vec!["context", "input"]),
        ("$states.result ~> |a|{'x': $y}|", vec!["y"], vec!["result"]),
        ("$rows@$r#$i.($r.x = $z)", vec!["rows", "z"], vec![]),
    ] {
        let program = Program::parse(text).unwrap();
        assert_eq!(Vec::from_iter(program.variables()), variables, "{text}");
        assert_eq!(Vec::from_iter(program.states_fields()), fields, "{text}");
    }
}

#[test]
fn only_whole_strings_are_expressions() {
    for (text, expected) in [
        ("{% 1 %}", Ok(Some("1"))),
        ("{%1%}", Ok(Some("1"))),
        ("{%%}", Ok(Some(""))),
        ("plain", Ok(None)),
        (" {% 1 %}", Err(())),
        ("{% 1 %} ", Err(())),
        ("{%}", Err(())),
        ("{", Ok(None)),
    ] {
        assert_eq!(delimited(text).map_err(|_| ()), expected, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn parsing_and_evaluating_never_panics(text in r"[-$a-c0-9.()\[\]{}+*'%@#?:=~>, ]{0,24}") {
        if let Ok(program) = Program::parse(&text) {
            let scene = Scene::on(json!({"a": [1, {"b": 2}]}));
            let _ = program.evaluate(&text, "Output", &scene.data());
        }
    }
}

#[test]
fn a_definition_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<crate::definition::StateMachine>();
}
