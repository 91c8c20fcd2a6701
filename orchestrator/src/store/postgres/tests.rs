//! What only Postgres has: several nodes, a server that goes away, plans, migrations in both directions.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgPool, Row};
use tokio::sync::broadcast;

use super::super::conformance::{self, event, hold, start, step, with_machine};
use super::super::testing::{self, TestDatabase};
use super::super::{Commit, CommitResult, Error, ExecutionStatus, Hint, schema};
use super::{PostgresSettings, PostgresStore, raw_rate, statement};

async fn node(database: &TestDatabase) -> conformance::Shared {
    std::sync::Arc::new(PostgresStore::open(&database.url, PostgresSettings::default()).await.unwrap())
}

async fn tables(pool: &PgPool) -> Vec<String> {
    let query = "select tablename::text from pg_tables where schemaname = 'public' and tablename <> '_sqlx_migrations'
                 union all select proname::text from pg_proc where pronamespace = 'public'::regnamespace order by 1";
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn migrations_go_up_down_and_up_again() {
    let database = testing::postgres().await.unwrap();
    let pool = PgPool::connect(&database.url).await.unwrap();
    schema::postgres().run(&pool).await.unwrap();
    let after_up = tables(&pool).await;
    assert!(after_up.contains(&"journal".to_owned()), "{after_up:?}");
    schema::postgres().undo(&pool, 0).await.unwrap();
    assert_eq!(tables(&pool).await, [""; 0]);
    schema::postgres().run(&pool).await.unwrap();
    assert_eq!(tables(&pool).await, after_up);
    pool.close().await;
}

/// The plan of `sql` with literals in place of its parameters.
async fn plan(pool: &PgPool, sql: &str, parameters: &[&str]) -> String {
    let mut sql = sql.to_owned();
    for (index, literal) in parameters.iter().enumerate().rev() {
        sql = sql.replace(&format!("${}", index + 1), literal);
    }
    let mut connection = pool.acquire().await.unwrap();
    for setting in ["enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "enable_sort"] {
        connection.execute(AssertSqlSafe(format!("set {setting} = off"))).await.unwrap();
    }
    let rows = sqlx::query(AssertSqlSafe(format!("explain {sql}"))).fetch_all(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn hot_statements_walk_their_indexes() {
    let database = testing::postgres().await.unwrap();
    let pool = PgPool::connect(&database.url).await.unwrap();
    schema::postgres().run(&pool).await.unwrap();
    // Plans for tables as they are after a while: for empty ones any index is as good as another.
    pool.execute(include_str!("tests/fill.sql")).await.unwrap();
    let id = "'00000000-0000-0000-0000-000000000001'::uuid";
    let commit = statement::WHOLE.replace("$63::bigint", "0");
    let commit = (1..=68).rev().fold(commit, |sql, n| sql.replace(&format!("${n}::"), "ARRAY::"));
    let sample = [("uuid", "{00000000-0000-0000-0000-000000000001}"), ("timestamptz", "{2024-12-07}")];
    let sample = sample.into_iter().chain([("bigint", "{1}"), ("boolean", "{t}"), ("text", "{x}")]);
    let commit = sample
        .fold(commit, |sql, (kind, value)| sql.replace(&format!("ARRAY::{kind}[]"), &format!("'{value}'::{kind}[]")));
    let list = "select * from execution where true {} order by started_at desc, id desc limit 10";
    let of_machine =
        list.replace("{}", "and state_machine_arn = 'm1' and (started_at, id) < (now() + interval '1 day', $1)");
    let running = list.replace("{}", "and state_machine_arn = 'm1' and status = 'RUNNING'");
    let failed = list.replace("{}", "and status = 'FAILED'");
    let of_partition = list.replace("{}", "and pipeline = 'p1' and partition = '2024-12-1'");
    let whole = list.replace("{}", "and (started_at, id) < (now() + interval '1 day', $1)");
    let ids = "'{00000000-0000-0000-0000-000000000001}'";
    let facts = [ids, ids, "'{1}'", "'{x}'", "'{x}'", ids, "'{1}'"];
    let cases: &[(&str, &[&str], &[&str])] = &[
        (&commit, &[], &["execution_pkey", "task_pkey", "timer_pkey", "state_machine_pkey"]),
        (
            include_str!("sql/facts.sql"),
            &facts,
            &["execution_pkey", "execution_arn_is_unique", "state_machine_pkey", "task_pkey"],
        ),
        (include_str!("sql/claim.sql"), &["'{x}'", "1", "1"], &["task_waiting", "task_pkey"]),
        (include_str!("sql/heartbeat.sql"), &[id, "1", "''"], &["task_pkey", "timer_pkey"]),
        (include_str!("sql/due_timers.sql"), &["1", "1"], &["timer_visible", "timer_pkey"]),
        ("select visible_at from timer order by visible_at limit 1", &[], &["timer_visible"]),
        (include_str!("sql/expired_leases.sql"), &["1", "2"], &["task_lease", "task_pkey"]),
        (include_str!("sql/load_recent.sql"), &[id], &["execution_pkey", "snapshot_pkey", "journal_pkey"]),
        (include_str!("sql/history.sql"), &[id, "5", "9"], &["journal_pkey"]),
        (
            "select events from journal where execution_id = $1 order by first_public_id, first_event_id",
            &[id],
            &["journal_pkey"],
        ),
        ("select * from ledger where queued is not null order by pipeline, partition", &[], &["ledger_queued"]),
        (include_str!("sql/claim_outbox.sql"), &["1", "1"], &["outbox_due", "outbox_pkey"]),
        ("select * from outbox order by created_at desc, id desc limit 5", &[], &["outbox_created"]),
        ("select * from ledger where pipeline = 'p1' order by partition desc limit 5", &[], &["ledger_pkey"]),
        (
            "select * from log_line where execution_id = $1 and number > 5 order by number limit 9",
            &[id],
            &["log_line_pkey"],
        ),
        (
            "select * from log_line where execution_id = $1 and number > 5 and task_id = 1 order by number limit 9",
            &[id],
            &["log_line_of_task"],
        ),
        (include_str!("sql/list_state_machines.sql"), &["now()", "''", "9"], &["state_machine_created"]),
        (&whole, &[id], &["execution_started"]),
        (&of_machine, &[id], &["execution_of_machine"]),
        (&running, &[], &["execution_running"]),
        (&failed, &[], &["execution_unsuccessful"]),
        (&of_partition, &[], &["execution_of_pipeline"]),
    ];
    for (sql, parameters, indexes) in cases {
        let plan = plan(&pool, sql, parameters).await;
        for index in *indexes {
            assert!(plan.contains(index), "no `{index}` in the plan of\n{sql}\n{plan}");
        }
        assert!(!plan.contains("Seq Scan"), "a table is scanned by\n{sql}\n{plan}");
    }
    pool.close().await;
}

#[tokio::test]
async fn cut_connections_are_an_error_once_and_then_made_anew() {
    let database = testing::postgres().await.unwrap();
    let store = node(&database).await;
    with_machine(&store).await;
    let id = hold(&store, start(conformance::record("x", 0))).await;
    for round in 1..=3 {
        database.disconnect_all().await.unwrap();
        let mut attempts = 0;
        conformance::eventually("a commit after the cut", async || {
            attempts += 1;
            match store.commit(vec![step(id, round)]).await {
                Ok(results) => {
                    // A commit whose answer was lost is there already.
                    assert!(matches!(results[0], CommitResult::Committed | CommitResult::Stale), "{results:?}");
                    Some(())
                }
                Err(Error::Unavailable { .. }) => None,
                Err(other) => panic!("{other}"),
            }
        })
        .await;
        assert!(attempts <= 3, "one error per connection: {attempts}");
        for _ in 0..10 {
            // Reads check their connection first.
            assert_eq!(store.load(id).await.unwrap().unwrap().events.len() as u64, round + 1);
        }
    }
}

async fn next(receiver: &mut broadcast::Receiver<Hint>) -> Hint {
    tokio::time::timeout(Duration::from_secs(20), receiver.recv()).await.expect("a hint arrives").unwrap()
}

#[tokio::test]
async fn a_node_hears_of_other_nodes_only() {
    let database = testing::postgres().await.unwrap();
    let (mine, other) = (node(&database).await, node(&database).await);
    with_machine(&mine).await;
    let mut hints = mine.subscribe().await.unwrap().unwrap();
    hold(&mine, Commit { tasks: vec![conformance::task(1, "own")], ..start(conformance::record("a", 0)) }).await;
    let tasks = vec![conformance::task(1, "q1"), conformance::task(2, "q1"), conformance::task(3, "q2")];
    let id = hold(&other, Commit { tasks, ..start(conformance::record("b", 0)) }).await;
    // Nothing anybody waits for.
    hold(&other, step(id, 1)).await;
    let end = Some(conformance::end(ExecutionStatus::Succeeded, 1));
    hold(&other, Commit { end, ..step(id, 2) }).await;
    let queue = |queue: &str| Hint::Task { queue: queue.into() };
    assert_eq!(next(&mut hints).await, queue("q1"));
    assert_eq!(next(&mut hints).await, queue("q2"));
    assert_eq!(next(&mut hints).await, Hint::Execution { id, ended: true });
    assert!(hints.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_the_same_executions_in_other_orders_lose_nothing() {
    const EXECUTIONS: usize = 12;
    const ROUNDS: u64 = 20;
    let database = testing::postgres().await.unwrap();
    let nodes = [node(&database).await, node(&database).await, node(&database).await];
    with_machine(&nodes[0]).await;
    let mut ids = Vec::new();
    for n in 0..EXECUTIONS {
        ids.push(hold(&nodes[0], start(conformance::record(&format!("x{n}"), 0))).await);
    }
    let writers = nodes.clone().into_iter().enumerate().map(|(n, store)| {
        let mut ids = ids.clone();
        ids.rotate_left(n * 5);
        if n == 1 {
            ids.reverse();
        }
        tokio::spawn(async move {
            let mut won = 0;
            for expected in 1..=ROUNDS {
                let batch = ids.iter().map(|id| step(*id, expected)).collect();
                let results = store.commit(batch).await.unwrap();
                won += results.iter().filter(|result| matches!(result, CommitResult::Committed)).count();
            }
            won
        })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        won += writer.await.unwrap();
    }
    assert_eq!(won, EXECUTIONS * ROUNDS as usize);
    for id in ids {
        let loaded = nodes[0].load(id).await.unwrap().unwrap();
        assert_eq!(loaded.events, (1..=ROUNDS + 1).map(event).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_raw_rate_of_a_server_is_measured_and_leaves_nothing() {
    let database = testing::postgres().await.unwrap();
    let rate = raw_rate::raw_group_commit_rate(&database.url, 100, 1).await.unwrap();
    assert!(rate.commits_per_second > 0.0);
    assert!((rate.rows_per_second / rate.commits_per_second - 100.0).abs() < 1e-6, "{rate:?}");
    let pool = PgPool::connect(&database.url).await.unwrap();
    assert_eq!(tables(&pool).await, [""; 0]);
    pool.close().await;
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named_with_the_remedy() {
    let database = testing::postgres().await.unwrap();
    let url = database.url.replace("stepwell_test_", "stepwell_missing_");
    let error = PostgresStore::open(&url, PostgresSettings::default()).await.unwrap_err().to_string();
    assert!(error.contains("stepwell_missing_") && error.contains("createdb"), "{error}");
}
