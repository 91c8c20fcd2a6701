//! Recorded behaviour of the real service: one expression, its input, what came of it.

use asl::Timestamp;
use asl::definition::QueryLanguage;
use asl::query::{Data, Random, Template};
use serde_json::{Value, json};

#[test]
fn intrinsics_and_jsonata_functions_agree_with_the_recordings() {
    let table: Value = serde_json::from_str(include_str!("intrinsics.json")).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert!(cases.len() > 90, "{} cases", cases.len());
    for case in cases {
        let (language, template) = match case["language"].as_str().unwrap() {
            "JSONPath" => (QueryLanguage::JsonPath, json!({"FunctionResult.$": case["expression"]})),
            _ => (QueryLanguage::Jsonata, case["template"].clone()),
        };
        let template = Template::parse(&template, language).unwrap_or_else(|findings| panic!("{case}: {findings:?}"));
        let input = &case["input"];
        let (states, context) = (json!({"input": input}), json!({"Execution": {"Input": input}}));
        let random = Random::new([1; 32]);
        let data = Data {
            input,
            context: &context,
            variables: &[],
            states: &states,
            random: &random,
            now: Timestamp::from_millis(0),
        };
        match (template.evaluate("Output", &data), case.get("cause")) {
            (Ok(value), None) => {
                let value = if language == QueryLanguage::JsonPath { &value["FunctionResult"] } else { &value };
                assert_eq!(value, &case["expected"], "{case}");
            }
            (Err(error), Some(cause)) => assert_eq!(Some(error.cause.as_str()), cause.as_str(), "{case}"),
            (outcome, _) => panic!("{case}: {outcome:?}"),
        }
    }
}
