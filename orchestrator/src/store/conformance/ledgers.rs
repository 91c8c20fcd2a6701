//! The ledger, the outbox, and what else stands beside executions.

use super::super::{
    Commit, CommitResult, CrawlTable, Delivery, LedgerChange, LedgerRow, NewOutboxMessage, OutboxSettlement, Outcome,
    PipelineRecord, QueuedRun, WorkerRecord,
};
use super::*;

fn begin(execution: &ExecutionRecord, partition: &str) -> LedgerChange {
    LedgerChange::Begin {
        pipeline: "sales".into(),
        partition: partition.into(),
        execution: execution.id,
        execution_arn: execution.arn.clone(),
        at: at(1),
    }
}

fn settle(execution: ExecutionId, partition: &str, outcome: Outcome) -> LedgerChange {
    LedgerChange::Settle {
        pipeline: "sales".into(),
        partition: partition.into(),
        execution,
        outcome,
        reason: Some("no\u{0}ne".into()),
        in_place: false,
        at: at(2),
    }
}

/// The start of a run that works on these partitions.
fn run(name: &str, partitions: &[&str], exclusive: bool) -> Commit {
    let record = record(name, 0);
    let ledger = partitions.iter().map(|partition| begin(&record, partition)).collect();
    let mut commit = Commit { ledger, ..start(record) };
    commit.create.as_mut().unwrap().exclusive = exclusive;
    commit
}

async fn outcomes(store: &Shared) -> Vec<(String, Outcome)> {
    let rows = store.ledger("sales", "", "9").await.unwrap();
    rows.into_iter().map(|row| (row.partition, row.outcome)).collect()
}

pub async fn exclusive_run_of_a_busy_partition_is_refused(store: Shared) {
    with_machine(&store).await;
    let first = run("a", &["2024-12-06", "2024-12-07"], true);
    let second = run("b", &["2024-12-05", "2024-12-07"], true);
    let (holder, refused) = (first.execution, second.execution);
    let results = store.commit(vec![first, second]).await.unwrap();
    assert!(matches!(results[0], CommitResult::Committed), "{:?}", results[0]);
    assert!(
        matches!(&results[1], CommitResult::PartitionBusy(row)
        if row.execution == holder && row.partition == "2024-12-07"),
        "{:?}",
        results[1]
    );
    assert!(store.load(refused).await.unwrap().is_none());
    let running = |partition: &str| (partition.to_owned(), Outcome::Running);
    assert_eq!(outcomes(&store).await, [running("2024-12-06"), running("2024-12-07")]);
    let third = one(&store, run("c", &["2024-12-06"], true)).await;
    assert!(matches!(third, CommitResult::PartitionBusy(_)), "{third:?}");
    // Whoever is not exclusive takes it over.
    let over = hold(&store, run("d", &["2024-12-06"], false)).await;
    assert_eq!(store.ledger("sales", "2024-12-06", "2024-12-06").await.unwrap()[0].execution, over);
    let done = Commit { ledger: vec![settle(over, "2024-12-06", Outcome::Failed)], ..step(over, 1) };
    hold(&store, done).await;
    hold(&store, run("e", &["2024-12-06"], true)).await;
}

pub async fn only_one_of_two_exclusive_runs_begins(store: Shared) {
    with_machine(&store).await;
    for round in 0..10 {
        let partition = format!("2024-12-{round:02}");
        let runs = (0..3).map(|n| {
            let (store, commit) = (store.clone(), run(&format!("x{round}-{n}"), &[&partition], true));
            tokio::spawn(async move { one(&store, commit).await })
        });
        let mut held = 0;
        for run in runs.collect::<Vec<_>>() {
            match run.await.unwrap() {
                CommitResult::Committed => held += 1,
                CommitResult::PartitionBusy(row) => assert_eq!(row.partition, partition),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(held, 1, "round {round}");
    }
}

pub async fn ledger_follows_its_execution(store: Shared) {
    with_machine(&store).await;
    let id = hold(&store, run("a", &["2024-12-07"], true)).await;
    let figures = |rows, quality: serde_json::Value| LedgerChange::Figures {
        pipeline: "sales".into(),
        partition: "2024-12-07".into(),
        execution: id,
        rows,
        bytes: Some(2048),
        files: None,
        quality,
    };
    let changes =
        [figures(Some(7), json!({ "load": { "passed": true } })), figures(None, json!({ "clean": "caf\u{e9}" }))];
    store.change_ledger(&changes).await.unwrap();
    let done = Commit { ledger: vec![settle(id, "2024-12-07", Outcome::Succeeded)], ..step(id, 1) };
    hold(&store, done).await;
    // Someone who never held the partition.
    store.change_ledger(&[settle(Uuid::new_v4(), "2024-12-07", Outcome::Failed)]).await.unwrap();
    store.change_ledger(&[]).await.unwrap();
    let rows = store.ledger("sales", "2024-12-07", "2024-12-07").await.unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.outcome, row.rows, row.bytes, row.files), (Outcome::Succeeded, Some(7), Some(2048), None));
    assert_eq!(row.quality, json!({ "load": { "passed": true }, "clean": "caf\u{e9}" }));
    assert_eq!((row.started_at, row.ended_at, row.execution), (at(1), Some(at(2)), id));
    assert!(row.reason.as_ref().unwrap().starts_with("no"));
    // A commit that is stale leaves the ledger alone.
    let stale = Commit { ledger: vec![settle(id, "2024-12-07", Outcome::Stale)], ..step(id, 1) };
    assert!(matches!(one(&store, stale).await, CommitResult::Stale));
    assert_eq!(outcomes(&store).await, [("2024-12-07".to_owned(), Outcome::Succeeded)]);
}

pub async fn queued_run_has_its_turn_in_the_commit_that_ends_the_other(store: Shared) {
    with_machine(&store).await;
    let first = hold(&store, run("a", &["2024-12-07"], true)).await;
    let second = run("b", &["2024-12-07"], true);
    let record = second.create.as_ref().unwrap().record.clone();
    let queue = |execution| LedgerChange::Queue {
        pipeline: "sales".into(),
        partition: "2024-12-07".into(),
        run: Box::new(QueuedRun {
            execution,
            execution_arn: record.arn.clone(),
            name: record.name.clone(),
            state_machine_arn: MACHINE.into(),
            input: r#"{"ds": "2024-12-07", "odd": "\u0000 \""}"#.into(),
            trigger: "rest".into(),
            requested_at: at(5),
        }),
    };
    // Of many who ask at once one waits.
    let asked = (0..4).map(|n| {
        let (store, change) = (store.clone(), queue(if n == 0 { record.id } else { Uuid::from_u128(n) }));
        tokio::spawn(async move { store.change_ledger(&[change]).await.unwrap() })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    let waiting = store.queued_runs().await.unwrap();
    assert_eq!(waiting.len(), 1);
    let winner = waiting[0].queued.clone().unwrap();
    assert_eq!((waiting[0].outcome, waiting[0].execution), (Outcome::Running, first));
    let unqueue =
        LedgerChange::Unqueue { pipeline: "sales".into(), partition: "2024-12-07".into(), execution: winner.execution };
    store.change_ledger(&[unqueue]).await.unwrap();
    assert_eq!(store.queued_runs().await.unwrap(), []);
    store.change_ledger(&[queue(record.id)]).await.unwrap();
    // A stale end leaves it waiting; the end itself gives it its turn.
    let ended = Commit { ledger: vec![settle(first, "2024-12-07", Outcome::Succeeded)], ..step(first, 7) };
    assert!(matches!(one(&store, ended).await, CommitResult::Stale));
    assert_eq!(store.queued_runs().await.unwrap()[0].outcome, Outcome::Running);
    let ended = Commit { ledger: vec![settle(first, "2024-12-07", Outcome::Succeeded)], ..step(first, 1) };
    hold(&store, ended).await;
    let due = store.queued_runs().await.unwrap().remove(0);
    assert_eq!((due.outcome, due.execution, &due.execution_arn), (Outcome::Queued, record.id, &record.arn));
    assert_eq!(due.earlier.as_ref().unwrap().outcome, Outcome::Succeeded);
    assert_eq!(due.queued.as_ref().unwrap().input, r#"{"ds": "2024-12-07", "odd": "\u0000 \""}"#);
    // Nobody else gets in, and it begins once.
    let other = one(&store, run("c", &["2024-12-07"], true)).await;
    assert!(matches!(&other, CommitResult::PartitionBusy(row) if row.execution == record.id), "{other:?}");
    hold(&store, second.clone()).await;
    assert!(matches!(one(&store, second).await, CommitResult::NameTaken(_)));
    assert_eq!(store.queued_runs().await.unwrap(), []);
    assert_eq!(outcomes(&store).await, [("2024-12-07".to_owned(), Outcome::Running)]);
}

pub async fn ledger_is_read_by_range_and_newest(store: Shared) {
    let row = |pipeline: &str, partition: &str| LedgerRow {
        pipeline: pipeline.into(),
        partition: partition.into(),
        outcome: Outcome::Skipped,
        reason: None,
        execution: Uuid::from_u128(1),
        execution_arn: "arn".into(),
        rows: None,
        bytes: Some(i64::MAX),
        files: Some(0),
        quality: json!({}),
        started_at: at(0),
        ended_at: None,
        earlier: None,
        queued: None,
    };
    let rows = ["2024-12-03", "2024-12-01", "2024-12-02"].map(|partition| row("sales", partition));
    let puts = rows.iter().cloned().chain([row("other", "2024-12-02")]);
    let puts: Vec<_> = puts.map(|row| LedgerChange::Put(Box::new(row))).collect();
    store.change_ledger(&puts).await.unwrap();
    let partitions = |rows: Vec<LedgerRow>| rows.into_iter().map(|row| row.partition).collect::<Vec<_>>();
    let range = store.ledger("sales", "2024-12-02", "2024-12-09").await.unwrap();
    assert_eq!(partitions(range), ["2024-12-02", "2024-12-03"]);
    assert_eq!(partitions(store.ledger_newest("sales", 2).await.unwrap()), ["2024-12-02", "2024-12-03"]);
    assert_eq!(store.ledger_newest("other", 9).await.unwrap(), [row("other", "2024-12-02")]);
    assert_eq!(store.ledger("none", "", "9").await.unwrap(), []);
}

pub async fn message_is_sent_at_least_once(store: Shared) {
    with_machine(&store).await;
    let message = |n: u128, created_at| NewOutboxMessage {
        id: Uuid::from_u128(n),
        channel: "sns".into(),
        payload: json!({ "Subject": n.to_string() }),
        created_at: at(created_at),
    };
    let id = hold(&store, Commit { outbox: vec![message(1, 1), message(2, 2)], ..start(record("x", 0)) }).await;
    // Repeated by a sender that did not hear of it.
    hold(&store, Commit { outbox: vec![message(2, 9)], ..step(id, 1) }).await;
    // Outside a commit, with one that is there.
    store.post(&[message(1, 9), message(3, 3)]).await.unwrap();
    store.post(&[message(3, 9)]).await.unwrap();
    let claimed = store.claim_outbox(10, Duration::from_millis(50)).await.unwrap();
    assert_eq!(claimed.iter().map(|message| message.id.as_u128()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((claimed[0].delivery, claimed[0].attempts, &claimed[0].channel), (Delivery::Pending, 0, &"sns".into()));
    // Nobody settled them: they come again.
    let again = eventually("the end of the reservation", async || {
        let claimed = store.claim_outbox(1, Duration::from_secs(600)).await.unwrap();
        (!claimed.is_empty()).then_some(claimed)
    });
    assert_eq!(again.await[0].id.as_u128(), 1);
    let settled = |n: u128, delivery, note: &str| OutboxSettlement {
        id: Uuid::from_u128(n),
        delivery,
        note: Some(note.into()),
        retry_after: Duration::ZERO,
    };
    let settlements = [1, 2, 3].map(|n| match n {
        2 => settled(n, Delivery::Pending, "refused"),
        _ => settled(n, Delivery::Sent, "receipt"),
    });
    store.settle_outbox(&settlements).await.unwrap();
    let retried =
        eventually("the retry", async || store.claim_outbox(10, Duration::from_secs(600)).await.unwrap().pop());
    let retried = retried.await;
    assert_eq!((retried.id.as_u128(), retried.attempts, retried.note.as_deref()), (2, 1, Some("refused")));
    let settlements = [settled(2, Delivery::NotConfigured, "nowhere")];
    store.settle_outbox(&settlements).await.unwrap();
    assert!(store.claim_outbox(10, Duration::ZERO).await.unwrap().is_empty());
    let newest = store.outbox(2).await.unwrap();
    assert_eq!((newest[0].id.as_u128(), newest[0].delivery, newest[0].attempts), (3, Delivery::Sent, 1));
    assert_eq!((newest[1].id.as_u128(), newest[1].delivery, newest[1].attempts), (2, Delivery::NotConfigured, 2));
    assert_eq!(store.outbox(10).await.unwrap()[2].delivery, Delivery::Sent);
}

pub async fn pipelines_tables_and_workers_are_kept(store: Shared) {
    with_machine(&store).await;
    let pipeline = |name: &str, sheet: &str| PipelineRecord {
        name: name.into(),
        state_machine_arn: MACHINE.into(),
        sheet: sheet.into(),
        updated_at: at(0),
    };
    for pipeline in [pipeline("b", "1"), pipeline("a", "1"), pipeline("b", "2")] {
        store.put_pipeline(&pipeline).await.unwrap();
    }
    assert_eq!(store.pipelines().await.unwrap(), [pipeline("a", "1"), pipeline("b", "2")]);

    let table_of = |name: &str, partitions: serde_json::Value| CrawlTable {
        database: "raw".into(),
        name: name.into(),
        location: "s3://lake/raw".into(),
        columns: json!([{ "name": "z", "type": "bigint" }]),
        partition_keys: json!([{ "name": "ds", "type": "string" }]),
        partitions,
        crawler: "c".into(),
        updated_at: at(0),
    };
    let day = |ds: &str, rows: u64| json!({ "values": [ds], "rows": rows });
    let table = |name: &str, rows: u64| table_of(name, json!([day("1", rows)]));
    store.merge_tables(&[table("b", 1), table("a", 1)]).await.unwrap();
    // A crawl sees all of a table, a job what it published.
    hold(&store, Commit { tables: vec![table_of("b", json!([day("2", 2)]))], ..start(record("x", 0)) }).await;
    store.merge_tables(&[table("b", 3), table("a", 4)]).await.unwrap();
    let b = table_of("b", json!([day("1", 3), day("2", 2)]));
    assert_eq!(store.tables().await.unwrap(), [table("a", 4), b]);

    let worker =
        |name: &str, seen_at| WorkerRecord { name: name.into(), about: json!({ "slots": 2 }), seen_at: at(seen_at) };
    for worker in [worker("w2", 5), worker("w1", 1), worker("w1", 6), worker("w0", 1)] {
        store.put_worker(&worker).await.unwrap();
    }
    assert_eq!(store.workers(at(5)).await.unwrap(), [worker("w1", 6), worker("w2", 5)]);
}
