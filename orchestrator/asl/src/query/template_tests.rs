//! Tables of templates.

use serde_json::json;

use super::*;
use crate::query::testing::Scene;

fn evaluate(template: Value, language: QueryLanguage, scene: &Scene) -> Result<Value, EvalError> {
    Template::parse(&template, language)
        .unwrap_or_else(|findings| panic!("{findings:?}"))
        .evaluate("Output", &scene.data())
}

#[test]
fn payload_templates_evaluate_only_marked_keys() {
    let mut scene = Scene::on(json!({"a": {"b": [1, 2.5]}, "s": "x"}));
    scene.context = json!({"Map": {"Item": {"Value": 7}}});
    scene.set("v", json!(null));
    for (template, expected) in [
        (json!({}), json!({})),
        (json!("$.a"), json!("$.a")),
        (json!({"z.$": "$.a.b[1]", "y": "$.a", "x.$": "$v"}), json!({"z": 2.5, "y": "$.a", "x": null})),
        (json!({"deep": [{"n.$": "$$.Map.Item.Value"}, "$.s", ["$.s"]]}), json!({"deep": [{"n": 7}, "$.s", ["$.s"]]})),
        (json!({"f.$": "States.Format('<{}>', $.s)"}), json!({"f": "<x>"})),
        (json!({"all.$": "$.a.b[*]", "none.$": "$.q[*].r"}), json!({"all": [1, 2.5], "none": []})),
        (json!({"s": "{% 1 %}"}), json!({"s": "{% 1 %}"})),
    ] {
        let value = evaluate(template, QueryLanguage::JsonPath, &scene).unwrap();
        assert_eq!(value.to_string(), expected.to_string());
    }
}

#[test]
fn missing_path_names_the_key_alone() {
    let scene = Scene::on(json!({"int-literal": 0}));
    let error = evaluate(json!({"a": [{"value.$": "$.no"}]}), QueryLanguage::JsonPath, &scene).unwrap_err();
    assert_eq!(error.error, "States.Runtime");
    assert_eq!(
        error.cause,
        "The JSONPath '$.no' specified for the field 'value.$' could not be found in the input '{\"int-literal\":0}'"
    );
}

#[test]
fn every_bad_field_is_a_finding() {
    let template = json!({
        "parsed.$": r#"States.StringToJson('{"text":"An \"escaped double quote\" here"}')"#,
        "deep": [{"n.$": 1, "ok.$": "$.ok"}],
        "both": 1, "both.$": "$",
    });
    let findings = Template::parse(&template, QueryLanguage::JsonPath).unwrap_err();
    let found: Vec<_> = findings.iter().map(|f| (f.location.as_str(), f.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("", "The value for the field 'parsed.$' must be a valid JSONPath or a valid intrinsic function call"),
            ("/deep[0]", "The value for the field 'n.$' must be a valid JSONPath or a valid intrinsic function call"),
            ("", "The fields 'both' and 'both.$' cannot both be present"),
        ]
    );
}

#[test]
fn jsonata_strings_are_expressions_at_any_depth() {
    let mut scene = Scene::on(json!({"n": 2, "s": "x"}));
    scene.set("v", json!({"k": 1}));
    for (template, expected) in [
        (json!("{% $states.input.n + 1 %}"), json!(3)),
        (
            json!([null, 0, 0.1, true, "$.s", "{% $v.k %}", {"key": "{%true%}"}]),
            json!([null, 0, 0.1, true, "$.s", 1, {"key": true}]),
        ),
        (json!({"a.$": "$.n", "{% 1 %}": "{ % 1 % }"}), json!({"a.$": "$.n", "{% 1 %}": "{ % 1 % }"})),
    ] {
        let value = evaluate(template, QueryLanguage::Jsonata, &scene).unwrap();
        assert_eq!(value.to_string(), expected.to_string());
    }
}

#[test]
fn jsonata_failures_say_where() {
    let scene = Scene::on(json!({}));
    for (template, place) in [(json!("{% $no %}"), "Output"), (json!({"a": {"b": [1, "{% $no %}"]}}), "Output/a/b[1]")]
    {
        let error = evaluate(template, QueryLanguage::Jsonata, &scene).unwrap_err();
        assert_eq!(error.error, "States.QueryEvaluationError");
        assert_eq!(error.location.as_deref(), Some(place));
        assert_eq!(
            error.cause,
            format!("The JSONata expression '$no' specified for the field '{place}' returned nothing (undefined).")
        );
    }
}

#[test]
fn malformed_jsonata_is_a_finding() {
    for template in [json!({"a": "{% 1 + %}"}), json!({"a": "{% 1"}), json!({"a": "{%"}), json!({"a": " {% 1 %}"})] {
        let findings = Template::parse(&template, QueryLanguage::Jsonata).unwrap_err();
        assert_eq!(findings.len(), 1, "{template}");
        assert_eq!(findings[0].location, "/a");
    }
}

#[test]
fn keys_are_the_assigned_variables() {
    let keys = |template, language| Template::parse(&template, language).unwrap().keys();
    assert_eq!(keys(json!({"x.$": "$.a", "y": 1}), QueryLanguage::JsonPath), ["x", "y"]);
    assert_eq!(keys(json!({"x": "{% 1 %}", "y": {"z": 2}}), QueryLanguage::Jsonata), ["x", "y"]);
    assert_eq!(keys(json!({"y": 1}), QueryLanguage::JsonPath), ["y"]);
}

#[test]
fn variables_and_states_fields_are_found() {
    let template =
        Template::parse(&json!({"a": ["{% $x + $states.result.n %}"], "b": "{% $y %}"}), QueryLanguage::Jsonata)
            .unwrap();
    assert_eq!(Vec::from_iter(template.variables()), ["x", "y"]);
    assert_eq!(Vec::from_iter(template.states_fields()), ["result"]);
}
