//! What pages show of a pipeline's sheet, read loosely: a sheet that is odd costs a line of a page, never the page.

use toml::Value;

/// The lines of a sheet that people look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SheetView {
    /// `description`.
    pub description: Option<String>,
    /// `06:00 Europe/Berlin, business days` or the like.
    pub schedule: Option<String>,
    /// By when a partition should be in.
    pub expected: Option<String>,
    /// The tables it writes.
    pub tables: Vec<String>,
    /// Whether there is a partition on Mondays to Fridays only.
    pub weekdays: bool,
}

impl SheetView {
    /// Reads the text of a sheet.
    pub fn read(sheet: &str) -> Self {
        let Ok(sheet) = sheet.parse::<toml::Table>() else { return Self::default() };
        // Fields stand at the top or in a table `[pipeline]`.
        let pipeline = sheet.get("pipeline").and_then(Value::as_table);
        let field = |name: &str| sheet.get(name).or_else(|| pipeline?.get(name));
        Self {
            description: field("description").and_then(Value::as_str).map(str::to_owned),
            schedule: field("schedule")
                .and_then(|value| words(value, &["expression", "cron", "at", "time_zone", "timezone", "calendar"])),
            expected: field("freshness")
                .or_else(|| field("expected"))
                .and_then(|value| words(value, &["deadline", "by", "within", "time_zone", "timezone"])),
            tables: field("tables").map(tables).unwrap_or_default(),
            weekdays: field("partition")
                .and_then(|partition| partition.get("calendar"))
                .is_some_and(|calendar| calendar.as_str() == Some("weekdays")),
        }
    }
}

/// The text of a value, or those of a table's known entries one after the other.
fn words(value: &Value, names: &[&str]) -> Option<String> {
    match value {
        Value::Table(table) => {
            let words: Vec<String> = names.iter().filter_map(|name| table.get(*name).and_then(scalar)).collect();
            (!words.is_empty()).then(|| words.join(" "))
        }
        other => scalar(other),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Datetime(time) => Some(time.to_string()),
        _ => None,
    }
}

fn tables(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().or_else(|| item.get("name")?.as_str()).map(str::to_owned))
            .collect(),
        Value::Table(table) => table.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_of_several_shapes_are_read() {
        let expected = SheetView {
            description: Some("Prices".to_owned()),
            schedule: Some("0 6 * * 1-5 Europe/Berlin".to_owned()),
            expected: None,
            tables: vec!["prices".to_owned(), "indicators".to_owned()],
            weekdays: false,
        };
        for sheet in [
            "description = 'Prices'\ntables = ['prices', 'indicators']\nschedule = '0 6 * * 1-5 Europe/Berlin'",
            "[pipeline]\ndescription = 'Prices'\ntables = [{ name = 'prices' }, { name = 'indicators' }]\n[schedule]\ncron = '0 6 * * 1-5'\ntime_zone = 'Europe/Berlin'",
        ] {
            assert_eq!(SheetView::read(sheet), expected, "{sheet}");
        }
        assert!(SheetView::read("[partition]\ncalendar = 'weekdays'").weekdays);
        assert_eq!(SheetView::read("no = toml = here"), SheetView::default());
    }
}
