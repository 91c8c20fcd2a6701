//! `Retry` and `Catch`.

use super::check_state;

const TASK: &str = r#""Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true"#;

#[test]
fn retriers_and_catchers_have_rules() {
    let all_alone = "States.ALL must be the only error in its ErrorEquals";
    let all_last = "States.ALL is only allowed in the last entry; move this entry to the end";
    let retrier = |fields: &str| format!(r#""Retry": [{{ "ErrorEquals": ["E"], {fields} }}]"#);
    for (fields, expected) in [
        (r#""Retry": [], "Catch": []"#.to_owned(), vec![]),
        (r#""Retry": {}"#.to_owned(), vec!["Expected value of type [ARRAY] @ /Retry".to_owned()]),
        (r#""Retry": [{}]"#.to_owned(), vec!["These fields are required: [ErrorEquals] @ /Retry[0]".to_owned()]),
        (
            r#""Retry": [{ "ErrorEquals": [] }]"#.to_owned(),
            vec!["The array must not be empty @ /Retry[0]/ErrorEquals".to_owned()],
        ),
        (
            r#""Retry": [{ "ErrorEquals": ["E", 5] }]"#.to_owned(),
            vec!["Expected value of type [STRING] @ /Retry[0]/ErrorEquals[1]".to_owned()],
        ),
        (
            r#""Retry": [{ "ErrorEquals": ["States.ALL", "E"] }, { "ErrorEquals": ["E"] }]"#.to_owned(),
            vec![format!("{all_alone} @ /Retry[0]/ErrorEquals"), format!("{all_last} @ /Retry[0]/ErrorEquals")],
        ),
        (
            r#""Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "X" }, { "ErrorEquals": ["E"], "Next": "X" }]"#
                .to_owned(),
            vec![format!("{all_last} @ /Catch[0]/ErrorEquals")],
        ),
        (retrier(r#""IntervalSeconds": 0"#), vec!["Minimum value is 1 @ /Retry[0]/IntervalSeconds".to_owned()]),
        (retrier(r#""MaxAttempts": -1"#), vec!["Minimum value is 0 @ /Retry[0]/MaxAttempts".to_owned()]),
        (retrier(r#""MaxAttempts": 0"#), vec![]),
        (retrier(r#""BackoffRate": 0.9"#), vec!["Minimum value is 1 @ /Retry[0]/BackoffRate".to_owned()]),
        (
            retrier(r#""MaxDelaySeconds": 31622401"#),
            vec!["Maximum value is 31622400 @ /Retry[0]/MaxDelaySeconds".to_owned()],
        ),
        (
            retrier(r#""IntervalSeconds": 5, "MaxDelaySeconds": 5"#),
            vec!["MaxDelaySeconds must be greater than IntervalSeconds (5) @ /Retry[0]/MaxDelaySeconds".to_owned()],
        ),
        (
            retrier(r#""JitterStrategy": "SOME""#),
            vec!["Value should be one of the following: [NONE, FULL] @ /Retry[0]/JitterStrategy".to_owned()],
        ),
        (retrier(r#""Next": "X""#), vec!["Field 'Next' is not supported @ /Retry[0]".to_owned()]),
        (
            r#""Catch": [{ "ErrorEquals": ["E"] }]"#.to_owned(),
            vec!["These fields are required: [Next] @ /Catch[0]".to_owned()],
        ),
    ] {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check_state(&format!("{TASK}, {fields}"), &expected);
    }
}
