//! Figures of a job as people read them: `peak_memory_bytes: 432013312` is "peak memory 412.0 MiB", said once.

use serde_json::Value;

use super::moment::{count, duration, size};

/// Metrics that are shown elsewhere: measured by the worker as well, or a panel of their own.
const ELSEWHERE: [&str; 5] = ["peak_memory_bytes", "cpu_seconds", "quality", "outputs", "duration_ms"];

/// A figure: its name and its value.
pub type Figure = (String, String);

/// Name and value of a number, truth value or short text; `None` for lists, objects and nothing.
pub fn of(name: &str, value: &Value) -> Option<Figure> {
    let named = |name: &str, text: String| Some((name.replace('_', " "), text));
    let Value::Number(number) = value else {
        return match value {
            Value::String(text) => named(name, text.clone()),
            Value::Bool(yes) => named(name, if *yes { "yes" } else { "no" }.to_owned()),
            _ => None,
        };
    };
    let real = number.as_f64().unwrap_or(0.0);
    if name == "bytes" {
        return named("size", size(real as i64));
    }
    if let Some(name) = name.strip_suffix("_bytes") {
        return named(name, size(real as i64));
    }
    if let Some(name) = name.strip_suffix("_seconds") {
        return named(name, duration((real * 1000.0) as i64));
    }
    if let Some(name) = name.strip_suffix("_ms") {
        return named(name, duration(real as i64));
    }
    named(name, amount(value))
}

/// A number with separators, at most four decimals; anything else as its text.
pub fn amount(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_i64().map_or_else(
            || {
                let text = format!("{:.4}", number.as_f64().unwrap_or(0.0));
                let text = text.trim_end_matches('0').trim_end_matches('.');
                match text.split_once('.').unwrap_or((text, "")) {
                    // Nothing to separate; and `-0.5` would lose its sign.
                    (whole, _) if whole.trim_start_matches('-').len() <= 3 => text.to_owned(),
                    (whole, "") => whole.parse().map_or_else(|_| text.to_owned(), count),
                    (whole, rest) => match whole.parse() {
                        Ok(whole) => format!("{}.{rest}", count(whole)),
                        Err(_) => text.to_owned(),
                    },
                }
            },
            count,
        ),
        other => other.to_string(),
    }
}

/// The figures of a job's result: metrics, those that are nought last; what it wrote; memory and processor time once.
pub fn of_result(result: &Value) -> Vec<Figure> {
    let metrics = result.get("metrics").and_then(Value::as_object);
    let (mut figures, mut noughts) = (Vec::new(), Vec::new());
    for (name, value) in metrics.into_iter().flatten().filter(|(name, _)| !ELSEWHERE.contains(&name.as_str())) {
        let Some(figure) = of(name, value) else { continue };
        if value.as_f64() == Some(0.0) { noughts.push(figure.0) } else { figures.push(figure) }
    }
    for output in result.get("outputs").and_then(Value::as_array).into_iter().flatten() {
        if let Some(uri) = output.get("uri").and_then(Value::as_str) {
            let rows = output.get("rows").and_then(Value::as_i64).map(|rows| format!("{} rows · ", count(rows)));
            let name = if uri.contains("/quarantine/") { "quarantined rows" } else { "output" };
            figures.push((name.to_owned(), format!("{}{uri}", rows.unwrap_or_default())));
        }
    }
    if !noughts.is_empty() {
        noughts.sort();
        figures.push(("none of".to_owned(), noughts.join(", ")));
    }
    // The worker saw the whole process; the job's own figure is for workers that did not look.
    for name in ["peak_memory_bytes", "cpu_seconds"] {
        let measured = result.get(name).filter(|value| value.as_f64().is_some_and(|number| number > 0.0));
        figures.extend(measured.or_else(|| metrics?.get(name)).and_then(|value| of(name, value)));
    }
    figures
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn units_of_names_become_units_of_values() {
        for (name, value, expected) in [
            ("records", json!(2500), Some(("records", "2,500"))),
            ("peak_memory_bytes", json!(432_013_312), Some(("peak memory", "412.0 MiB"))),
            ("bytes", json!(2_965), Some(("size", "2.9 KiB"))),
            ("cpu_seconds", json!(28.44), Some(("cpu", "28 s"))),
            ("duration_ms", json!(72_000), Some(("duration", "1 m 12 s"))),
            ("critical_error_rate", json!(12.440_000_1), Some(("critical error rate", "12.44"))),
            ("revenue", json!(1_204_233.55), Some(("revenue", "1,204,233.55"))),
            ("change", json!(-0.5), Some(("change", "-0.5"))),
            ("changed", json!(true), Some(("changed", "yes"))),
            ("columns", json!(["a"]), None),
        ] {
            let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
            assert_eq!(of(name, &value), expected, "{name}");
        }
    }

    #[test]
    fn memory_is_said_once_and_noughts_are_said_together() {
        let figures = of_result(&json!({
            "metrics": { "dq_null_symbol": 0, "peak_memory_bytes": 1024, "quality": [], "records": 7, "dq_gap": 0 },
            "peak_memory_bytes": 2048, "outputs": [{ "uri": "s3://b/quarantine/ds=1/", "rows": 2 }],
        }));
        let names: Vec<&str> = figures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["records", "quarantined rows", "none of", "peak memory"]);
        assert_eq!(figures[2].1, "dq gap, dq null symbol");
        assert_eq!(figures[3].1, "2.0 KiB");
        assert_eq!(of_result(&json!({ "metrics": { "peak_memory_bytes": 1024 }, "peak_memory_bytes": null })).len(), 1);
    }
}
