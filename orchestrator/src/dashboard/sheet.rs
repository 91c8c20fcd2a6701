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
            schedule: field("schedule").and_then(schedule),
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

/// When it runs, in words where the expression is one of the usual ones: `06:00 Tue–Sat America/New_York`.
fn schedule(value: &Value) -> Option<String> {
    let text = words(value, &["expression", "cron", "at", "time_zone", "timezone", "calendar"])?;
    let mut rest = text.as_str();
    let mut fields = [""; 5];
    for field in &mut fields {
        let (head, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        (*field, rest) = (head, tail.trim_start());
    }
    Some(cron_words(fields).map_or_else(|| text.clone(), |when| format!("{when} {rest}").trim_end().to_owned()))
}

/// Once an hour, a day or on some days of the week; `None` of what takes more words than its expression.
fn cron_words(fields: [&str; 5]) -> Option<String> {
    let [minute, hour, "*", "*", days] = fields else { return None };
    let minute: u8 = minute.parse().ok().filter(|minute| *minute < 60)?;
    let days = match days {
        "*" => "daily".to_owned(),
        days => days.split(',').map(day_range).collect::<Option<Vec<_>>>()?.join(", "),
    };
    match hour {
        "*" if days == "daily" => Some(format!("hourly at :{minute:02}")),
        "*" => None,
        hour => Some(format!("{:02}:{minute:02} {days}", hour.parse::<u8>().ok().filter(|hour| *hour < 24)?)),
    }
}

/// `2-6` → `Tue–Sat`; both 0 and 7 are Sunday.
fn day_range(text: &str) -> Option<String> {
    const DAYS: [&str; 8] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = |text: &str| DAYS.get(text.parse::<usize>().ok()?).copied();
    match text.split_once('-') {
        Some((from, to)) => Some(format!("{}–{}", day(from)?, day(to)?)),
        None => day(text).map(str::to_owned),
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
            schedule: Some("06:00 Mon–Fri Europe/Berlin".to_owned()),
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

    #[test]
    fn usual_schedules_are_read_as_words_and_others_stay_as_they_are() {
        for (cron, expected) in [
            ("0 6 * * 2-6", "06:00 Tue–Sat UTC"),
            ("30 23 * * *", "23:30 daily UTC"),
            ("5 * * * *", "hourly at :05 UTC"),
            ("0 9 * * 1,3,5", "09:00 Mon, Wed, Fri UTC"),
            ("0 4 * * 0", "04:00 Sun UTC"),
            ("*/5 * * * *", "*/5 * * * * UTC"),
            ("0 6 1 * *", "0 6 1 * * UTC"),
            ("0 25 * * *", "0 25 * * * UTC"),
            ("5 * * * 1", "5 * * * 1 UTC"),
        ] {
            let sheet = format!("[schedule]\ncron = '{cron}'\ntime_zone = 'UTC'");
            assert_eq!(SheetView::read(&sheet).schedule.as_deref(), Some(expected), "{cron}");
        }
    }
}
