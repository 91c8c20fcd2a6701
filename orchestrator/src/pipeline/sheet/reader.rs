//! Reading fields of a TOML table: each by its type, each refusal with its place.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::SheetError;

/// One table of the file, with what was asked for in it.
pub(super) struct Reader<'a> {
    file: &'a str,
    path: String,
    table: &'a Table,
    known: Vec<&'static str>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, path: &str, table: &'a Table) -> Self {
        Self { file, path: path.to_owned(), table, known: Vec::new(), warnings: Vec::new() }
    }

    /// The warnings, with those about fields nobody asked for.
    pub(super) fn finish(mut self) -> Vec<String> {
        for field in self.table.keys().filter(|field| !self.known.contains(&field.as_str())) {
            let known = self.known.join(", ");
            self.warnings
                .push(format!("{}: `{}{field}` is not known and ignored; known are {known}", self.file, self.path));
        }
        self.warnings
    }

    pub(super) fn error(&self, field: &str, problem: &str, remedy: &str) -> SheetError {
        SheetError {
            file: self.file.to_owned(),
            field: format!("{}{field}", self.path),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.push(field);
        self.table.get(field)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<String>, SheetError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
            Some(other) => Err(self.error(field, &format!("is `{other}`"), "give a text that is not empty")),
        }
    }

    pub(super) fn required(&mut self, field: &'static str) -> Result<String, SheetError> {
        self.text(field)?.ok_or_else(|| self.error(field, "is missing", "give it, or leave out the whole section"))
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<Option<bool>, SheetError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.error(field, &format!("is `{other}`"), "give true or false")),
        }
    }

    pub(super) fn integer(&mut self, field: &'static str) -> Result<Option<i64>, SheetError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(*number)),
            Some(other) => Err(self.error(field, &format!("is `{other}`"), "give a whole number")),
        }
    }

    pub(super) fn count(&mut self, field: &'static str) -> Result<Option<u32>, SheetError> {
        let Some(number) = self.integer(field)? else { return Ok(None) };
        match u32::try_from(number) {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(self.error(field, &format!("is {number}"), "give a whole number above 0")),
        }
    }

    pub(super) fn one_of<T: Copy>(
        &mut self,
        field: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, SheetError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.error(field, &format!("is `{text}`"), &format!("give one of: {}", known.join(", "))))
            }
        }
    }

    pub(super) fn time_zone(&mut self) -> Result<Tz, SheetError> {
        let Some(text) = self.text("time_zone")? else { return Ok(Tz::UTC) };
        text.parse().map_err(|_| {
            self.error(
                "time_zone",
                &format!("is `{text}`"),
                "give a name of the IANA database, such as `Europe/Berlin`",
            )
        })
    }

    pub(super) fn json(&mut self, field: &'static str) -> Result<Option<Json>, SheetError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        if !value.is_table() {
            return Err(self.error(field, "is no table", &format!("write it as [{field}]")));
        }
        self.as_json(field, value).map(Some)
    }

    pub(super) fn as_json(&self, field: &str, value: &Value) -> Result<Json, SheetError> {
        let refuse =
            |_| self.error(field, "holds what JSON does not know", "write dates as texts, and no NaN or infinity");
        let holds_date = |value: &Value| {
            let mut values = vec![value];
            while let Some(value) = values.pop() {
                match value {
                    Value::Datetime(_) => return true,
                    Value::Array(items) => values.extend(items),
                    Value::Table(entries) => values.extend(entries.iter().map(|(_, value)| value)),
                    _ => {}
                }
            }
            false
        };
        if holds_date(value) {
            return Err(refuse(()));
        }
        serde_json::to_value(value).map_err(|_| refuse(()))
    }

    pub(super) fn section<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, SheetError>,
    ) -> Result<Option<T>, SheetError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Table(table)) => self.inner(&format!("{}{field}.", self.path), table, read).map(Some),
            Some(_) => Err(self.error(field, "is no table", &format!("write it as [{field}]"))),
        }
    }

    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&mut Reader<'_>) -> Result<T, SheetError>,
    ) -> Result<Vec<T>, SheetError> {
        let items = match self.value(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.error(field, "is no list", &format!("write each as [[{field}]]"))),
        };
        let mut read_items = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let Value::Table(table) = item else {
                return Err(self.error(
                    &format!("{field}[{index}]"),
                    "is no table",
                    &format!("write it as [[{field}]]"),
                ));
            };
            read_items.push(self.inner(&format!("{}{field}[{index}].", self.path), table, &read)?);
        }
        Ok(read_items)
    }

    pub(super) fn inner<T>(
        &mut self,
        path: &str,
        table: &Table,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, SheetError>,
    ) -> Result<T, SheetError> {
        let mut inner = Reader::new(self.file, path, table);
        let value = read(&mut inner)?;
        self.warnings.append(&mut inner.finish());
        Ok(value)
    }

    pub(super) fn environments(&mut self) -> Result<BTreeMap<String, Json>, SheetError> {
        let table = match self.value("env") {
            None => return Ok(BTreeMap::new()),
            Some(Value::Table(table)) => table,
            Some(_) => {
                return Err(self.error("env", "is no table", "write it as [env.dev], [env.staging], [env.prod]"));
            }
        };
        let mut environments = BTreeMap::new();
        for (name, values) in table {
            let field = format!("env.{name}");
            if !values.is_table() {
                return Err(self.error(&field, "is no table", &format!("write it as [env.{name}]")));
            }
            environments.insert(name.clone(), self.as_json(&field, values)?);
        }
        Ok(environments)
    }
}
