//! A lake of one test: data in, jobs run, tables out.
#![allow(dead_code, reason = "each system uses its own part of it")]

use std::process::{Command, Stdio};

use deltalake::arrow::array::{ArrayRef, RecordBatch};
use deltalake::parquet::arrow::ArrowWriter;
use serde_json::{Map, Value};
use workers::job::{JobContext, JobResult, run_job_on};
use workers::lake::delta::Delta;
use workers::lake::{CrashPoint, Folder, Lake, Partition, PartitionState, S3Access, Success};
use workers::query::Query;

/// The folder of a system's development data. They may not be passed on, so they are not in the repository.
pub fn development_data(system: &str) -> std::path::PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let place = std::env::var("STEPWELL_DEVELOPMENT_DATA").unwrap_or_else(|_| beside.to_owned());
    let folder = std::path::Path::new(&place).join(system);
    assert!(folder.is_dir(), "no development data in {}: set STEPWELL_DEVELOPMENT_DATA", folder.display());
    folder
}

/// More memory, in MiB, than a job takes beside its SQL, less than a bomb would.
pub const MIB: u64 = 700;

/// Rows as JSON objects; dates and instants as ISO text.
pub type JsonRows = Vec<Map<String, Value>>;

/// The S3 server to use, `http://127.0.0.1:<port>`; folders without it.
pub const S3_VARIABLE: &str = "STEPWELL_TEST_S3";

/// A lake of one test: in the folder, or on the S3 server of [`S3_VARIABLE`], whose bucket is there.
pub fn lake_of(place: &tempfile::TempDir) -> Lake {
    let Ok(endpoint) = std::env::var(S3_VARIABLE) else { return Lake::at(place.path().to_str().unwrap()).unwrap() };
    let access = S3Access {
        endpoint,
        region: "us-east-1".to_owned(),
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
    };
    Lake::at(&format!("s3://stepwell-test/{}", uuid::Uuid::new_v4())).unwrap().with_s3_access(access)
}

/// A lake nobody else uses.
pub struct World {
    pub lake: Lake,
    // Removed with the test.
    _place: tempfile::TempDir,
}

impl World {
    pub async fn new() -> World {
        let place = tempfile::tempdir().unwrap();
        World { lake: lake_of(&place), _place: place }
    }

    /// A folder of a bucket of this lake.
    pub fn folder(&self, bucket: &str, prefix: &str) -> Folder {
        self.lake.folder(bucket, prefix).unwrap()
    }

    /// Runs a job on this lake.
    pub async fn run(&self, job: &str, arguments: &[&str]) -> JobResult {
        run(&self.lake, job, arguments).await
    }

    /// A SQL session on this lake.
    pub fn query(&self) -> Query {
        query(&self.lake)
    }
}

/// Runs a job with exactly these arguments.
pub async fn run(lake: &Lake, job: &str, arguments: &[&str]) -> JobResult {
    let line: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    run_job_on(lake.clone(), job, &line).await
}

/// Runs a job in a process of its own, in which statements and rows that are read have 32 MiB each, and
/// checks that it takes little.
#[track_caller]
pub fn run_with_32_mib(lake: &str, job: &str, arguments: &[&str]) -> JobResult {
    let job = Command::new(env!("CARGO_BIN_EXE_worker-under-test"))
        .args(["job", job])
        .args(arguments)
        .env("STEPWELL_LAKE", lake)
        .env("STEPWELL_READ_MEMORY_MIB", "32")
        .env("STEPWELL_QUERY_MEMORY_MIB", "32")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(job.stdout).unwrap();
    let result: JobResult = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let peak = metric(&result, "peak_memory_bytes");
    assert!(peak < f64::from(280 << 20), "{peak} bytes: {}", result.message);
    result
}

/// The message of a job that refuses what it reads, and takes little memory for it.
#[track_caller]
pub fn refused_with_32_mib(lake: &str, job: &str, arguments: &[&str]) -> String {
    let result = run_with_32_mib(lake, job, arguments);
    expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
    result.message
}

/// A Parquet file of these columns.
pub fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// A SQL session outside of any job.
pub fn query(lake: &Lake) -> Query {
    Query::new(&JobContext::detached(lake.clone(), "test")).unwrap()
}

/// What `_SUCCESS` of a folder says.
pub async fn success(folder: &Folder) -> Success {
    let bytes = folder.get("_SUCCESS").await.unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_slice(&bytes).unwrap()
}

/// The names of the Parquet objects a reader takes: those of `_SUCCESS`, or all data where there is none.
pub async fn parquet_objects(folder: &Folder) -> Vec<String> {
    let (parent, name) = folder.parent().unwrap();
    match Partition::new(parent, &name).state().await.unwrap() {
        PartitionState::Complete(success) => success.files.into_iter().map(|file| file.name).collect(),
        PartitionState::Legacy(objects) | PartitionState::Incomplete(objects) => {
            objects.into_iter().map(|object| object.name).collect()
        }
        PartitionState::Absent => Vec::new(),
    }
}

/// The rows of a folder of Parquet files, in the order of files and rows; none if there is no such folder.
pub async fn parquet_rows(lake: &Lake, folder: &Folder) -> JsonRows {
    let mut rows = Vec::new();
    for name in parquet_objects(folder).await {
        rows.extend(rows_of_object(lake, folder, &name).await);
    }
    rows
}

/// The rows of a Parquet file, in their order.
pub async fn rows_of_object(lake: &Lake, folder: &Folder, name: &str) -> JsonRows {
    let query = query(lake);
    query.parquet("t", folder, &[name.to_owned()], None).await.unwrap_or_else(|error| panic!("{error}"));
    query.json("select * from t", &[]).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The newest rows of a Delta table, in the order of `order_by` (SQL); none if there is no table.
pub async fn delta_rows(lake: &Lake, folder: &Folder, order_by: &str) -> JsonRows {
    let Some(table) = Delta::open(folder).await.unwrap() else { return Vec::new() };
    delta_rows_of(lake, &table, order_by).await
}

/// The rows of a version of a Delta table.
pub async fn delta_rows_of(lake: &Lake, table: &Delta, order_by: &str) -> JsonRows {
    let query = query(lake);
    query.delta("t", table).await.unwrap_or_else(|error| panic!("{error}"));
    query.json(&format!("select * from t order by {order_by}"), &[]).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Adds a Parquet file to a Delta table as another writer would: the file, then a log entry that names it.
pub async fn add_to_delta(folder: &Folder, name: &str, partition: Value, bytes: Vec<u8>) {
    let version = Delta::open(folder).await.unwrap().unwrap().version() + 1;
    let add = serde_json::json!({ "add": {
        "path": name, "partitionValues": partition, "size": bytes.len(), "modificationTime": 0, "dataChange": true,
    } });
    folder.put(name, bytes).await.unwrap();
    folder.put(&format!("_delta_log/{version:020}.json"), add.to_string()).await.unwrap();
}

/// Runs `act` on fresh lakes of `prepare`, with a crash before each of its writes in turn, and lets `check` look at what is
/// left (and repair it): the lake as others see it, what `act` returned, and which crash it was, for messages.
///
/// A crash while locks are given back comes after the result is certain, so a result may also be a success.
pub async fn for_each_crash_point<P, A, T, C>(prepare: P, act: A, check: C)
where
    P: AsyncFn() -> World,
    A: AsyncFn(&Lake) -> T,
    C: AsyncFn(&World, T, &str),
{
    let calm = prepare().await;
    let counting = calm.lake.with_crash_point(CrashPoint::fail_at(0));
    act(&counting).await;
    let writes = counting.write_count();
    assert!(writes > 0, "nothing was written");
    for write in 1..=writes {
        let world = prepare().await;
        let crashing = world.lake.with_crash_point(CrashPoint::fail_at(write));
        let acted = act(&crashing).await;
        check(&world, acted, &format!("crash at write {write} of {writes}")).await;
    }
}

/// A metric of the result as a number.
#[track_caller]
pub fn metric(result: &JobResult, name: &str) -> f64 {
    let value = result.metrics.get(name).unwrap_or_else(|| panic!("no metric {name} in {:?}", result.metrics));
    value.as_f64().unwrap_or_else(|| panic!("metric {name} is {value}"))
}

/// The status of a quality check of the result.
#[track_caller]
pub fn quality<'r>(result: &'r JobResult, table: &str, check: &str) -> &'r str {
    let all = result.metrics.get("quality").and_then(Value::as_array).unwrap_or_else(|| panic!("no quality results"));
    let found = all.iter().find(|one| one["table"] == table && one["check"] == check);
    found.and_then(|one| one["status"].as_str()).unwrap_or_else(|| panic!("no check {check} of {table} in {all:?}"))
}

#[track_caller]
pub fn expect(result: &JobResult, code: &str, exit_status: u8) {
    assert_eq!((result.code.as_str(), result.exit_status()), (code, exit_status), "{}", result.message);
}
