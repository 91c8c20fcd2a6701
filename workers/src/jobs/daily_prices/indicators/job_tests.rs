//! The job end to end, on a lake in a temporary folder.

use polars::prelude::*;

use super::columns::{COLUMNS, Kind};
use super::reference::{SYMBOLS, prices, records};
use crate::job::{JobResult, JobStatus, run_job_on};
use crate::jobs::daily_prices::record_source_pair;
use crate::lake::{Codec, Lake, Table, encode_parquet};

/// Columns that say when a run was.
const RUN_COLUMNS: [&str; 3] = ["batch_id", "created_at", "updated_at"];

struct Fixture {
    _place: tempfile::TempDir,
    lake: Lake,
}

impl Fixture {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        Self { _place: place, lake }
    }

    /// Puts a complete partition below the prices table.
    async fn put(&self, partition: &str, frame: &DataFrame) {
        let folder = self.lake.folder("curated", &format!("market/prices/{partition}")).unwrap();
        let bytes = encode_parquet(partition, frame, Codec::Zstd).unwrap();
        let success = serde_json::json!({"run_id": "r", "written_at": "t", "rows": frame.height(),
            "files": [{"name": "part-00000-ab.parquet", "rows": frame.height(), "bytes": bytes.len()}]});
        folder.put("part-00000-ab.parquet", bytes).await.unwrap();
        folder.put("_SUCCESS", success.to_string()).await.unwrap();
    }

    async fn run(&self, changes: &[(&str, &str)]) -> JobResult {
        let mut arguments = vec![
            ("ds", "2013-03-01"),
            ("domain", "market"),
            ("table_name", "indicators"),
            ("interval", "1d"),
            ("data_source", "yahoo_finance"),
            ("prices_curated_bucket", "curated"),
            ("prices_prefix", "market/prices/"),
            ("output_bucket", "curated"),
            ("output_prefix", "market/indicators/"),
            ("schema_fingerprint_s3_uri", "s3://artifacts/market/indicators/_schema/latest.json"),
            ("benchmark_symbol", "IBM"),
        ];
        for (name, value) in changes {
            arguments.retain(|(other, _)| other != name);
            arguments.push((*name, *value));
        }
        let line: Vec<String> = arguments.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        run_job_on(self.lake.clone(), "market-indicators-etl", &line).await
    }

    async fn read(&self, ds: &str) -> Option<DataFrame> {
        let table = Table::new(self.lake.folder("curated", "market/indicators").unwrap());
        table.partition(ds).read().await.unwrap().map(|read| read.frame)
    }

    /// All days of real prices, with what must not be read beside them.
    async fn with_history() -> Self {
        let fixture = Self::new();
        let symbols: Vec<_> = SYMBOLS.iter().map(|symbol| (*symbol, prices(symbol))).collect();
        for (at, date) in prices("IBM").dates.iter().enumerate().filter(|(_, date)| date.as_str() > "2011-01-01") {
            let mut rows: Vec<(&str, [f64; 5])> = Vec::new();
            for (symbol, prices) in &symbols {
                if let Some(row) = prices.dates.iter().position(|other| other == date) {
                    let series = [&prices.open, &prices.high, &prices.low, &prices.close, &prices.volume];
                    rows.push((symbol, series.map(|series| series[row])));
                }
            }
            fixture.put(&format!("ds={date}"), &day(&rows)).await;
            if at % 50 == 0 {
                for folder in ["compacted", "quarantine"] {
                    fixture.put(&format!("{folder}/ds={date}"), &day(&[("WRONG", [1.0; 5]), ("IBM", [1.0; 5])])).await;
                }
            }
        }
        fixture
    }
}

/// A curated day: symbol; open, high, low, close, volume.
fn day(rows: &[(&str, [f64; 5])]) -> DataFrame {
    let column = |at: usize| rows.iter().map(|(_, values)| values[at]).collect::<Vec<_>>();
    let symbols: Vec<&str> = rows.iter().map(|(symbol, _)| *symbol).collect();
    df!("symbol" => symbols, "open" => column(0), "high" => column(1), "low" => column(2), "close" => column(3),
        "volume" => column(4))
    .unwrap()
}

/// The rows of `ds` against the reference, to half a unit of the last digit kept (one, where a decimal's
/// rounding meets the double's).
#[track_caller]
fn check_against_reference(frame: &DataFrame, ds: &str) {
    let mut compared = 0;
    for reference in records().iter().filter(|record| record["ds"] == ds) {
        let symbols = frame.column("symbol").unwrap().str().unwrap().iter();
        let row = symbols.into_iter().position(|symbol| symbol == Some(&reference["symbol"])).unwrap();
        for column in &COLUMNS {
            let value = frame.column(column.name).unwrap().cast(&DataType::Float64).unwrap().f64().unwrap().get(row);
            let what = format!("{} of {} at {ds}", column.name, reference["symbol"]);
            let expected =
                reference.get(column.name).filter(|text| !text.is_empty()).map(|text| text.parse::<f64>().unwrap());
            let (Some(value), Some(expected)) = (value, expected) else {
                assert_eq!(value, expected, "{what}");
                continue;
            };
            let unit = match column.kind {
                Kind::Decimal { scale, .. } => 0.1f64.powi(scale as i32) * 1.001,
                Kind::Float => 0.5e-6 + expected.abs() * f64::from(f32::EPSILON),
                Kind::Integer => 0.501,
            };
            assert!((value - expected).abs() <= unit, "{what} is {value}, the reference {expected}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} values of {ds} compared");
}

fn without_run_columns(frame: &DataFrame) -> DataFrame {
    frame.drop_many(RUN_COLUMNS)
}

#[tokio::test(flavor = "multi_thread")]
async fn days_agree_with_the_reference_in_any_order_and_every_time() {
    let fixture = Fixture::with_history().await;

    let result = fixture.run(&[]).await;
    assert_eq!(result.status, JobStatus::Succeeded, "{result:?}");
    assert_eq!((&result.metrics["rows"], &result.metrics["schema_changed"]), (&4.into(), &true.into()), "{result:?}");
    assert_eq!(result.outputs[0].rows, 4);
    let first = fixture.read("2013-03-01").await.unwrap();
    check_against_reference(&first, "2013-03-01");
    let cell = |name: &str| first.column(name).unwrap().get(0).unwrap().to_string();
    let worked = [
        ("symbol", "\"AAPL\""),
        ("date", "2013-03-01"),
        ("sma_20", "59.3340"),
        ("macd_12_26", "-1.576866"),
        ("atr_14", "1.5391"),
        ("is_validated", "1"),
        ("quality_score", "100"),
    ];
    for (name, expected) in worked {
        assert_eq!(cell(name), expected, "{name}");
    }
    assert_eq!(&cell("rsi_14")[..7], "33.3378");
    assert_eq!(&cell("williams_r_14")[..8], "-99.1084");

    // The same day again: the same rows, nothing new in the schema.
    let again = fixture.run(&[]).await;
    assert_eq!(again.metrics["schema_changed"], false);
    assert_eq!((again.outputs[0].rows, again.outputs[0].files), (result.outputs[0].rows, result.outputs[0].files));
    let second = fixture.read("2013-03-01").await.unwrap();
    assert!(without_run_columns(&second).equals_missing(&without_run_columns(&first)));

    // An earlier day, while the later ones are there: its window ends at itself. One symbol has 30 rows by then.
    let backfill = fixture.run(&[("ds", "2012-06-29")]).await;
    assert_eq!(backfill.status, JobStatus::Succeeded, "{backfill:?}");
    let backfilled = fixture.read("2012-06-29").await.unwrap();
    check_against_reference(&backfilled, "2012-06-29");
    // Of 30 rows: sma, ema and rv of 60, sma_120, macd signal and histogram, both leading spans, beta, correlation.
    assert_eq!(backfill.metrics["nulls_warm_up"], 10, "{:?}", backfill.metrics);
    assert!(
        without_run_columns(&fixture.read("2013-03-01").await.unwrap()).equals_missing(&without_run_columns(&first))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_cannot_be_computed_publishes_nothing() {
    let row = |symbol, close: f64| (symbol, [close, close, close, close, 100.0]);
    let good = day(&[row("A", 1.0)]);
    let nameless = df!("symbol" => [None::<&str>], "open" => [1.0], "high" => [1.0], "low" => [1.0], "close" => [1.0],
        "volume" => [1.0])
    .unwrap();
    type Day<'a> = (&'a str, DataFrame);
    let cases: [(&str, Vec<Day<'_>>, &str, &str); 7] = [
        ("no table", vec![], "NO_INPUT_DATA", "has no rows from 2012-01-03 to 2013-03-01"),
        ("too old", vec![("ds=2012-01-02", good.clone())], "NO_INPUT_DATA", "has no rows from"),
        ("only later", vec![("ds=2013-03-04", good.clone())], "NO_INPUT_DATA", "has no rows from"),
        ("day before", vec![("ds=2012-01-03", good.clone())], "NO_TARGET_DATA", "ds=2013-03-01"),
        (
            "columns",
            vec![("ds=2013-02-28", good.drop_many(["close"])), ("ds=2013-03-01", good.clone())],
            "MISSING_COLUMNS",
            "[\"close\"]",
        ),
        ("null symbol", vec![("ds=2013-03-01", nameless)], "DQ_FAILED", "null symbol"),
        ("compacted only", vec![("compacted/ds=2013-03-01", good.clone())], "NO_INPUT_DATA", "has no rows"),
    ];
    for (name, days, code, part) in cases {
        let fixture = Fixture::new();
        for (partition, frame) in &days {
            fixture.put(partition, frame).await;
        }
        let result = fixture.run(&[]).await;
        assert_eq!((result.status, result.code.as_str()), (JobStatus::Failed, code), "{name}: {result:?}");
        assert!(result.message.contains(part), "{name}: {}", result.message);
        assert_eq!(result.exit_status(), 1, "{name}");
        assert!(fixture.read("2013-03-01").await.is_none(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_go_to_quarantine_and_leave_the_published_day_alone() {
    let fixture = Fixture::new();
    let row = ("A", [1.0, 2.0, 0.5, 1.5, 100.0]);
    fixture.put("ds=2013-03-01", &day(&[row])).await;
    assert_eq!(fixture.run(&[]).await.status, JobStatus::Succeeded);
    let published = fixture.read("2013-03-01").await.unwrap();

    fixture.put("ds=2013-03-01", &day(&[row, row])).await;
    let result = fixture.run(&[]).await;
    assert_eq!(result.code, "DQ_FAILED", "{result:?}");
    assert!(fixture.read("2013-03-01").await.unwrap().equals_missing(&published));
    let quarantine = Table::new(fixture.lake.folder("curated", "market/indicators/quarantine").unwrap());
    assert_eq!(quarantine.partition("2013-03-01").read().await.unwrap().unwrap().frame.height(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_the_table_s_pair_are_checked_first() {
    let fixture = Fixture::new();
    fixture.put("ds=2013-03-01", &day(&[("A", [1.0; 5])])).await;
    let table = fixture.lake.folder("curated", "market/indicators").unwrap();
    record_source_pair(&table, "1d", "yahoo_finance").await.unwrap();
    for (name, value, part) in [
        ("ds", "2013-02-30", "--ds is `2013-02-30`"),
        ("lookback_days", "0", "--lookback_days is 0"),
        ("lookback_days", "many", "--lookback_days is `many`"),
        ("codec", "rar", "--codec"),
        ("output_prefix", "", "--output_prefix is required"),
        ("look_back", "252", "--look_back"),
        ("interval", "1h", "1h"),
        ("prices_prefix", "../other", "not allowed"),
    ] {
        let result = fixture.run(&[(name, value)]).await;
        assert_eq!(
            (result.code.as_str(), result.exit_status()),
            ("PRE_VALIDATION_FAILED", 2),
            "{name}={value}: {result:?}"
        );
        assert!(result.message.contains(part), "{name}={value}: {}", result.message);
    }
}

/// The window of many days, and a benchmark among the symbols, by temporary files.
#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_day_do_not_depend_on_the_memory() {
    let mut fixture = Fixture::with_history().await;
    let arguments = [("run_id", "the-same-run"), ("lookback_days", "200")];
    let held = fixture.run(&arguments).await;
    assert_eq!(held.status, JobStatus::Succeeded, "{held:?}");
    let rows = fixture.read("2013-03-01").await.unwrap();
    let lake = fixture.lake.clone();
    for bytes in [0, 3_000, 20_000] {
        fixture.lake = lake.with_read_memory(bytes);
        let spooled = fixture.run(&arguments).await;
        assert_eq!(
            (&spooled.status, &spooled.message, &spooled.warnings),
            (&held.status, &held.message, &held.warnings)
        );
        for name in ["days_read", "input_rows", "rows", "nulls_warm_up", "violations", "schema_hash"] {
            assert_eq!(spooled.metrics[name], held.metrics[name], "{name} with {bytes} bytes");
        }
        let again = fixture.read("2013-03-01").await.unwrap();
        assert!(without_run_columns(&again).equals_missing(&without_run_columns(&rows)), "{bytes} bytes");
        assert_eq!(again.schema(), rows.schema());
    }

    // A repeated row, a benchmark nobody knows, a row without symbol: the same words.
    let row = ("A", [1.0, 2.0, 0.5, 1.5, 100.0]);
    for (frame, code) in [
        (day(&[row, row, ("B", row.1)]), "DQ_FAILED"),
        (
            df!("symbol" => [Some("A"), None], "open" => [1.0, 1.0], "high" => [1.0, 1.0], "low" => [1.0, 1.0],
            "close" => [1.0, 1.0], "volume" => [1.0, 1.0])
            .unwrap(),
            "DQ_FAILED",
        ),
        (day(&[row]).drop_many(["close"]), "MISSING_COLUMNS"),
    ] {
        let fixture = Fixture::new();
        fixture.put("ds=2013-03-01", &frame).await;
        let without = Fixture { _place: tempfile::tempdir().unwrap(), lake: fixture.lake.with_read_memory(0) };
        let (held, spooled) =
            (fixture.run(&[("benchmark_symbol", "X")]).await, without.run(&[("benchmark_symbol", "X")]).await);
        assert_eq!((held.code.as_str(), spooled.code.as_str()), (code, code), "{held:?}");
        assert_eq!((&held.message, &held.warnings), (&spooled.message, &spooled.warnings));
    }
}
