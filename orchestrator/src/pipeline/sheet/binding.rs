//! `[bindings]`: where jobs and functions run, whatever has registered.

use toml::Value;

use super::SheetError;
use super::reader::Reader;
use crate::engine::Binding;

/// Where jobs and functions run. Names are without `<environment>-`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// Jobs, functions and crawlers that are always a local worker's.
    pub worker: Vec<String>,
    /// Jobs and crawlers that are always AWS Glue's.
    pub glue: Vec<String>,
}

impl Bindings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, SheetError> {
        let bindings = Self { worker: names(reader, "worker")?, glue: names(reader, "glue")? };
        match bindings.glue.iter().find(|name| bindings.worker.contains(name)) {
            Some(twice) => {
                Err(reader.error("glue", &format!("holds `{twice}`, as `worker` does"), "leave it in one of them"))
            }
            None => Ok(bindings),
        }
    }

    /// The entries under their full names in `environment`.
    pub fn of(&self, environment: &str) -> Vec<(String, Binding)> {
        let full = |binding| move |name: &String| (format!("{environment}-{name}"), binding);
        let worker = self.worker.iter().map(full(Binding::Worker));
        worker.chain(self.glue.iter().map(full(Binding::Glue))).collect()
    }

    /// Entries that change nothing, because the definition does not mention the name.
    pub fn warnings(&self, definition: &str) -> Vec<String> {
        let warning = |(list, name): (&str, &String)| {
            (!definition.contains(name.as_str())).then(|| {
                format!("`bindings.{list}` holds `{name}`, which the state machine does not mention; look for a typing error")
            })
        };
        let worker = self.worker.iter().map(|name| ("worker", name));
        worker.chain(self.glue.iter().map(|name| ("glue", name))).filter_map(warning).collect()
    }
}

fn names(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<String>, SheetError> {
    let names = match reader.value(field) {
        None => return Ok(Vec::new()),
        Some(Value::Array(names)) => names.clone(),
        Some(_) => return Err(reader.error(field, "is no list", "give a list of names")),
    };
    let name = |value: Value| match value {
        Value::String(name) if !name.is_empty() => Ok(name),
        other => Err(reader.error(field, &format!("holds `{other}`"), "give names of jobs and functions as texts")),
    };
    names.into_iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Sheet;

    #[test]
    fn names_are_bound_with_their_environment() {
        let (sheet, _) = Sheet::parse("x.toml", "[bindings]\nworker = ['a']\nglue = ['b']").unwrap();
        let bound = sheet.bindings.of("prod");
        assert_eq!(bound, [("prod-a".to_owned(), Binding::Worker), ("prod-b".to_owned(), Binding::Glue)]);
    }

    #[test]
    fn a_name_the_machine_does_not_mention_is_warned_of() {
        let (sheet, _) = Sheet::parse("x.toml", "[bindings]\nworker = ['good']\nglue = ['god']").unwrap();
        let warnings = sheet.bindings.warnings(r#"{"JobName.$": "States.Format('{}-good', $.environment)"}"#);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("`bindings.glue` holds `god`"), "{warnings:?}");
    }
}
