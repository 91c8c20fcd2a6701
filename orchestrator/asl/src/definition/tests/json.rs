//! Texts that are no definition at all. Codes and positions are recorded (`not_a_definition`, `EMPTY_DICT`).

use super::{check, findings};
use crate::definition::{DEFINITION_SIZE_BYTES_MAX, StateMachine};

#[test]
fn a_text_that_is_no_object_is_refused_with_its_position() {
    let object = "SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object at null";
    for (text, expected) in [
        ("", object),
        (" \n", object),
        ("[]", object),
        ("5", object),
        (
            "not a definition",
            "INVALID_JSON_DESCRIPTION: Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false') at [Source: (String)\"not a definition\"; line: 1, column: 4]",
        ),
        (
            "{\n \"StartAt\": nope }",
            "INVALID_JSON_DESCRIPTION: Unrecognized token 'nope': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false') at [Source: (String)\"{\n \"StartAt\": nope }\"; line: 2, column: 17]",
        ),
        ("{\"a\" 1}", "INVALID_JSON_DESCRIPTION: expected `:` at [Source: (String)\"{\"a\" 1}\"; line: 1, column: 6]"),
        (
            "{} x",
            "INVALID_JSON_DESCRIPTION: Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false') at [Source: (String)\"{} x\"; line: 1, column: 5]",
        ),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn the_source_of_a_syntax_error_is_cut_after_500_characters() {
    let text = format!("{{\"Comment\": \"{}\",}}", "é".repeat(600));
    let found = findings(&text, false);
    assert!(found[0].ends_with("é\"[truncated 116 chars]; line: 1, column: 616]"), "{found:?}");
}

#[test]
fn a_definition_larger_than_a_mebibyte_is_refused() {
    let text = |length: usize| {
        let machine = r#"{ "StartAt": "X", "States": { "X": { "Type": "Pass", "End": true } }, "Comment": "" }"#;
        let padding = "c".repeat(length - machine.len());
        machine.replace(r#""Comment": """#, &format!(r#""Comment": "{padding}""#))
    };
    assert!(StateMachine::parse(&text(DEFINITION_SIZE_BYTES_MAX), false).is_ok());
    check(
        &text(DEFINITION_SIZE_BYTES_MAX + 1),
        &["SCHEMA_VALIDATION_FAILED: Definition is 1048577 bytes long; at most 1048576 are allowed at null"],
    );
}

#[test]
fn a_definition_nested_too_deeply_is_refused() {
    let text = format!("{{\"a\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    let found = findings(&text, false);
    assert!(found[0].starts_with("TOO_DEEPLY_NESTED: "), "{found:?}");
}

#[test]
fn a_state_written_twice_is_a_duplicate_and_another_field_a_warning() {
    let text = r#"{ "StartAt": "X", "StartAt": "X", "States": {
        "X": { "Type": "Pass", "End": true }, "X": { "Type": "Succeed" } } }"#;
    check(text, &["DUPLICATE_STATE_NAME: Duplicate State name: X at /States/X"]);
    let warnings: Vec<String> = StateMachine::warnings(text).iter().map(ToString::to_string).collect();
    let message = "Field 'StartAt' appears more than once; only the last one counts at /StartAt";
    assert_eq!(warnings, [format!("SCHEMA_VALIDATION_FAILED: {message}")]);
}
