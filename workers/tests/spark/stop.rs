//! A job that is told to stop ends at once, and what it has begun on Spark ends with it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use workers::lake::publish::{WriteSettings, publish_rows};
use workers::lake::{Codec, FileSizing, Lake, Partition, PartitionLock};
use workers::query::{Kind, REMOTE_VARIABLE, column};

use super::{SparkServer, query};

/// What a worker gives a job between SIGTERM and SIGKILL (`--kill-grace-seconds`).
const GRACE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn sigterm_interrupts_the_operation_on_spark_and_publishes_nothing() {
    let spark = SparkServer::start();
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    let partition = Partition::new(lake.folder("sales", "processed").unwrap(), "date=2024-12-07");
    let lock = PartitionLock::acquire(&partition, "test").await.unwrap();
    let columns = [column("transaction_id", Kind::Text), column("revenue", Kind::Float64)];
    let sql = "select cast(value as varchar) as transaction_id, cast(value as double) as revenue \
               from generate_series(1, 600000)";
    let rows = query(&lake, None).stream(sql, &[], &columns).await.unwrap();
    let settings = WriteSettings { codec: Codec::Snappy, sizing: FileSizing { target_file_mb: 256, files_max: 1 } };
    publish_rows(&partition, rows, settings, "test", &lock).await.unwrap();
    lock.release().await.unwrap();

    let mut job = Command::new(env!("CARGO_BIN_EXE_worker-under-test"))
        .args(["job", "gold-fact-sales-compaction", "--processed_path=s3://sales/processed/"])
        .args(["--gold_path=s3://curated/gold/", "--audit_path=s3://sales/audit"])
        .env("STEPWELL_LAKE", place.path())
        .env(REMOTE_VARIABLE, &spark.remote)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(job.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("gives the rows to write") {
        assert!(log.read_line(&mut said).unwrap() > 0, "the job ended: {said}");
    }
    let asked_at = Instant::now();
    kill(Pid::from_raw(job.id().cast_signed()), Signal::SIGTERM).unwrap();
    log.read_to_string(&mut said).unwrap();
    let ended = job.wait().unwrap();
    assert!(asked_at.elapsed() < GRACE, "it took {:?}", asked_at.elapsed());
    assert_eq!(ended.code(), Some(143), "{said}");
    // Servers differ in whether they count those that had ended.
    assert!(said.contains("Interrupted ") && !said.contains("Interrupted 0 operation(s)"), "{said}");
    let gold = lake.folder("curated", "gold/date=2024-12-07").unwrap().objects().await.unwrap();
    assert!(gold.iter().all(|object| object.name != "_SUCCESS"), "{gold:?}");
    // The session is gone with what it kept, and the server takes others.
    assert_eq!(query(&lake, Some(&spark)).json("select 1 as one", &[]).await.unwrap()[0]["one"], 1);
}
