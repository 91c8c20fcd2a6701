//! The sum of an execution: one payload out of the outcomes of its days.
//!
//! Step Functions has no intrinsic that adds up a list, so this is a function.
//!
//! Input: `{domain, table_name|table, correlationId?, items: [...], glueRunIds?}`. An item is what the map over days ends a
//! day with: the output of preflight or guard for a day that was skipped (`proceed` or `shouldProcess` false), else the
//! output of the crawler decision (`{ds, shouldRunCrawler, stats}`), each with `glueRunIds?` added; null items are passed over.
//!
//! Output: `{ok: true, correlationId, domain, table, partitions: ["ds=…"], skipped: [{ds, code, reason}], stats: {rowCount,
//! bytesWritten, fileCount}, glueRunIds: […], shouldRunCrawler}`; `shouldRunCrawler` is true if any item says so.
//!
//! Source: pipelines.md 1.10.

use serde_json::{Value, json};

use super::payload::Payload;
use crate::job::{Code, FunctionDefinition, JobError};

/// The function.
pub(crate) const AGGREGATE: FunctionDefinition = FunctionDefinition {
    name: "daily-prices-aggregate",
    summary: "Adds up the days of an execution",
    run: |_, input| Box::pin(async move { aggregate(&input) }),
};

const STATS: [&str; 3] = ["rowCount", "bytesWritten", "fileCount"];

fn aggregate(input: &Value) -> Result<Value, JobError> {
    let payload = Payload::of(input, "the input", Code::PreValidationFailed)?;
    let domain = payload.required("domain")?;
    let table = match payload.text("table_name")? {
        Some(table) => table,
        None => payload.required("table")?,
    };
    let mut glue_run_ids = payload.list("glueRunIds")?.to_vec();
    let (mut days, mut partitions, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sums, mut should_run_crawler) = ([0u64; 3], false);
    for (at, item) in payload.list("items")?.iter().enumerate().filter(|(_, item)| !item.is_null()) {
        let item = Payload::of(item, &format!("`items[{at}]`"), Code::PreValidationFailed)?;
        let ds = item.text("ds")?;
        days.extend(ds);
        glue_run_ids.extend(item.list("glueRunIds")?.iter().cloned());
        if !item.flag("proceed", true)? || !item.flag("shouldProcess", true)? {
            let error = item.object("error")?;
            let code = error.map(|error| error.text("code")).transpose()?.flatten();
            let reason = item.text("reason")?;
            skipped.push(json!({"ds": ds, "code": code.or(reason), "reason": reason}));
            continue;
        }
        partitions.push(format!("ds={}", item.required("ds")?));
        should_run_crawler |= item.flag("shouldRunCrawler", false)?;
        if let Some(stats) = item.object("stats")? {
            for (sum, name) in sums.iter_mut().zip(STATS) {
                *sum += stats.value(name).and_then(Value::as_u64).unwrap_or_default();
            }
        }
    }
    let span = match (days.iter().min(), days.iter().max()) {
        (Some(first), Some(last)) if first != last => format!("{first}/{last}"),
        (Some(only), _) => (*only).to_owned(),
        _ => String::new(),
    };
    Ok(json!({
        "ok": true,
        "correlationId": payload.text("correlationId")?.map_or_else(|| format!("{domain}:{table}:{span}"), str::to_owned),
        "domain": domain,
        "table": table,
        "partitions": partitions,
        "skipped": skipped,
        "stats": {STATS[0]: sums[0], STATS[1]: sums[1], STATS[2]: sums[2]},
        "glueRunIds": glue_run_ids,
        "shouldRunCrawler": should_run_crawler,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_added_up_and_skips_listed() {
        let stats = json!({"rowCount": 8, "bytesWritten": 100, "fileCount": 2});
        let input = json!({
            "domain": "market",
            "table_name": "prices",
            "items": [
                {"ds": "2024-12-05", "proceed": false, "reason": "Already processed", "error": {"code": "IDEMPOTENT_SKIP", "message": "Already processed"}},
                {"ds": "2024-12-06", "shouldRunCrawler": true, "stats": stats, "glueRunIds": ["jr_1", "jr_2"]},
                {"ds": "2024-12-07", "shouldProcess": false, "reason": "NO_RAW_DATA", "glueRunIds": ["jr_3"]},
                {"ds": "2024-12-09", "shouldRunCrawler": false, "stats": stats},
                null,
            ],
        });
        assert_eq!(
            aggregate(&input).unwrap(),
            json!({
                "ok": true,
                "correlationId": "market:prices:2024-12-05/2024-12-09",
                "domain": "market",
                "table": "prices",
                "partitions": ["ds=2024-12-06", "ds=2024-12-09"],
                "skipped": [
                    {"ds": "2024-12-05", "code": "IDEMPOTENT_SKIP", "reason": "Already processed"},
                    {"ds": "2024-12-07", "code": "NO_RAW_DATA", "reason": "NO_RAW_DATA"},
                ],
                "stats": {"rowCount": 16, "bytesWritten": 200, "fileCount": 4},
                "glueRunIds": ["jr_1", "jr_2", "jr_3"],
                "shouldRunCrawler": true,
            })
        );
    }

    #[test]
    fn one_day_names_the_correlation_and_nothing_is_fine() {
        let one = json!({"domain": "market", "table": "prices", "items": [{"ds": "2024-12-06"}]});
        assert_eq!(aggregate(&one).unwrap()["correlationId"], "market:prices:2024-12-06");
        let none = aggregate(&json!({"domain": "market", "table": "prices"})).unwrap();
        assert_eq!((&none["partitions"], &none["shouldRunCrawler"]), (&json!([]), &json!(false)));
        let error = aggregate(&json!({"domain": "market"})).unwrap_err();
        assert!(error.message.contains("`table` is required"), "{error}");
    }
}
