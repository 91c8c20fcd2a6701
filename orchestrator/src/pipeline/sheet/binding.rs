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
    /// Jobs whose SQL runs on Spark, by way of a worker with `--spark-remote`.
    pub spark: Vec<String>,
}

impl Bindings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, SheetError> {
        let bindings =
            Self { worker: names(reader, "worker")?, glue: names(reader, "glue")?, spark: names(reader, "spark")? };
        let lists = bindings.lists();
        for (place, (list, names, _)) in lists.iter().enumerate() {
            for (other, others, _) in &lists[..place] {
                if let Some(twice) = names.iter().find(|name| others.contains(name)) {
                    let problem = format!("holds `{twice}`, as `{other}` does");
                    return Err(reader.error(list, &problem, "leave it in one of them"));
                }
            }
        }
        Ok(bindings)
    }

    fn lists(&self) -> [(&'static str, &[String], Binding); 3] {
        [
            ("worker", &self.worker, Binding::Worker),
            ("glue", &self.glue, Binding::Glue),
            ("spark", &self.spark, Binding::Spark),
        ]
    }

    /// The entries under their full names in `environment`.
    pub fn of(&self, environment: &str) -> Vec<(String, Binding)> {
        let full = |(_, names, binding): (_, &[String], Binding)| {
            names.iter().map(|name| (format!("{environment}-{name}"), binding)).collect::<Vec<_>>()
        };
        self.lists().into_iter().flat_map(full).collect()
    }

    /// Entries that change nothing, because the definition does not mention the name.
    pub fn warnings(&self, definition: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        for (list, names, _) in self.lists() {
            for name in names.iter().filter(|name| !definition.contains(name.as_str())) {
                warnings.push(format!(
                    "`bindings.{list}` holds `{name}`, which the state machine does not mention; look for a typing error"
                ));
            }
        }
        warnings
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
        let (sheet, _) = Sheet::parse("x.toml", "[bindings]\nworker = ['a']\nglue = ['b']\nspark = ['c']").unwrap();
        let bound = sheet.bindings.of("prod");
        let expected = [("prod-a", Binding::Worker), ("prod-b", Binding::Glue), ("prod-c", Binding::Spark)];
        assert_eq!(bound, expected.map(|(name, binding)| (name.to_owned(), binding)));
    }

    #[test]
    fn a_name_the_machine_does_not_mention_is_warned_of() {
        let (sheet, _) = Sheet::parse("x.toml", "[bindings]\nworker = ['good']\nglue = ['god']").unwrap();
        let warnings = sheet.bindings.warnings(r#"{"JobName.$": "States.Format('{}-good', $.environment)"}"#);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("`bindings.glue` holds `god`"), "{warnings:?}");
    }
}
