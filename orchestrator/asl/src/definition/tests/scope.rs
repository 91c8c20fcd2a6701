//! Rules of the machine and of whole scopes. Those with a location of AWS's are measured there.

use super::{check, findings};

const PASS: &str = r#"{ "Type": "Pass", "End": true }"#;

#[test]
fn the_machine_has_its_own_fields() {
    let states = format!(r#""States": {{ "X": {PASS} }}"#);
    for (fields, expected) in [
        ("", "These fields are required: [States, StartAt] at /"),
        (&states, "These fields are required: [StartAt] at /"),
        (
            &format!(r#""StartAt": "X", {states}, "Version": "2.0""#),
            "Value should be one of the following: [1.0] at /Version",
        ),
        (&format!(r#""StartAt": "X", {states}, "TimeoutSeconds": 0"#), "Minimum value is 1 at /TimeoutSeconds"),
        (
            &format!(r#""StartAt": "X", {states}, "TimeoutSeconds": 1.5"#),
            "Expected value of type [INTEGER] at /TimeoutSeconds",
        ),
        (
            &format!(r#""StartAt": "X", {states}, "TimeoutSeconds": 100000000"#),
            "Maximum value is 99999999 at /TimeoutSeconds",
        ),
        (
            &format!(r#""StartAt": "X", {states}, "QueryLanguage": 5"#),
            "Expected value of type [STRING] at /QueryLanguage",
        ),
        (
            &format!(r#""StartAt": "X", {states}, "QueryLanguage": "jsonata""#),
            "Value should be one of the following: [JSONPath, JSONata] at /QueryLanguage",
        ),
        (&format!(r#""StartAt": "X", {states}, "Coment": "x""#), "Field 'Coment' is not supported at /"),
        (&format!(r#""StartAt": "X", {states}, "Comment": 1"#), "Expected value of type [STRING] at /Comment"),
        (r#""StartAt": "X", "States": {}"#, "At least one state is required at /States"),
        (r#""StartAt": "X", "States": []"#, "Expected value of type [OBJECT] at /States"),
    ] {
        check(&format!("{{ {fields} }}"), &[&format!("SCHEMA_VALIDATION_FAILED: {expected}")]);
    }
}

#[test]
fn targets_exist_in_their_own_scope_and_every_state_is_reached() {
    let missing =
        |name: &str, location: &str| format!("MISSING_TRANSITION_TARGET: Missing 'Next' target: {name} at {location}");
    let lost = |name: &str, location: &str| {
        format!("MISSING_TRANSITION_TARGET: State \"{name}\" is not reachable. at {location}")
    };
    let no_end = "MISSING_END_STATE: Workflow has no terminal state at null".to_owned();
    let pass = |next: &str| format!(r#"{{ "Type": "Pass", "Next": "{next}" }}"#);
    let task = r#""Type": "Task", "Resource": "arn:aws:states:::lambda:invoke""#;
    for (start_at, states, expected) in [
        (
            "A",
            format!(r#""A": {}, "B": {}"#, pass("C"), PASS),
            vec![missing("C", "/States/A/Next"), lost("B", "/States/B")],
        ),
        ("Z", format!(r#""A": {}, "B": {PASS}"#, pass("B")), vec![missing("Z", "/StartAt"), lost("A", "/States/A")]),
        ("A", format!(r#""A": {}"#, pass("Z")), vec![missing("Z", "/States/A/Next"), no_end.clone()]),
        ("A", format!(r#""A": {}, "B": {}, "C": {}"#, pass("B"), pass("A"), pass("A")), vec![no_end]),
        ("A", format!(r#""A": {}, "B": {}, "C": {PASS}"#, pass("B"), pass("A")), vec![lost("C", "/States/C")]),
        ("A", format!(r#""A": {PASS}, "X": {}, "Y": {}"#, pass("Y"), pass("X")), vec![lost("X", "/States/X")]),
        ("A", format!(r#""A": {PASS}, "X": {}"#, pass("X")), vec![lost("X", "/States/X")]),
        (
            "A",
            format!(r#""A": {{ {task}, "End": true, "Catch": [{{ "ErrorEquals": ["States.ALL"], "Next": "Z" }}] }}"#),
            vec![missing("Z", "/States/A/Catch[0]/Next")],
        ),
        (
            "P",
            format!(
                r#""P": {{ "Type": "Parallel", "Next": "E", "Branches": [
                    {{ "StartAt": "A", "States": {{ "A": {}, "B": {PASS} }} }},
                    {{ "StartAt": "Z", "States": {{ "C": {PASS} }} }} ] }}, "E": {PASS}"#,
                pass("E")
            ),
            vec![
                missing("E", "/States/P/Branches[0]/States/A/Next"),
                lost("B", "/States/P/Branches[0]/States/B"),
                missing("Z", "/States/P/Branches[1]/StartAt"),
                lost("C", "/States/P/Branches[1]/States/C"),
            ],
        ),
        // Measured: only the top level must be able to end.
        (
            "M",
            format!(
                r#""M": {{ "Type": "Map", "End": true, "ItemProcessor": {{ "StartAt": "A",
                    "States": {{ "A": {}, "B": {} }} }} }}"#,
                pass("B"),
                pass("A")
            ),
            vec![],
        ),
    ] {
        let definition = format!(r#"{{ "StartAt": "{start_at}", "States": {{ {states} }} }}"#);
        assert_eq!(findings(&definition, false), expected, "{definition}");
    }
}

#[test]
fn names_have_1_to_80_characters_and_are_unique_in_all_scopes() {
    let long = "é".repeat(80);
    check(&format!(r#"{{ "StartAt": "{long}", "States": {{ "{long}": {PASS} }} }}"#), &[]);
    check(
        &format!(r#"{{ "StartAt": "{long}x", "States": {{ "{long}x": {PASS} }} }}"#),
        &[&format!("INVALID_STATE_NAME: State name must have 1 to 80 characters, but has 81 at /States/{long}x")],
    );
    check(
        &format!(r#"{{ "StartAt": "", "States": {{ "": {PASS} }} }}"#),
        &["INVALID_STATE_NAME: State name must have 1 to 80 characters, but has 0 at /States/"],
    );
    check(
        &format!(
            r#"{{ "StartAt": "P", "States": {{ "P": {{ "Type": "Parallel", "End": true, "Branches": [
                {{ "StartAt": "A", "States": {{ "A": {PASS} }} }}, {{ "StartAt": "A", "States": {{ "A": {PASS} }} }} ] }} }} }}"#
        ),
        &["DUPLICATE_STATE_NAME: Duplicate State name: A at /States/P/Branches[1]/States/A"],
    );
}

#[test]
fn inner_scopes_do_not_assign_variables_of_outer_ones() {
    let definition = |config: &str| {
        format!(
            r#"{{ "StartAt": "Set", "States": {{
                "Set": {{ "Type": "Pass", "Assign": {{ "total": 1 }}, "Next": "M" }},
                "M": {{ "Type": "Map", "End": true, "ItemProcessor": {{ {config} "StartAt": "A", "States": {{
                    "A": {{ "Type": "Pass", "Assign": {{ "own": 1, "total": 2 }}, "End": true }} }} }} }} }} }}"#
        )
    };
    let message = "Variable 'total' is assigned in an outer scope; choose another name here";
    check(
        &definition(""),
        &[&format!("SCHEMA_VALIDATION_FAILED: {message} at /States/M/ItemProcessor/States/A/Assign")],
    );
    // The children of a distributed Map are executions of their own and see none of its variables.
    check(&definition(r#""ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },"#), &[]);
}

#[test]
fn a_machine_in_jsonata_has_no_state_in_jsonpath() {
    let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
    let definition = |machine: &str, state: &str| {
        format!(
            r#"{{ "QueryLanguage": "{machine}", "StartAt": "X", "States": {{ "X": {{ "Type": "Pass", {state} "End": true }} }} }}"#
        )
    };
    let mixed = format!("SCHEMA_VALIDATION_FAILED: {message} at /States/X");
    check(&definition("JSONata", r#""QueryLanguage": "JSONPath","#), &[&mixed]);
    // Measured: nothing is said of the fields then.
    check(&definition("JSONata", r#""QueryLanguage": "JSONPath", "Output": 1,"#), &[&mixed]);
    check(&definition("JSONPath", r#""QueryLanguage": "JSONata", "Output": 1,"#), &[]);
    check(&definition("JSONata", r#""Output": 1,"#), &[]);
}

#[test]
fn inner_states_follow_the_machine_and_not_the_map_around_them() {
    check(
        r#"{ "StartAt": "M", "States": { "M": { "Type": "Map", "QueryLanguage": "JSONata", "Items": [1], "End": true,
            "ItemProcessor": { "QueryLanguage": "JSONata", "StartAt": "P", "States": {
                "P": { "Type": "Pass", "Output": 1, "End": true } } } } } }"#,
        &[
            "SCHEMA_VALIDATION_FAILED: Field 'QueryLanguage' is not supported at /States/M/ItemProcessor",
            "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported \
             for the 'JSONata' QueryLanguage at /States/M/ItemProcessor/States/P",
        ],
    );
}

#[test]
fn express_machines_only_request_and_respond() {
    // Recorded: `illegal_callbacks_SYNC`, `illegal_callbacks_WAIT_FOR_TASK_TOKEN` with its two blanks.
    for (resource, expected) in [
        ("arn:aws:states:::states:startExecution.sync", "does not support '.sync' service integration at"),
        (
            "arn:aws:states:::sns:publish.waitForTaskToken",
            "does not support '.waitForTaskToken' service integration  at",
        ),
        ("arn:aws:states:us-east-1:123456789012:activity:a", "does not support Activity ARN at"),
        ("arn:aws:states:::sns:publish", ""),
    ] {
        let task = format!(r#"{{ "Type": "Task", "Resource": "{resource}", "End": true }}"#);
        let definition = format!(r#"{{ "StartAt": "T", "States": {{ "T": {task} }} }}"#);
        let inner = format!(
            r#"{{ "StartAt": "M", "States": {{ "M": {{ "Type": "Map", "End": true, "ItemProcessor": {{
                "ProcessorConfig": {{ "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" }},
                "StartAt": "T", "States": {{ "T": {task} }} }} }} }} }}"#
        );
        let said = |location: &str| match expected {
            "" => vec![],
            _ => vec![format!("SCHEMA_VALIDATION_FAILED: Express state machine {expected} {location}")],
        };
        assert_eq!(findings(&definition, true), said("/States/T/Resource"));
        assert_eq!(findings(&definition, false), Vec::<String>::new());
        assert_eq!(findings(&inner, false), said("/States/M/ItemProcessor/States/T/Resource"));
    }
}
