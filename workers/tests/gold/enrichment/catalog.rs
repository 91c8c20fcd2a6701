//! The tables get into the catalog however a run ends. Source: pipelines.md 5.7; 6.1, `CATALOG_FAILED`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use workers::job::JobResult;

use super::super::moto::Moto;
use super::world::{ROOT, Txn, World, expect};

const GOLD: [&str; 3] = ["high_risk_txns", "product_usage_metrics", "user_spend_summary"];
const WAIT_MAX: Duration = Duration::from_secs(60);

fn txn(id: &'static str, time: &'static str, amount: f64) -> Txn {
    Txn { id, time: Some(time), amount: json!(amount), ..Txn::default() }
}

/// The tables of a result and how many partitions each has.
fn registered(result: &JobResult) -> Vec<(String, usize)> {
    let tables = result.metrics.get("tables").and_then(Value::as_array).cloned().unwrap_or_default();
    let one = |table: &Value| {
        (table["name"].as_str().unwrap().to_owned(), table["partitions"].as_array().map_or(0, Vec::len))
    };
    let mut found: Vec<_> = tables.iter().map(one).collect();
    found.sort();
    found
}

fn each(names: &[&str], partitions: usize) -> Vec<(String, usize)> {
    names.iter().map(|name| ((*name).to_owned(), partitions)).collect()
}

#[tokio::test]
async fn the_tables_are_registered_also_by_runs_that_did_nothing_or_failed() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", "2025-06-11T10:00:00", 1.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let silver = world.run("enrichment-silver", &[]).await;
    expect(&silver, "IDEMPOTENT_SKIP", 0);
    assert_eq!(registered(&silver), each(&["enrichment_silver"], 1));
    let again = world.stream(&[]).await;
    expect(&again, "IDEMPOTENT_SKIP", 0);
    assert_eq!(registered(&again), each(&GOLD, 1));

    // A good batch, and one whose sum is no number any more.
    world.ingest("b.json", &[txn("t2", "2025-06-12T10:00:00", 2.0)]).await;
    let day = "2025-06-13T10:00:00";
    world.ingest("c.json", &[txn("t3", day, 1.7e308), txn("t4", day, 1.7e308)]).await;
    let failed = world.stream(&[]).await;
    expect(&failed, "DQ_FAILED", 1);
    assert_eq!(registered(&failed), each(&GOLD, 2), "what the good batch made");
    let batch = world.run("enrichment-gold", &["--dates=2025-06-13"]).await;
    expect(&batch, "DQ_FAILED", 1);
    assert_eq!(registered(&batch), each(&GOLD, 2));

    world.folder("raw/stream_input").put("d.json.gz", &b"\x1f\x8bno gzip"[..]).await.unwrap();
    let refused = world.run("enrichment-silver", &[]).await;
    expect(&refused, "SCHEMA_VALIDATION_FAILED", 1);
    assert_eq!(registered(&refused), each(&["enrichment_silver"], 3));
}

/// A job as a process, whose catalog is a Glue at this address.
fn job(world: &World, name: &str, glue: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-under-test"));
    command
        .args(["job", name, &format!("--root={ROOT}")])
        .args(more)
        .env("STEPWELL_LAKE", world.place.path())
        .env("STEPWELL_CATALOG", "glue")
        .env("AWS_ENDPOINT_URL_GLUE", glue)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_MAX_ATTEMPTS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn result(mut command: Command) -> JobResult {
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

#[tokio::test]
async fn a_catalog_that_was_away_is_made_up_for_by_the_next_run() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", "2025-06-11T10:00:00", 1.0)]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = format!("http://{closed}");
    let stream = ["--optimize=false", "--wait_retries=0"];
    // The second finds nothing to do but to register.
    for batches in [1, 0] {
        let failed = result(job(&world, "enrichment-gold-stream", &away, &stream));
        expect(&failed, "CATALOG_FAILED", 3);
        assert_eq!(failed.metrics["batches"], batches, "{}", failed.message);
        assert!(failed.message.contains("the data are published"), "{}", failed.message);
    }
    let moto = Moto::start();
    let repaired = result(job(&world, "enrichment-gold-stream", &moto.url, &stream));
    expect(&repaired, "IDEMPOTENT_SKIP", 0);
    expect(&result(job(&world, "enrichment-silver", &moto.url, &[])), "IDEMPOTENT_SKIP", 0);
    assert_eq!(
        names(&moto),
        json!(["enrichment_silver", "high_risk_txns", "product_usage_metrics", "user_spend_summary"])
    );
}

fn names(moto: &Moto) -> Value {
    moto.ask(
        "
databases = [d['Name'] for d in glue.get_databases()['DatabaseList']]
tables = glue.get_tables(DatabaseName='dev_enrichment')['TableList'] if 'dev_enrichment' in databases else []
print(json.dumps(sorted(t['Name'] for t in tables)))",
    )
}

#[tokio::test]
async fn a_stream_without_an_end_registers_its_tables_after_its_first_batch() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", "2025-06-11T10:00:00", 1.0)]).await;
    let moto = Moto::start();
    let endless = ["--optimize=false", "--trigger=continuous", "--poll_secs=0.05"];
    let mut child = job(&world, "enrichment-gold-stream", &moto.url, &endless).spawn().unwrap();
    let began = Instant::now();
    while names(&moto) != json!(GOLD) {
        assert_eq!(child.try_wait().unwrap(), None, "it follows silver");
        assert!(began.elapsed() < WAIT_MAX, "not in time: {}", names(&moto));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
