//! Tables of rules.

use serde_json::json;

use super::*;
use crate::query::testing::Scene;

fn test(rule: Value, scene: &Scene) -> Result<bool, EvalError> {
    Condition::parse(&rule, QueryLanguage::JsonPath)
        .unwrap_or_else(|findings| panic!("{findings:?}"))
        .test(0, &scene.data())
}

fn rule(comparator: &str, operand: Value) -> Value {
    json!({"Variable": "$.v", comparator: operand, "Next": "N", "Comment": "c"})
}

#[test]
fn literals_compare_within_their_type() {
    for (value, comparator, operand, expected) in [
        (json!("A"), "StringEquals", json!("A"), true),
        (json!(" "), "StringEquals", json!("     "), false),
        (json!("a"), "StringEquals", json!("A"), false),
        (json!(1), "StringEquals", json!("1"), false),
        (json!("A"), "StringLessThan", json!("AB"), true),
        (json!(""), "StringLessThan", json!(""), false),
        (json!("AB"), "StringGreaterThan", json!("A"), true),
        (json!(""), "StringLessThanEquals", json!(""), true),
        (json!("A"), "StringGreaterThanEquals", json!("AB"), false),
        (json!(0), "NumericEquals", json!(0.0), true),
        (json!(2.22), "NumericEquals", json!(2.22), true),
        (json!("0"), "NumericEquals", json!(0), false),
        (json!(false), "NumericEquals", json!(0), false),
        (json!(null), "NumericEquals", json!(0), false),
        (json!(1), "NumericGreaterThan", json!(0), true),
        (json!(1), "NumericLessThan", json!(1), false),
        (json!(1), "NumericLessThanEquals", json!(1), true),
        (json!(0), "NumericGreaterThanEquals", json!(1), false),
        (json!(true), "BooleanEquals", json!(true), true),
        (json!(false), "BooleanEquals", json!(true), false),
        (json!("true"), "BooleanEquals", json!(true), false),
        (json!("2012-10-09T19:00:55Z"), "TimestampEquals", json!("2012-10-09T20:00:55+01:00"), true),
        (json!("2012-10-09T19:00:55Z"), "TimestampEquals", json!("2012-10-09T19:00:55.000Z"), true),
        (json!("2012-10-09T19:00:55"), "TimestampEquals", json!("2012-10-09T19:00:55Z"), false),
        (json!("2012-10-09T19:00:55Z"), "TimestampLessThan", json!("2012-10-09T19:00:56Z"), true),
        (json!("2012-10-09T19:00:56Z"), "TimestampGreaterThan", json!("2012-10-09T19:00:55Z"), true),
        (json!("2012-10-09T19:00:56Z"), "TimestampLessThanEquals", json!("2012-10-09T19:00:55Z"), false),
        (json!("2012-10-09T19:00:56Z"), "TimestampGreaterThanEquals", json!("2012-10-09T19:00:56Z"), true),
    ] {
        let scene = Scene::on(json!({"v": value}));
        assert_eq!(test(rule(comparator, operand.clone()), &scene), Ok(expected), "{value} {comparator} {operand}");
        let mut with_path = Scene::on(json!({"v": value, "w": operand}));
        let path_rule = rule(&format!("{comparator}Path"), json!("$.w"));
        assert_eq!(test(path_rule, &with_path), Ok(expected), "{value} {comparator}Path {operand}");
        with_path.set("w", operand.clone());
        let variable_rule = rule(&format!("{comparator}Path"), json!("$w"));
        assert_eq!(test(variable_rule, &with_path), Ok(expected), "{value} {comparator}Path {operand}");
    }
}

#[test]
fn types_are_told_apart() {
    for (value, is) in [
        (json!(null), "IsNull"),
        (json!(0), "IsNumeric"),
        (json!(1.1), "IsNumeric"),
        (json!("x"), "IsString"),
        (json!("2012-10-09T19:00:55"), "IsString"),
        (json!("2023-02-24"), "IsString"),
        (json!("2012-10-09t19:00:55Z"), "IsString"),
        (json!("2012-10-09T19:00:55z"), "IsString"),
        (json!("2012-10-09 19:00:55Z"), "IsString"),
        (json!(false), "IsBoolean"),
        (json!([]), ""),
        (json!({"A": 0}), ""),
    ] {
        let scene = Scene::on(json!({"v": value}));
        for comparator in ["IsNull", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp"] {
            assert_eq!(test(rule(comparator, json!(true)), &scene), Ok(comparator == is), "{comparator} {value}");
            assert_eq!(test(rule(comparator, json!(false)), &scene), Ok(comparator != is), "not {comparator} {value}");
        }
    }
    for text in ["2012-10-09T19:00:55Z", "2012-10-09T19:00:55+01:00", "2012-10-09T19:00:55.123456Z"] {
        assert_eq!(test(rule("IsTimestamp", json!(true)), &Scene::on(json!({"v": text}))), Ok(true), "{text}");
    }
}

#[test]
fn patterns_match_whole_texts() {
    for (pattern, text, expected) in [
        ("log-*.txt", "log-2024.txt", true),
        ("log-*.txt", "log-.txt", true),
        ("log-*.txt", "log-2024.txt.gz", false),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("*a*b*", "xxaxxbxx", true),
        ("*ab", "aab", true),
        ("a*", "ba", false),
        (r"a\*b", "a*b", true),
        (r"a\*b", "axb", false),
        (r"a\\*", r"a\anything", true),
        ("f?o", "foo", false),
        ("ü*", "über", true),
    ] {
        let scene = Scene::on(json!({"v": text}));
        assert_eq!(test(rule("StringMatches", json!(pattern)), &scene), Ok(expected), "{pattern} {text}");
    }
    assert_eq!(test(rule("StringMatches", json!("*")), &Scene::on(json!({"v": 1}))), Ok(false));
}

#[test]
fn absent_variable_is_an_error_except_for_is_present() {
    let scene = Scene::on(json!({"here": null}));
    assert_eq!(test(rule("IsPresent", json!(true)), &scene), Ok(false));
    assert_eq!(test(rule("IsPresent", json!(false)), &scene), Ok(true));
    assert_eq!(test(json!({"Variable": "$.here", "IsPresent": true}), &scene), Ok(true));
    assert_eq!(test(json!({"Variable": "$.here.deeper", "IsPresent": true}), &scene), Ok(false));
    for (rule, path) in [
        (rule("IsNull", json!(true)), "$.v"),
        (rule("StringEquals", json!("x")), "$.v"),
        (json!({"Variable": "$.here", "StringEqualsPath": "$.w"}), "$.w"),
        (json!({"Not": {"Variable": "$unset", "StringEquals": "x"}}), "$unset"),
    ] {
        let error = test(rule, &scene).unwrap_err();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(
            error.cause,
            format!("Invalid path '{path}': The choice state's condition path references an invalid value.")
        );
    }
}

#[test]
fn boolean_rules_stop_early() {
    let scene = Scene::on(json!({"a": 1, "s": "x"}));
    let present = json!({"Variable": "$.no", "IsPresent": true});
    let broken = json!({"Variable": "$.no", "IsNull": true});
    let yes = json!({"Variable": "$.a", "NumericEquals": 1});
    for (rule, expected) in [
        (json!({"And": [present, broken], "Next": "N"}), false),
        (json!({"Or": [yes, broken], "Next": "N"}), true),
        (json!({"Not": present, "Next": "N"}), true),
        (
            json!({"And": [yes, {"Not": {"Or": [present, {"Variable": "$.s", "StringEquals": "y"}]}}], "Next": "N"}),
            true,
        ),
        // A mismatch of types is false, so its negation is true.
        (json!({"Not": {"Variable": "$.s", "NumericEquals": 1}, "Next": "N"}), true),
    ] {
        assert_eq!(test(rule.clone(), &scene), Ok(expected), "{rule}");
    }
}

#[test]
fn variables_of_all_parts_are_found() {
    let rule = json!({"And": [
        {"Variable": "$a.b", "StringEqualsPath": "$b"},
        {"Not": {"Variable": "$$.c", "IsNull": true}},
    ], "Next": "N"});
    let condition = Condition::parse(&rule, QueryLanguage::JsonPath).unwrap();
    assert_eq!(Vec::from_iter(condition.variables()), ["a", "b"]);
}

#[test]
fn every_mistake_is_a_finding_at_its_place() {
    for (rule, places) in [
        (json!(1), vec![""]),
        (json!({"Next": "N"}), vec![""]),
        (json!({"StringEquals": "x", "Next": "N"}), vec![""]),
        (json!({"Variable": 1, "StringEquals": "x"}), vec!["/Variable"]),
        (json!({"Variable": "v", "StringEquals": 1}), vec!["/StringEquals", "/Variable"]),
        (json!({"Variable": "$.v", "StringEquals": "x", "StringLessThan": "y"}), vec![""]),
        (json!({"Variable": "$.v", "StringEqualz": "x"}), vec![""]),
        (json!({"Variable": "$.v", "BooleanLessThan": true}), vec![""]),
        (json!({"Variable": "$.v", "StringMatchesPath": "$.x"}), vec![""]),
        (json!({"Variable": "$.v", "StringMatches": "\\x"}), vec!["/StringMatches"]),
        (json!({"Variable": "$.v", "NumericEqualsPath": "x"}), vec!["/NumericEqualsPath"]),
        (json!({"Variable": "$.v", "TimestampEquals": "2012"}), vec!["/TimestampEquals"]),
        (json!({"Variable": "$.v", "IsNull": "true"}), vec!["/IsNull"]),
        (json!({"And": []}), vec!["/And"]),
        (json!({"And": {}}), vec!["/And"]),
        (json!({"Or": [{"Variable": "$.v", "IsNull": 1}, {"Next": "N"}]}), vec!["/Or[0]/IsNull", "/Or[1]"]),
        (json!({"Not": []}), vec!["/Not"]),
        (json!({"Condition": true}), vec![""]),
    ] {
        let findings = Condition::parse(&rule, QueryLanguage::JsonPath).unwrap_err();
        let found: Vec<_> = findings.iter().map(|finding| finding.location.as_str()).collect();
        assert_eq!(found, places, "{rule}: {findings:?}");
    }
}

#[test]
fn jsonata_conditions_are_booleans() {
    let mut scene = Scene::on(json!({"n": 3}));
    scene.set("limit", json!(2));
    let test = |rule: &Value| Condition::parse(rule, QueryLanguage::Jsonata).unwrap().test(1, &scene.data());
    assert_eq!(test(&json!({"Condition": "{% $states.input.n > $limit %}", "Next": "N", "Output": 1})), Ok(true));
    assert_eq!(test(&json!({"Condition": false, "Next": "N"})), Ok(false));
    let error = test(&json!({"Condition": "{% 1 %}", "Next": "N"})).unwrap_err();
    assert_eq!(error.error, "States.QueryEvaluationError");
    assert_eq!(error.location.as_deref(), Some("Choices[1]/Condition"));
    assert_eq!(
        error.cause,
        "The JSONata expression '1' specified for the field 'Choices[1]/Condition' returned an unexpected result type. \
         Expected 'boolean', but was 'number' for value: 1"
    );
    for rule in [
        json!({"Next": "N"}),
        json!({"Condition": "true"}),
        json!({"Condition": 1}),
        json!({"Condition": "{% 1 + %}"}),
        json!({"Condition": true, "Variable": "$.a"}),
    ] {
        assert!(Condition::parse(&rule, QueryLanguage::Jsonata).is_err(), "{rule}");
    }
}
