//! The Map state in both modes.

use super::check_state;

const PROCESSOR: &str = r#""ItemProcessor": { "StartAt": "P", "States": { "P": { "Type": "Succeed" } } }"#;

#[test]
fn a_map_has_one_processor_and_fields_of_its_mode() {
    let map = |fields: &str| format!(r#""Type": "Map", "End": true, {fields}"#);
    let distributed = |fields: &str| {
        map(&format!(
            r#""ItemProcessor": {{ "ProcessorConfig": {{ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }},
                "StartAt": "P", "States": {{ "P": {{ "Type": "Succeed" }} }} }}, {fields}"#
        ))
    };
    let legacy = PROCESSOR.replace("ItemProcessor", "Iterator");
    let config = |config: &str| PROCESSOR.replace("\"StartAt\"", &format!(r#""ProcessorConfig": {config}, "StartAt""#));
    for (fields, expected) in [
        (map(PROCESSOR), vec![]),
        (map(&legacy), vec![]),
        (map(r#""ItemsPath": "$.x""#), vec!["These fields are required: [ItemProcessor]"]),
        (
            map(&format!("{PROCESSOR}, {legacy}")),
            vec!["Only one of these fields is allowed: [ItemProcessor, Iterator]; remove the others"],
        ),
        (
            map(&format!(r#"{PROCESSOR}, "ItemSelector": {{}}, "Parameters": {{}}"#)),
            vec!["Only one of these fields is allowed: [ItemSelector, Parameters]; remove the others"],
        ),
        (map(&format!(r#"{PROCESSOR}, "MaxConcurrency": -1"#)), vec!["Minimum value is 0 @ /MaxConcurrency"]),
        (
            map(&config(r#"{ "Mode": "DISTRIBUTED" }"#)),
            vec!["These fields are required: [ExecutionType] @ /ItemProcessor/ProcessorConfig"],
        ),
        (
            map(&config(r#"{ "Mode": "Inline" }"#)),
            vec!["Value should be one of the following: [INLINE, DISTRIBUTED] @ /ItemProcessor/ProcessorConfig/Mode"],
        ),
        (
            map(&config(r#"{ "Mode": "INLINE", "ExecutionType": "STANDARD" }"#)),
            vec![
                "Field 'ExecutionType' is only supported with Mode 'DISTRIBUTED'; remove it @ /ItemProcessor/ProcessorConfig",
            ],
        ),
        (
            map(&format!(r#"{PROCESSOR}, "Label": "x""#)),
            vec![
                "Field 'Label' is only supported in 'DISTRIBUTED' mode; set ItemProcessor.ProcessorConfig.Mode to 'DISTRIBUTED' or remove it",
            ],
        ),
        (map(&format!(r#"{PROCESSOR}, "ToleratedFailureCount": 1"#)), vec![]),
        (distributed(r#""Label": "daily-prices""#), vec![]),
        (distributed(r#""Label": "a b""#), vec!["INVALID_LABEL_NAME: Label must not contain ' ' @ /Label"]),
        (
            distributed(&format!(r#""Label": "{}""#, "x".repeat(41))),
            vec!["INVALID_LABEL_NAME: Label must have 1 to 40 characters, but has 41 @ /Label"],
        ),
        (distributed(r#""ToleratedFailurePercentage": 12.5, "ToleratedFailureCount": 1"#), vec![]),
        (
            distributed(r#""ToleratedFailurePercentage": 100.5"#),
            vec!["Maximum value is 100 @ /ToleratedFailurePercentage"],
        ),
        (distributed(r#""ToleratedFailureCount": -1"#), vec!["Minimum value is 0 @ /ToleratedFailureCount"]),
        (
            distributed(r#""ItemBatcher": { "BatchInput": {} }"#),
            vec![
                "At least one of these fields is required: [MaxItemsPerBatch, MaxItemsPerBatchPath, MaxInputBytesPerBatch, MaxInputBytesPerBatchPath] @ /ItemBatcher",
            ],
        ),
        (
            distributed(r#""ResultWriter": {}"#),
            vec!["At least one of these fields is required: [Resource, WriterConfig] @ /ResultWriter"],
        ),
        (
            distributed(r#""ItemReader": { "Resource": "arn:aws:states:::s3:putObject" }"#),
            vec![
                "Value should be one of the following: [arn:aws:states:::s3:getObject, arn:aws:states:::s3:listObjectsV2] @ /ItemReader/Resource",
            ],
        ),
        (
            distributed(
                r#""ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "XML", "CSVHeaderLocation": "GIVEN" } }"#,
            ),
            vec![
                "Value should be one of the following: [CSV, JSON, JSONL, PARQUET, MANIFEST] @ /ItemReader/ReaderConfig/InputType",
                "These fields are required: [CSVHeaders] @ /ItemReader/ReaderConfig",
            ],
        ),
    ] {
        check_state(&fields, &expected);
    }
}
