//! Fields of single states.

use super::{check_jsonata_state, check_state, findings};

const TASK: &str = r#""Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true"#;
const PROCESSOR: &str = r#""ItemProcessor": { "StartAt": "P", "States": { "P": { "Type": "Succeed" } } }"#;

#[test]
fn a_type_is_one_of_eight() {
    check_state(r#""End": true"#, &["These fields are required: [Type]"]);
    check_state(
        r#""Type": "TypeThatDoesNotExist", "End": true"#,
        &[
            "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] @ /Type",
        ],
    );
}

#[test]
fn all_findings_are_reported_at_once() {
    check_state(
        r#""Type": "Task", "Catch": [{ "Next": "X" }, 5], "TimeoutSeconds": 0, "Nxt": "Y", "Output": 1"#,
        &[
            "One of 'Next' and 'End' is required; name the next state or write \"End\": true",
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
            "Expected value of type [OBJECT] @ /Catch[1]",
            "These fields are required: [ErrorEquals] @ /Catch[0]",
            "These fields are required: [Resource]",
            "Minimum value is 1 @ /TimeoutSeconds",
            "Field 'Nxt' is not supported",
        ],
    );
}

#[test]
fn the_way_on_is_next_or_end() {
    let one = "One of 'Next' and 'End' is required; name the next state or write \"End\": true";
    check_state(r#""Type": "Pass""#, &[one]);
    check_state(r#""Type": "Pass", "End": false"#, &[one]);
    check_state(r#""Type": "Pass", "End": "yes""#, &["Expected value of type [BOOLEAN] @ /End"]);
    check_state(
        r#""Type": "Pass", "Next": "X", "End": true"#,
        &["Only one of 'Next' and 'End' is allowed; remove one of them"],
    );
    for kind in ["Succeed", "Fail"] {
        check_state(&format!(r#""Type": "{kind}", "End": true"#), &["Field 'End' is not supported"]);
    }
}

#[test]
fn states_have_only_the_fields_of_their_type() {
    for (fields, unknown) in [
        (r#""Type": "Pass", "End": true, "Catch": []"#, "Catch"),
        (r#""Type": "Pass", "End": true, "ResultSelector": {}"#, "ResultSelector"),
        (r#""Type": "Wait", "Seconds": 1, "End": true, "Retry": []"#, "Retry"),
        (r#""Type": "Wait", "Seconds": 1, "End": true, "Parameters": {}"#, "Parameters"),
        (r#""Type": "Succeed", "Assign": {}"#, "Assign"),
        (r#""Type": "Fail", "Assign": {}"#, "Assign"),
        (r#""Type": "Fail", "InputPath": "$""#, "InputPath"),
        (&format!(r#"{TASK}, "MaxConcurrency": 1"#), "MaxConcurrency"),
        (&format!(r#""Type": "Map", "End": true, {PROCESSOR}, "TimeoutSeconds": 1"#), "TimeoutSeconds"),
    ] {
        check_state(fields, &[&format!("Field '{unknown}' is not supported")]);
    }
}

#[test]
fn fields_of_the_other_language_are_refused() {
    let said = |field: &str, own: &str, other: &str| {
        format!(
            "The QueryLanguage is set to '{own}', but field '{field}' is only supported for the '{other}' QueryLanguage"
        )
    };
    for field in ["Arguments", "Output"] {
        check_state(&format!(r#"{TASK}, "{field}": {{}}"#), &[&said(field, "JSONPath", "JSONata")]);
    }
    for (field, value) in [
        ("InputPath", r#""$""#),
        ("OutputPath", "null"),
        ("Parameters", "{}"),
        ("ResultSelector", "{}"),
        ("ResultPath", "null"),
        ("TimeoutSecondsPath", r#""$.t""#),
    ] {
        check_jsonata_state(&format!(r#"{TASK}, "{field}": {value}"#), &[&said(field, "JSONata", "JSONPath")]);
    }
}

#[test]
fn paths_and_templates_are_read() {
    check_state(r#""Type": "Pass", "End": true, "InputPath": 5"#, &["Expected value of type [STRING] @ /InputPath"]);
    // Recorded: `illegal_escapes`.
    check_state(
        r#""Type": "Pass", "End": true, "Parameters": { "parsed.$": "States.StringToJson('{\"text\":\"An \\\"escaped double quote\\\" here\"}')" }"#,
        &[
            "The value for the field 'parsed.$' must be a valid JSONPath or a valid intrinsic function call @ /Parameters",
        ],
    );
}

#[test]
fn variable_names_are_identifiers_but_states() {
    let assign = |name: &str| format!(r#""Type": "Pass", "End": true, "Assign": {{ "{name}": 1 }}"#);
    for name in ["x", "größe_1", "データ"] {
        check_state(&assign(name), &[]);
    }
    check_state(&assign("states"), &["Variable name 'states' is reserved; choose another name @ /Assign"]);
    for name in ["x.y", "x[2]", "1x", "_x", ""] {
        let message = format!(
            "Variable name '{name}' is invalid; it must start with a letter, then letters, digits and '_' only"
        );
        check_state(&assign(name), &[&format!("{message} @ /Assign")]);
    }
    let long = "v".repeat(81);
    check_state(&assign(&long), &[&format!("Variable name '{long}' is longer than 80 characters @ /Assign")]);
    check_state(r#""Type": "Pass", "End": true, "Assign": 5"#, &["Expected value of type [OBJECT] @ /Assign"]);
}

#[test]
fn a_task_has_timeouts_in_order() {
    for (fields, expected) in [
        (r#""TimeoutSeconds": 5, "HeartbeatSeconds": 4"#, vec![]),
        (r#""TimeoutSeconds": 5.0"#, vec![]),
        (r#""TimeoutSeconds": -1"#, vec!["Minimum value is 1 @ /TimeoutSeconds"]),
        (r#""TimeoutSeconds": "5""#, vec!["Expected value of type [INTEGER] @ /TimeoutSeconds"]),
        (r#""TimeoutSeconds": 1e300"#, vec!["Maximum value is 99999999 @ /TimeoutSeconds"]),
        (
            r#""TimeoutSeconds": 5, "HeartbeatSeconds": 5"#,
            vec!["HeartbeatSeconds must be less than TimeoutSeconds (5) @ /HeartbeatSeconds"],
        ),
        (
            r#""TimeoutSeconds": 5, "TimeoutSecondsPath": "$.t""#,
            vec!["Only one of these fields is allowed: [TimeoutSeconds, TimeoutSecondsPath]; remove the others"],
        ),
    ] {
        check_state(&format!("{TASK}, {fields}"), &expected);
    }
    check_jsonata_state(&format!(r#"{TASK}, "TimeoutSeconds": "{{% 5 %}}""#), &[]);
    check_state(
        r#""Type": "Task", "Resource": "createToken", "End": true"#,
        &["Value is not a valid resource ARN @ /Resource"],
    );
}

#[test]
fn a_wait_has_exactly_one_of_its_fields() {
    let one = "Exactly one of these fields is required: [Seconds, Timestamp, SecondsPath, TimestampPath]";
    let timestamp = "String does not match RFC3339 timestamp @ /Timestamp";
    for (fields, expected) in [
        (r#""Seconds": 0"#, vec![]),
        (r#""SecondsPath": "$.s""#, vec![]),
        (r#""TimestampPath": "$.t""#, vec![]),
        (r#""TimestampPath": "timestamp""#, vec![]),
        (r#""Timestamp": "2016-03-14T01:59:00Z""#, vec![]),
        (r#""Timestamp": "2016-03-14T01:59:00.123+02:00""#, vec![]),
        (r#""Comment": "none""#, vec![one]),
        (r#""Seconds": 1, "Timestamp": "2016-03-14T01:59:00Z""#, vec![one]),
        (r#""Seconds": 100000000"#, vec!["Maximum value is 99999999 @ /Seconds"]),
        (r#""Timestamp": "2016-12-05 21:29:29Z""#, vec![timestamp]),
        (r#""Timestamp": "2016-12-05T21:29:29""#, vec![timestamp]),
        (r#""Timestamp": "2016-13-05T21:29:29Z""#, vec![timestamp]),
        (r#""Timestamp": "05-12-2016T21:29:29Z""#, vec![timestamp]),
        (r#""Timestamp": "2016-12-05T25:29:29Z""#, vec![timestamp]),
        (r#""Timestamp": "2016-12-05t21:29:29z""#, vec![timestamp]),
    ] {
        check_state(&format!(r#""Type": "Wait", "End": true, {fields}"#), &expected);
    }
}

#[test]
fn a_fail_takes_each_text_once_and_only_functions_that_give_texts() {
    for (fields, expected) in [
        (r#""Error": "E", "CausePath": "States.Format('{}', $.x)""#, vec![]),
        (
            r#""Error": "E", "ErrorPath": "$.e""#,
            vec!["Only one of these fields is allowed: [Error, ErrorPath]; remove the others"],
        ),
        (r#""Cause": 5"#, vec!["Expected value of type [STRING] @ /Cause"]),
        (
            r#""ErrorPath": "States.MathAdd(1, 2)""#,
            vec![
                "'States.MathAdd' is not supported here; use one of [States.Format, States.JsonToString, \
                 States.ArrayGetItem, States.Base64Encode, States.Base64Decode, States.Hash, States.UUID] @ /ErrorPath",
            ],
        ),
    ] {
        check_state(&format!(r#""Type": "Fail", {fields}"#), &expected);
    }
}

#[test]
fn choice_rules_are_read_to_their_depth() {
    let choice = |rules: &str, expected: &[&str]| {
        let definition = format!(
            r#"{{ "StartAt": "C", "States": {{ "C": {{ "Type": "Choice", "Choices": [{rules}], "Default": "E" }}, "E": {{ "Type": "Succeed" }} }} }}"#
        );
        let expected: Vec<String> = expected.iter().map(|text| format!("SCHEMA_VALIDATION_FAILED: {text}")).collect();
        assert_eq!(findings(&definition, false), expected, "{rules}");
    };
    choice("", &["The array must not be empty at /States/C/Choices"]);
    choice(r#"{ "Variable": "$.x", "IsNull": true, "Next": "E" }"#, &[]);
    choice(r#"{ "Variable": "$.x", "IsNull": true }"#, &["These fields are required: [Next] at /States/C/Choices[0]"]);
    choice(
        r#"{ "Condition": true, "Next": "E" }, { "Variable": "$.x", "IsNull": true, "Output": 1, "Next": "E" }"#,
        &[
            "The QueryLanguage is set to 'JSONPath', but field 'Condition' is only supported for the 'JSONata' QueryLanguage at /States/C/Choices[0]",
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage at /States/C/Choices[1]",
        ],
    );
    // What is wrong inside a rule is reported where it is, the next rule's too.
    choice(
        r#"{ "And": [{ "Variable": "$.x", "StringEquals": "a" }, { "Not": { "Variable": "$.x", "NumericEquals": "1" } }], "Next": "E" },
           { "Or": [], "Next": "E" }"#,
        &[
            "Expected value of type [NUMBER] at /States/C/Choices[0]/And[1]/Not/NumericEquals",
            "The array must not be empty at /States/C/Choices[1]/Or",
        ],
    );
    choice(
        r#"{ "Not": { "Variable": "$.x", "IsNull": true, "Next": "E" }, "Next": "E" }, { "Variable": "$.x", "StringEqual": "a", "Next": "E" }"#,
        &[
            "Field 'Next' is not supported at /States/C/Choices[0]/Not",
            "Field 'StringEqual' is not supported at /States/C/Choices[1]",
        ],
    );
}

#[test]
fn jsonata_is_delimited_and_reads_states_where_they_are() {
    let pass = r#""Type": "Pass", "End": true"#;
    check_jsonata_state(&format!(r#"{TASK}, "Output": "{{% $states.result %}}""#), &[]);
    check_jsonata_state(&format!(r#"{pass}, "Output": "{{% '$states.result' %}}""#), &[]);
    for (expression, expected) in [
        ("{% 1 + %}", "INVALID_JSONATA_EXPRESSION: Unexpected end of expression"),
        ("{% 1", "INVALID_JSONATA_EXPRESSION: The JSONata expression is not closed with '%}'"),
        ("{% 1 ?? 2 %}", "UNSUPPORTED_JSONATA_EXPRESSION: The operator '??' is not supported"),
    ] {
        let fields = format!(r#"{pass}, "Output": {{ "v": "{expression}" }}"#);
        check_jsonata_state(&fields, &[&format!("{expected} @ /Output/v")]);
    }
    for (fields, member, place) in [
        (format!(r#"{pass}, "Output": {{ "a": ["{{% $states.result.x %}}"] }}"#), "result", "/Output/a[0]"),
        (format!(r#"{TASK}, "Arguments": "{{% $states.result %}}""#), "result", "/Arguments"),
        (format!(r#"{TASK}, "Assign": {{ "e": "{{% $states.errorOutput %}}" }}"#), "errorOutput", "/Assign/e"),
        (
            format!(
                r#"{TASK}, "Catch": [{{ "ErrorEquals": ["E"], "Next": "X", "Output": "{{% $states.result %}}" }}]"#
            ),
            "result",
            "/Catch[0]/Output",
        ),
    ] {
        let message =
            format!("UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.{member}' is not supported in this field");
        check_jsonata_state(&fields, &[&format!("{message} @ {place}")]);
    }
}
