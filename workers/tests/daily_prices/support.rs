//! A lake of one test: raw days in, jobs run, partitions out.

use std::path::{Path, PathBuf};
use std::process::Command;

use polars::prelude::DataFrame;
use workers::job::{JobResult, run_job_on};
use workers::lake::{Folder, Lake, Partition, S3Access, Table};

/// Where raw data of `interval=1d`, `yahoo_finance` lie.
pub const RAW_PREFIX: &str = "market/prices/interval=1d/data_source=yahoo_finance/";

/// The S3 server to use, `http://127.0.0.1:<port>`; folders without it.
pub const S3_VARIABLE: &str = "STEPWELL_TEST_S3";

/// What rows of a read may take in memory, in bytes, instead of the default.
pub const MEMORY_VARIABLE: &str = "STEPWELL_TEST_READ_BYTES";

/// Runs the cases of this program once more, but those whose names contain one of `skipped`, with a variable set.
pub fn run_every_case_again(skipped: &[&str], variable: &str, value: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(skipped.iter().flat_map(|name| ["--skip", name]))
        .env(variable, value)
        .output()
        .unwrap();
    let (told, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{log}");
    let passed = told.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok());
    assert!(passed.unwrap_or(0) >= 20, "the cases were run: {told}");
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
        let lake = match std::env::var(S3_VARIABLE) {
            Ok(endpoint) => {
                reqwest::Client::new().put(format!("{endpoint}/stepwell-test")).send().await.unwrap();
                let access = S3Access {
                    endpoint,
                    region: "us-east-1".to_owned(),
                    access_key_id: "test".to_owned(),
                    secret_access_key: "test".to_owned(),
                };
                Lake::at(&format!("s3://stepwell-test/{}", uuid::Uuid::new_v4())).unwrap().with_s3_access(access)
            }
            Err(_) => Lake::at(place.path().to_str().unwrap()).unwrap(),
        };
        let lake = match std::env::var(MEMORY_VARIABLE) {
            Ok(bytes) => lake.with_read_memory(bytes.parse().unwrap()),
            Err(_) => lake,
        };
        World { lake, _place: place }
    }

    /// The folder of a raw day.
    pub fn raw(&self, ds: &str) -> Folder {
        let (year, month, day) = (&ds[..4], &ds[5..7], &ds[8..]);
        self.lake.folder("raw", &format!("{RAW_PREFIX}year={year}/month={month}/day={day}")).unwrap()
    }

    /// Puts a real day of the test data into the lake.
    pub async fn add_day(&self, ds: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/daily_prices/raw").join(RAW_PREFIX);
        let day: PathBuf = root.join(format!("year={}/month={}/day={}", &ds[..4], &ds[5..7], &ds[8..]));
        for entry in std::fs::read_dir(day).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            self.raw(ds).put(&name, std::fs::read(&path).unwrap()).await.unwrap();
        }
    }

    /// Puts one raw object.
    pub async fn add(&self, ds: &str, name: &str, text: impl Into<Vec<u8>>) {
        self.raw(ds).put(name, text.into()).await.unwrap();
    }

    pub fn table(&self) -> Folder {
        self.lake.folder("curated", "market/prices").unwrap()
    }

    pub fn compacted(&self, ds: &str) -> Partition {
        Table::new(self.table().child("compacted")).partition(ds)
    }

    pub fn curated(&self, ds: &str) -> Partition {
        Table::new(self.table()).partition(ds)
    }

    pub fn quarantine(&self, ds: &str) -> Partition {
        Table::new(self.table().child("quarantine")).partition(ds)
    }

    pub async fn compact(&self, ds: &str, more: &[&str]) -> JobResult {
        run(&self.lake, "daily-prices-compaction", ds, more).await
    }

    pub async fn transform(&self, ds: &str, more: &[&str]) -> JobResult {
        run(&self.lake, "daily-prices-data-etl", ds, more).await
    }
}

/// Runs a job with the arguments a preflight gives; `more` replaces or adds some.
pub async fn run(lake: &Lake, job: &str, ds: &str, more: &[&str]) -> JobResult {
    let base = [
        "--environment=dev",
        "--domain=market",
        "--table_name=prices",
        "--raw_bucket=raw",
        &format!("--raw_prefix={RAW_PREFIX}"),
        "--compacted_bucket=curated",
        "--compacted_prefix=market/prices/compacted",
        "--curated_bucket=curated",
        "--curated_prefix=market/prices/",
        "--schema_fingerprint_s3_uri=s3://artifacts/market/prices/_schema/latest.json",
        "--codec=zstd",
        "--target_file_mb=256",
        "--expected_min_records=1",
        "--max_critical_error_rate=5.0",
        &format!("--ds={ds}"),
        "--file_type=json",
        "--interval=1d",
        "--data_source=yahoo_finance",
        "--output_partitions=4",
    ];
    let line: Vec<String> = base.iter().chain(more).map(|&word| word.to_owned()).collect();
    run_job_on(lake.clone(), job, &line).await
}

/// The rows of a complete partition.
pub async fn rows(partition: &Partition) -> DataFrame {
    partition.read().await.unwrap().unwrap_or_else(|| panic!("{} is not complete", partition.uri())).frame
}

pub fn columns(frame: &DataFrame) -> Vec<&str> {
    frame.get_column_names().into_iter().map(|name| name.as_str()).collect()
}

pub fn texts<'f>(frame: &'f DataFrame, column: &str) -> Vec<Option<&'f str>> {
    frame.column(column).unwrap().str().unwrap().iter().collect()
}

pub fn numbers(frame: &DataFrame, column: &str) -> Vec<Option<f64>> {
    frame.column(column).unwrap().f64().unwrap().iter().collect()
}

/// A metric of the result as a number.
#[track_caller]
pub fn metric(result: &JobResult, name: &str) -> f64 {
    let value = result.metrics.get(name).unwrap_or_else(|| panic!("no metric {name} in {:?}", result.metrics));
    value.as_f64().unwrap_or_else(|| panic!("metric {name} is {value}"))
}

#[track_caller]
pub fn expect(result: &JobResult, code: &str, exit_status: u8) {
    assert_eq!((result.code.as_str(), result.exit_status()), (code, exit_status), "{}", result.message);
}
