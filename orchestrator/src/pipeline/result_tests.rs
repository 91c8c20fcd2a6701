//! What is read of reports and of the ledger.

use asl::{TaskId, Timestamp};
use uuid::Uuid;

use super::*;

fn check(table: &str, name: &str, status: &str) -> Value {
    json!({ "table": table, "check": name, "status": status, "expected": 10, "actual": 9, "tolerance": 0.01, "details": "d" })
}

fn report(task: u64, report: Value) -> ReportRecord {
    let at = Timestamp::from_millis(1);
    ReportRecord { execution: Uuid::nil(), task: TaskId(task), state: "Load".to_owned(), report, at }
}

fn loaded(partition: &str, rows: i64, quality: Value) -> Value {
    json!({
        "job": "load", "partition": partition, "warnings": ["late file"],
        "outputs": [
            { "uri": format!("s3://gold/sales/fact/ds={partition}"), "rows": rows, "files": 2, "bytes": 100 },
            { "uri": format!("s3://gold/sales/fact/quarantine/ds={partition}/"), "rows": 1, "files": 1, "bytes": 9 },
        ],
        "metrics": { "quality": quality },
    })
}

#[test]
fn checks_come_worst_first_and_a_later_attempt_replaces_an_earlier_one() {
    let first = json!([check("fact", "row_count", "FAIL")]);
    let second =
        json!([check("fact", "row_count", "PASS"), check("fact", "nulls", "WARN"), check("dim", "keys", "strange")]);
    let mut failed = loaded("2024-12-06", 4, first);
    failed["status"] = json!("FAILED");
    let reports = [
        report(4, failed),
        report(9, loaded("2024-12-06", 5, second)),
        report(12, loaded("2024-12-07", 7, json!([check("fact", "row_count", "PASS")]))),
    ];
    let results = Results::of_reports(&reports);
    assert_eq!(results.tally, Tally { pass: 2, warn: 1, fail: 1 });
    let shown: Vec<(&str, Verdict)> = results.checks.iter().map(|check| (check.check.as_str(), check.status)).collect();
    assert_eq!(
        shown,
        [("keys", Verdict::Fail), ("nulls", Verdict::Warn), ("row_count", Verdict::Pass), ("row_count", Verdict::Pass)]
    );
    assert_eq!(results.checks[3].partition.as_deref(), Some("2024-12-07"));
    let tables: Vec<_> =
        results.tables.iter().map(|t| (t.table.as_str(), t.part.as_str(), t.rows, t.quarantined)).collect();
    assert_eq!(
        tables,
        [
            ("fact", "ds=2024-12-06", Some(5), false),
            ("fact quarantine", "ds=2024-12-06", Some(1), true),
            ("fact", "ds=2024-12-07", Some(7), false),
            ("fact quarantine", "ds=2024-12-07", Some(1), true),
        ]
    );
    assert_eq!(results.warnings.len(), 2);
}

#[test]
fn the_ledger_keeps_counts_outputs_and_what_did_not_pass() {
    let quality = json!([check("fact", "row_count", "PASS"), check("fact", "nulls", "WARN"), {
        "table": "dim", "check": "keys", "status": "FAIL", "details": "x".repeat(4_000)
    }]);
    let (outputs, checks) = kept(&loaded("2024-12-06", 5, quality));
    assert_eq!((&checks["pass"], &checks["warn"], &checks["fail"]), (&json!(1), &json!(1), &json!(1)));
    assert!(checks.to_string().len() < 1_000, "{checks}");
    let row =
        json!({ "load": { "status": "SUCCEEDED", "outputs": outputs, "checks": checks, "warnings": ["late file"] } });
    let results = Results::of_ledger("2024-12-06", &row);
    assert_eq!(results.tally, Tally { pass: 1, warn: 1, fail: 1 });
    assert_eq!(results.tally.worst(), Some(Verdict::Fail));
    let open: Vec<&str> = results.checks.iter().map(|check| check.check.as_str()).collect();
    assert_eq!(open, ["keys", "nulls"]);
    assert_eq!(results.by_table["fact"], Tally { pass: 1, warn: 1, fail: 0 });
    assert_eq!((results.tables.len(), results.warnings.len()), (2, 1));
}

#[test]
fn odd_results_cost_a_line_only() {
    for odd in [
        json!(null),
        json!([]),
        json!({ "metrics": { "quality": "all fine" }, "outputs": 3 }),
        json!({ "metrics": { "quality": [1, {}] } }),
    ] {
        assert!(Results::of_reports(&[report(1, odd.clone())]).is_empty(), "{odd}");
        assert!(Results::of_ledger("2024-12-06", &json!({ "load": odd })).is_empty());
    }
    assert_eq!(kept(&json!({})), (Value::Null, Value::Null));
}

#[test]
fn uris_are_split_at_their_partition() {
    for (uri, folder, part) in [
        ("s3://b/prices/ds=2024-12-06/", "s3://b/prices", "ds=2024-12-06"),
        ("s3://b/prices/year=2024/month=12", "s3://b/prices", "year=2024/month=12"),
        ("file:///lake/gold/dim_date", "file:///lake/gold/dim_date", ""),
    ] {
        assert_eq!(folder_of(uri), (folder, part));
    }
}
