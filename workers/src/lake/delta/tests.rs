use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::*;
use crate::job::JobContext;
use crate::lake::{CrashPoint, Lake, Rows, column};
use crate::query::Query;

const COLUMNS: &[Column] = &[column("id", Kind::Int64), column("Amount", Kind::Int64), column("day", Kind::Text)];

fn lake() -> (tempfile::TempDir, Lake) {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    (place, lake)
}

fn folder(lake: &Lake) -> Folder {
    lake.folder("gold", "some dir/spend").unwrap()
}

/// Rows `(id, amount, day)`.
fn rows(rows: &[(i64, i64, &str)]) -> Rows {
    let ids = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>()) as ArrayRef;
    let amounts = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>()) as ArrayRef;
    let days = Arc::new(rows.iter().map(|row| Some(row.2)).collect::<StringArray>()) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("id", ids), ("Amount", amounts), ("day", days)]).unwrap();
    Rows::of(COLUMNS, vec![batch])
}

async fn create(lake: &Lake) -> Result<Delta, Error> {
    Delta::create(&folder(lake), COLUMNS, &["day"], "spend").await
}

fn days(days: &[&str]) -> Vec<String> {
    days.iter().map(|&day| day.to_owned()).collect()
}

/// The table's rows, in order, read by SQL.
async fn content(lake: &Lake, table: &Delta) -> Vec<(i64, i64, String)> {
    let query = Query::new(&JobContext::detached(lake.clone(), "test")).unwrap();
    query.delta("t", table).await.unwrap();
    let found = query.json("select id, \"Amount\" as amount, day from t order by id, amount, day", &[]).await.unwrap();
    let row = |row: &serde_json::Map<String, serde_json::Value>| {
        (row["id"].as_i64().unwrap(), row["amount"].as_i64().unwrap(), row["day"].as_str().unwrap().to_owned())
    };
    found.iter().map(row).collect()
}

async fn newest(lake: &Lake) -> Vec<(i64, i64, String)> {
    let table = Delta::open(&folder(lake)).await.unwrap().unwrap();
    content(lake, &table).await
}

fn owned(rows: &[(i64, i64, &str)]) -> Vec<(i64, i64, String)> {
    rows.iter().map(|&(id, amount, day)| (id, amount, day.to_owned())).collect()
}

/// A table of three days at version 1.
async fn filled(lake: &Lake) -> Delta {
    let mut table = create(lake).await.unwrap();
    let first = rows(&[(1, 10, "06"), (2, 20, "07"), (3, 30, "08")]);
    let written = table.write(first, Write::Append, None, "run-1").await.unwrap();
    assert_eq!((written.version, written.rows, written.files), (1, 3, 3));
    assert_eq!(written.version, table.version());
    table
}

#[tokio::test]
async fn every_mode_of_write_replaces_what_it_says_in_one_commit() {
    let (amounts, wanted) = (days(&["07", "08"]), vec![days(&["06"]), days(&["08"])]);
    type Case<'a> = (&'a str, Write<'a>, Vec<(i64, i64, &'a str)>, Vec<(i64, i64, &'a str)>);
    let cases: Vec<Case<'_>> = vec![
        (
            "append",
            Write::Append,
            vec![(4, 40, "08")],
            vec![(1, 10, "06"), (2, 20, "07"), (3, 30, "08"), (4, 40, "08")],
        ),
        ("replace table", Write::ReplaceTable, vec![(4, 40, "09")], vec![(4, 40, "09")]),
        ("empty table", Write::ReplaceTable, vec![], vec![]),
        (
            "partitions, one of them without rows",
            Write::ReplacePartitions { column: "day", values: &amounts },
            vec![(2, 21, "07")],
            vec![(1, 10, "06"), (2, 21, "07")],
        ),
        (
            "partitions by lists of values",
            Write::ReplaceEach { columns: &["day"], values: &wanted },
            vec![(9, 90, "08")],
            vec![(2, 20, "07"), (9, 90, "08")],
        ),
        (
            "no partition",
            Write::ReplacePartitions { column: "day", values: &[] },
            vec![],
            vec![(1, 10, "06"), (2, 20, "07"), (3, 30, "08")],
        ),
    ];
    for (case, mode, given, expected) in cases {
        let (_place, lake) = lake();
        let mut table = filled(&lake).await;
        let written = table.write(rows(&given), mode, None, "run-2").await.unwrap();
        assert_eq!((written.version, written.rows), (2, given.len() as u64), "{case}");
        assert_eq!(content(&lake, &table).await, owned(&expected), "{case}");
        assert_eq!(newest(&lake).await, owned(&expected), "{case}");
        let details = table.details().await.unwrap();
        assert_eq!(details.rows, expected.len() as u64, "{case}");
        let before = Delta::open_at(&folder(&lake), 1).await.unwrap();
        assert_eq!(content(&lake, &before).await.len(), 3, "{case}: version 1 stays readable");
    }
}

#[tokio::test]
async fn what_does_not_fit_the_table_is_refused_and_changes_nothing() {
    let (_place, lake) = lake();
    let mut table = filled(&lake).await;
    let only = days(&["07"]);
    let outside =
        table.write(rows(&[(1, 1, "09")]), Write::ReplacePartitions { column: "day", values: &only }, None, "r");
    assert!(matches!(outside.await, Err(Error::Schema { .. })), "a row of another partition");
    let other = Rows::of(&COLUMNS[..2], Vec::new());
    assert!(matches!(table.write(other, Write::Append, None, "r").await, Err(Error::Schema { .. })), "other columns");
    let by = Write::ReplacePartitions { column: "id", values: &only };
    assert!(matches!(table.write(rows(&[]), by, None, "r").await, Err(Error::Schema { .. })), "no partition column");
    assert_eq!(newest(&lake).await.len(), 3);
    assert_eq!(Delta::open(&folder(&lake)).await.unwrap().unwrap().version(), 1);

    let same = create(&lake).await.unwrap();
    assert_eq!((same.version(), same.columns()), (1, COLUMNS.to_vec()));
    for (columns, by) in [(&COLUMNS[..2], &[][..]), (COLUMNS, &["id"]), (COLUMNS, &[])] {
        let error = Delta::create(&folder(&lake), columns, by, "spend").await.unwrap_err();
        assert!(matches!(error, Error::Schema { .. }), "{error}");
    }
    assert!(Delta::open(&lake.folder("gold", "nothing").unwrap()).await.unwrap().is_none());
    assert!(matches!(Delta::open_at(&lake.folder("gold", "nothing").unwrap(), 0).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_transaction_is_done_once() {
    let (_place, lake) = lake();
    let mut table = filled(&lake).await;
    assert_eq!(table.transaction("enrichment").await.unwrap(), None);
    let stale = Delta::open(&folder(&lake)).await.unwrap().unwrap();
    table.write(rows(&[(4, 1, "09")]), Write::Append, Some(("enrichment", 7)), "r").await.unwrap();
    assert_eq!(table.transaction("enrichment").await.unwrap(), Some(7));
    assert_eq!(table.transaction("other").await.unwrap(), None);
    for (mut writer, version) in [(table.clone(), 7), (table.clone(), 6), (stale, 7)] {
        let again = writer.write(rows(&[(5, 1, "09")]), Write::Append, Some(("enrichment", version)), "r").await;
        assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    }
    table.write(rows(&[(5, 1, "09")]), Write::Append, Some(("enrichment", 8)), "r").await.unwrap();
    assert_eq!(newest(&lake).await.len(), 5);
}

#[tokio::test]
async fn a_crash_before_any_write_leaves_the_old_or_the_new_version() {
    let values = days(&["07", "08"]);
    let mode = Write::ReplacePartitions { column: "day", values: &values };
    let (old, new) = (
        owned(&[(1, 10, "06"), (2, 20, "07"), (3, 30, "08")]),
        owned(&[(1, 10, "06"), (2, 21, "07"), (3, 31, "08"), (4, 41, "08")]),
    );
    let given = || rows(&[(2, 21, "07"), (3, 31, "08"), (4, 41, "08")]);
    let (_place, calm) = lake();
    let mut table = filled(&calm).await;
    let before = calm.write_count();
    table.write(given(), mode, Some(("app", 1)), "r").await.unwrap();
    let steps = calm.write_count() - before;
    assert!(steps >= 3, "two files and a commit: {steps}");
    for step in 1..=steps {
        let (_place, lake) = lake();
        filled(&lake).await;
        let crashing = lake.with_crash_point(CrashPoint::fail_at(step));
        let mut table = Delta::open(&folder(&crashing)).await.unwrap().unwrap();
        let error = table.write(given(), mode, Some(("app", 1)), "r").await.unwrap_err();
        assert!(matches!(error, Error::Crashed { .. }), "write {step} of {steps}: {error}");
        assert_eq!(newest(&lake).await, old, "write {step} of {steps}");
        let mut table = Delta::open(&folder(&lake)).await.unwrap().unwrap();
        table.write(given(), mode, Some(("app", 1)), "r").await.unwrap();
        assert_eq!(newest(&lake).await, new, "write {step} of {steps}, repeated");
    }
}

#[tokio::test]
async fn writers_at_once_go_one_after_the_other_or_are_refused() {
    let (_place, lake) = lake();
    filled(&lake).await;
    let open = async || Delta::open(&folder(&lake)).await.unwrap().unwrap();
    let (seven, eight) = (days(&["07"]), days(&["08"]));
    let (by_seven, by_eight) = (
        Write::ReplacePartitions { column: "day", values: &seven },
        Write::ReplacePartitions { column: "day", values: &eight },
    );

    // Different partitions: both.
    let (mut a, mut b) = (open().await, open().await);
    let (a, b) = tokio::join!(
        a.write(rows(&[(2, 21, "07")]), by_seven, None, "a"),
        b.write(rows(&[(3, 31, "08")]), by_eight, None, "b")
    );
    assert_eq!([a.unwrap().version, b.unwrap().version].iter().max(), Some(&3));
    assert_eq!(newest(&lake).await, owned(&[(1, 10, "06"), (2, 21, "07"), (3, 31, "08")]));

    // The same partition: the slower is refused, and nothing of it is there.
    let (mut a, mut b) = (open().await, open().await);
    a.write(rows(&[(2, 22, "07")]), by_seven, None, "a").await.unwrap();
    let refused = b.write(rows(&[(2, 23, "07")]), by_seven, None, "b").await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let (mut c, mut d) = (open().await, open().await);
    c.write(rows(&[(9, 90, "07")]), Write::Append, None, "c").await.unwrap();
    let refused = d.write(rows(&[]), Write::ReplaceTable, None, "d").await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "an append it has not seen: {refused:?}");
    assert_eq!(newest(&lake).await, owned(&[(1, 10, "06"), (2, 22, "07"), (3, 31, "08"), (9, 90, "07")]));

    // Appends: all of them.
    let writers = (0..6).map(|id| {
        let lake = lake.clone();
        async move {
            let mut table = Delta::open(&folder(&lake)).await.unwrap().unwrap();
            table.write(rows(&[(100 + id, 1, "06")]), Write::Append, None, "many").await.unwrap().version
        }
    });
    let mut versions = futures::future::join_all(writers).await;
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 6);
    assert_eq!(newest(&lake).await.len(), 10);
}

#[tokio::test]
async fn a_replacement_that_read_before_an_optimisation_removes_the_new_files() {
    let (_place, lake) = lake();
    let mut table = filled(&lake).await;
    table.write(rows(&[(4, 40, "07")]), Write::Append, None, "r").await.unwrap();
    let mut stale = Delta::open(&folder(&lake)).await.unwrap().unwrap();
    assert_eq!(table.optimize(&[], None, 64).await.unwrap().files_removed, 2);
    let seven = days(&["07"]);
    let mode = Write::ReplacePartitions { column: "day", values: &seven };
    stale.write(rows(&[(2, 99, "07")]), mode, None, "r").await.unwrap();
    assert_eq!(newest(&lake).await, owned(&[(1, 10, "06"), (2, 99, "07"), (3, 30, "08")]));
}

#[tokio::test]
async fn changes_tell_data_from_layout() {
    let (_place, lake) = lake();
    let mut table = filled(&lake).await;
    table.write(rows(&[(4, 40, "07")]), Write::Append, None, "r").await.unwrap();
    table.optimize(&["id"], Some(("day", &days(&["07"]))), 64).await.unwrap();
    let gone = days(&["08"]);
    let mode = Write::ReplacePartitions { column: "day", values: &gone };
    table.write(rows(&[]), mode, None, "r").await.unwrap();
    let changes = table.changes(0, table.version(), "day").await.unwrap();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| {
            let days = change.partitions.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(",");
            (change.version, change.adds, change.removes, change.data_change, days)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, 3, 0, true, "06,07,08".to_owned()),
            (2, 1, 0, true, "07".to_owned()),
            (3, 1, 2, false, String::new()),
            (4, 0, 1, true, "08".to_owned()),
        ]
    );
    assert!(changes.iter().all(|change| change.partitions_known));
    assert!(matches!(table.changes(4, 5, "day").await, Err(Error::NotFound { .. })));
    assert_eq!(table.partition_values("day").await.unwrap(), [Some("06".to_owned()), Some("07".to_owned())]);
}

#[tokio::test]
async fn optimisation_keeps_the_rows_and_vacuum_the_versions_in_use() {
    for z_order in [&["id", "Amount"][..], &[]] {
        let (_place, lake) = lake();
        let mut table = create(&lake).await.unwrap();
        for batch in 0..5 {
            let given: Vec<_> = (0..20).map(|id| (id * 7 % 20, batch, if id % 2 == 0 { "06" } else { "07" })).collect();
            table.write(rows(&given), Write::Append, None, "r").await.unwrap();
        }
        // A file of a writer that crashed.
        folder(&lake).put("day=06/part-00000-lost.snappy.parquet", "left behind").await.unwrap();
        let before = content(&lake, &table).await;
        let optimized = table.optimize(z_order, None, 64).await.unwrap();
        assert_eq!((optimized.files_removed, optimized.files_added), (10, 2), "{z_order:?}");
        assert_eq!(content(&lake, &table).await, before, "{z_order:?}");
        assert_eq!(table.details().await.unwrap().files, 2);
        assert_eq!(table.optimize(z_order, Some(("day", &[])), 64).await.unwrap().files_removed, 0);

        let refused = table.vacuum(167, false).await.unwrap_err();
        assert!(matches!(refused, Error::Configuration { .. }), "{refused}");
        assert_eq!(table.vacuum(168, false).await.unwrap(), 0, "all of it is younger");
        assert_eq!(content(&lake, &Delta::open_at(&folder(&lake), 3).await.unwrap()).await.len(), 60);
        assert_eq!(table.vacuum(0, true).await.unwrap(), 11, "ten old files and the lost one");
        assert_eq!(content(&lake, &table).await, before);
        assert_eq!(newest(&lake).await, before);
        let files: BTreeMap<_, _> = folder(&lake)
            .data_objects()
            .await
            .unwrap()
            .into_iter()
            .filter(|object| object.name.ends_with(".parquet"))
            .map(|object| (object.name, object.size_bytes))
            .collect();
        assert_eq!(files.len(), 2, "{files:?}");
    }
}
