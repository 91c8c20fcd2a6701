//! `ItemReader`, `ItemBatcher`, `ResultWriter`, `Label` of a distributed Map.
//!
//! The engine reads the three objects when it starts a map run, so they are checked here and kept as they are.

use super::Parser;
use super::reader::Reader;
use crate::definition::Distributed;
use crate::definition::QueryLanguage::{JsonPath, Jsonata};

/// Source: AWS, "Map state in Distributed mode", `Label`.
const LABEL_LENGTH_MAX: usize = 40;
const LABEL_FORBIDDEN: &str = "?*<>{}[]:;,\\|^~$#%&`\"";

/// Source: AWS, "ItemReader", `MaxItems`.
const ITEMS_MAX: u64 = 100_000_000;

/// Source: AWS, "ItemBatcher", `MaxInputBytesPerBatch`: 256 KiB.
const BATCH_BYTES_MAX: u64 = 262_144;

const GET_OBJECT: &str = "s3:getObject";
const LIST_OBJECTS: &str = "s3:listObjectsV2";
const PUT_OBJECT: &str = "s3:putObject";

const INPUT_TYPES: [&str; 5] = ["CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"];

impl Parser {
    /// The fields that only a distributed Map has.
    pub(super) fn distributed(&mut self, reader: &mut Reader<'_>, execution_type: &str) -> Distributed {
        let label = self.label(reader);
        reader.item_reader();
        reader.item_batcher();
        reader.result_writer();
        let kept = |field: &str| reader.peek(field).cloned();
        Distributed {
            label,
            execution_type: execution_type.to_owned(),
            item_reader: kept("ItemReader"),
            item_batcher: kept("ItemBatcher"),
            result_writer: kept("ResultWriter"),
        }
    }

    fn label(&mut self, reader: &mut Reader<'_>) -> Option<String> {
        let label = reader.string("Label")?;
        let location = reader.at("Label");
        let length = label.chars().count();
        if length == 0 || length > LABEL_LENGTH_MAX {
            let message = format!("Label must have 1 to {LABEL_LENGTH_MAX} characters, but has {length}");
            self.findings.add("INVALID_LABEL_NAME", &location, message);
        }
        let forbidden = |c: &char| c.is_whitespace() || c.is_control() || LABEL_FORBIDDEN.contains(*c);
        if let Some(character) = label.chars().find(forbidden) {
            let message = format!("Label must not contain {character:?}");
            self.findings.add("INVALID_LABEL_NAME", &location, message);
        }
        if !self.labels.insert(label.to_owned()) {
            let message = format!("Duplicate Label name: {label}");
            self.findings.add("DUPLICATE_LABEL_NAME", &location, message);
        }
        Some(label.to_owned())
    }
}

impl Reader<'_> {
    fn item_reader(&mut self) {
        if !self.has("ItemReader") {
            return;
        }
        let Some(mut reader) = self.object("ItemReader") else { return };
        reader.require(&["Resource"]);
        let resource = reader.storage_resource(&[GET_OBJECT, LIST_OBJECTS]);
        reader.call_arguments();
        if reader.has("ReaderConfig") {
            if let Some(config) = reader.object("ReaderConfig") {
                config.reader_config(resource);
            }
        } else if resource == Some(GET_OBJECT) {
            reader.require(&["ReaderConfig"]);
        }
        reader.finish();
    }

    fn reader_config(mut self, resource: Option<&str>) {
        let transformation = self.word("Transformation", &["NONE", "LOAD_AND_FLATTEN"]);
        let manifest = self.word("ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]);
        let loads = resource == Some(GET_OBJECT) || transformation == Some("LOAD_AND_FLATTEN");
        if loads && manifest != Some("S3_INVENTORY") {
            self.require(&["InputType"]);
        }
        self.word("InputType", &INPUT_TYPES);
        self.word("CSVDelimiter", &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"]);
        let header = self.word("CSVHeaderLocation", &["FIRST_ROW", "GIVEN"]);
        if header == Some("GIVEN") {
            self.require(&["CSVHeaders"]);
        }
        if self.has("CSVHeaders") {
            for (index, name) in self.list("CSVHeaders").unwrap_or_default().iter().enumerate() {
                if !name.is_string() {
                    self.field_error(&format!("CSVHeaders[{index}]"), "Expected value of type [STRING]");
                }
            }
        }
        self.string("ItemsPointer");
        self.integer_operand("MaxItems", "MaxItemsPath", 0..=ITEMS_MAX);
        self.finish();
    }

    fn item_batcher(&mut self) {
        if !self.has("ItemBatcher") {
            return;
        }
        let Some(mut reader) = self.object("ItemBatcher") else { return };
        let limits = ["MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"];
        if !limits.iter().any(|field| reader.has(field)) {
            reader.error(format!("At least one of these fields is required: [{}]", limits.join(", ")));
        }
        reader.integer_operand("MaxItemsPerBatch", "MaxItemsPerBatchPath", 1..=ITEMS_MAX);
        reader.integer_operand("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", 1..=BATCH_BYTES_MAX);
        reader.template("BatchInput");
        reader.finish();
    }

    fn result_writer(&mut self) {
        if !self.has("ResultWriter") {
            return;
        }
        let Some(mut reader) = self.object("ResultWriter") else { return };
        if !reader.has("Resource") && !reader.has("WriterConfig") {
            reader.error("At least one of these fields is required: [Resource, WriterConfig]");
        }
        reader.storage_resource(&[PUT_OBJECT]);
        reader.call_arguments();
        if reader.has("WriterConfig")
            && let Some(mut config) = reader.object("WriterConfig")
        {
            config.word("Transformation", &["NONE", "COMPACT", "FLATTEN"]);
            config.word("OutputType", &["JSON", "JSONL"]);
            config.finish();
        }
        reader.finish();
    }

    /// `Parameters` or `Arguments` of a reader or writer.
    fn call_arguments(&mut self) {
        self.object_template_in(JsonPath, "Parameters");
        self.template_in(Jsonata, "Arguments");
    }

    /// `Resource` of a reader or writer: `arn:<partition>:states:::<call>`, one of `calls`.
    fn storage_resource(&mut self, calls: &[&'static str]) -> Option<&'static str> {
        let arn = self.string("Resource")?;
        let found = calls.iter().copied().find(|call| {
            let partition = arn.strip_prefix("arn:").and_then(|rest| rest.strip_suffix(&format!(":states:::{call}")));
            partition.is_some_and(|partition| !partition.is_empty() && !partition.contains(':'))
        });
        if found.is_none() {
            let forms: Vec<String> = calls.iter().map(|call| format!("arn:aws:states:::{call}")).collect();
            self.field_error("Resource", format!("Value should be one of the following: [{}]", forms.join(", ")));
        }
        found
    }
}
