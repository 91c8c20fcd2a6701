//! What only a file has: one owner, kill -9 at any moment, plans, migrations in both directions.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Row, SqlitePool};
use uuid::Uuid;

use super::super::conformance::{self, Shared, hold, start, step};
use super::super::{Commit, schema};
use super::SqliteStore;

/// Tells the helper test below which folder to write to.
const FOLDER_VARIABLE: &str = "STEPWELL_TEST_KILL_FOLDER";

async fn memory() -> SqlitePool {
    // One connection: each in-memory database is its connection's own.
    SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap()
}

async fn objects(pool: &SqlitePool) -> Vec<String> {
    let query = "select name from sqlite_master where name not like '%_sqlx_%' and name not like 'sqlite_%' order by 1";
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn migrations_go_up_down_and_up_again() {
    let pool = memory().await;
    schema::sqlite().run(&pool).await.unwrap();
    let after_up = objects(&pool).await;
    assert!(after_up.contains(&"journal".to_owned()), "{after_up:?}");
    schema::sqlite().undo(&pool, 0).await.unwrap();
    assert_eq!(objects(&pool).await, [""; 0]);
    schema::sqlite().run(&pool).await.unwrap();
    assert_eq!(objects(&pool).await, after_up);
}

#[tokio::test]
async fn hot_statements_walk_their_indexes() {
    let pool = memory().await;
    schema::sqlite().run(&pool).await.unwrap();
    let list = "select * from execution where true {} order by started_at desc, id desc limit 10";
    let of_machine = list.replace("{}", "and state_machine_arn = 'a' and (started_at, id) < (1, 'x')");
    let failed = list.replace("{}", "and status = 'FAILED' and status in ('FAILED', 'TIMED_OUT', 'ABORTED')");
    let whole = list.replace("{}", "and (started_at, id) < (1, 'x')");
    let of_partition = list.replace("{}", "and pipeline = 'p' and partition = '2024-12-07'");
    for (sql, index) in [
        (include_str!("sql/history.sql"), "journal_pkey"),
        ("select events from journal where execution_id = ? order by first_public_id, first_event_id", "journal_pkey"),
        ("select last_event_id from execution where id = ?", "execution_pkey"),
        ("select * from execution where arn = ?", "execution_arn_is_unique"),
        (
            "select * from task where queue in (select value from json_each(?)) and status = 'SCHEDULED'
             and visible_at <= ? order by visible_at, execution_id, task_id limit ?",
            "task_waiting",
        ),
        ("select * from task where execution_id = ? and task_id = ?", "task_pkey"),
        ("select * from task where lease_expires_at <= ? order by lease_expires_at limit ?", "task_lease"),
        ("select * from timer where visible_at <= ? order by visible_at limit ?", "timer_visible"),
        ("delete from timer where execution_id = ?", "timer_pkey"),
        ("select * from outbox where delivery = 'PENDING' and due_at <= ? order by due_at, id limit ?", "outbox_due"),
        ("select * from ledger where pipeline = ? order by partition desc limit ?", "ledger_pkey"),
        (&whole, "execution_started"),
        (&of_machine, "execution_of_machine"),
        (&failed, "execution_unsuccessful"),
        (&of_partition, "execution_of_pipeline"),
    ] {
        // SQLite names the index of a constraint after its table and number.
        let index = match index {
            "execution_pkey" => "sqlite_autoindex_execution_1",
            "execution_arn_is_unique" => "sqlite_autoindex_execution_2",
            "journal_pkey" => "sqlite_autoindex_journal_1",
            "task_pkey" => "sqlite_autoindex_task_1",
            "timer_pkey" => "sqlite_autoindex_timer_1",
            "ledger_pkey" => "sqlite_autoindex_ledger_1",
            other => other,
        };
        let explain = format!("explain query plan {sql}");
        let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(&pool).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "no `{index}` in the plan of\n{sql}\n{plan}");
    }
}

async fn open(folder: &Path) -> Shared {
    std::sync::Arc::new(SqliteStore::open(folder).await.unwrap())
}

/// Not a test of its own: the process that [`what_was_acknowledged_survives_kill_9`] kills. Commits and writes down
/// what was acknowledged, until the end of its days.
#[tokio::test]
#[ignore = "the helper process of what_was_acknowledged_survives_kill_9"]
async fn write_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return };
    let folder = Path::new(&folder);
    let store = open(&folder.join("data")).await;
    let mut acknowledged =
        std::fs::OpenOptions::new().create(true).append(true).open(folder.join("acknowledged")).unwrap();
    for n in 0_u64.. {
        let name = format!("{}-{n}", std::process::id());
        let new = Commit { tasks: vec![conformance::task(1, "q")], ..start(conformance::record(&name, n as i64)) };
        let id = hold(&store, new).await;
        writeln!(acknowledged, "{id} 1").unwrap();
        for expected in 1..4 {
            hold(&store, step(id, expected)).await;
            writeln!(acknowledged, "{id} {}", expected + 1).unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("data")).await;
    conformance::with_machine(&store).await;
    drop(store);
    let (mut lines, mut seen) = (String::new(), 0);
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sqlite::tests::write_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER_VARIABLE, folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Each round at another moment of the work, some commits after the last one.
        let wanted = seen + 20 + round * 7;
        conformance::eventually("the child's commits", async || {
            lines = std::fs::read_to_string(folder.path().join("acknowledged")).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            (lines.lines().count() >= wanted).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_micros(700 * round as u64)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        lines = std::fs::read_to_string(folder.path().join("acknowledged")).unwrap();
        seen = lines.lines().count();

        let store = open(&folder.path().join("data")).await;
        for line in lines.lines() {
            let (id, event) = line.split_once(' ').unwrap();
            let (id, event): (Uuid, u64) = (id.parse().unwrap(), event.parse().unwrap());
            let loaded = store.load(id).await.unwrap().unwrap_or_else(|| panic!("round {round}: {line} is lost"));
            assert!(loaded.record.last_event_id >= event, "round {round}: {line} is lost");
            assert_eq!(loaded.events.len() as u64, loaded.record.last_event_id, "round {round}: {line}");
            assert_eq!(store.tasks(id).await.unwrap().len(), 1, "round {round}: {line}");
        }
    }
}
