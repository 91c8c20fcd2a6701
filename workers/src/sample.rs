//! The sample lake of the first run: real daily prices of four symbols, small enough to be in the binary.
//!
//! The last days lie in the raw bucket, as a provider would have delivered them, and wait for the pipeline. The days
//! before are there as curated prices already, so that the indicators of the first run have a year to look back on.
//! Source of the figures: `tests/data/daily_prices/PROVENANCE.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveTime, Utc};
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit, TimeZone};
use serde_json::json;

use crate::jobs::daily_prices::curate_sample_day;
use crate::lake::{Codec, Error, SUCCESS_NAME, Success, SuccessFile, audit_time, encode_parquet};

/// The bucket raw objects are delivered to.
pub const RAW_BUCKET: &str = "dev-raw";
/// The bucket of curated tables.
pub const CURATED_BUCKET: &str = "dev-curated";
/// The bucket of schema fingerprints.
pub const ARTIFACTS_BUCKET: &str = "dev-artifacts";

/// Days that wait in the raw bucket.
const RAW_DAYS: usize = 10;
/// Days that are curated already: what 252 observations per symbol need, and a few more.
const CURATED_DAYS: usize = 260;

const PRICES: [(&str, &str); 4] = [
    ("AAPL", include_str!("../../tests/data/daily_prices/prices/AAPL.csv")),
    ("FB", include_str!("../../tests/data/daily_prices/prices/FB.csv")),
    ("IBM", include_str!("../../tests/data/daily_prices/prices/IBM.csv")),
    ("MSFT", include_str!("../../tests/data/daily_prices/prices/MSFT.csv")),
];

/// Why the sample lake could not be laid.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A file cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A day cannot be encoded.
    #[error("cannot encode the sample prices")]
    Encode(#[from] Error),
    /// The prices in the binary cannot be read.
    #[error("the sample prices cannot be read: {0}")]
    Prices(String),
}

/// A row of the price files.
struct Price {
    symbol: &'static str,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    adjusted_close: f64,
}

/// Lays the sample lake at `root` if it is not there yet, and says which days wait in the raw bucket, ascending
/// (`YYYY-MM-DD`).
///
/// Everything is written beside `root` and takes its name in one step: a crash leaves no half lake.
pub fn lay(root: &Path) -> Result<Vec<String>, SampleError> {
    let days = prices()?;
    let dates: Vec<NaiveDate> = days.keys().copied().collect();
    let (before, raw) = dates.split_at(dates.len().saturating_sub(RAW_DAYS));
    let names: Vec<String> = raw.iter().map(NaiveDate::to_string).collect();
    if root.exists() {
        return Ok(names);
    }
    let draft = root.with_extension(format!("draft-{}", std::process::id()));
    for date in raw {
        put_raw(&draft.join(RAW_BUCKET), *date, &days[date])?;
    }
    let curated = draft.join(CURATED_BUCKET).join("market/prices");
    for date in &before[before.len().saturating_sub(CURATED_DAYS)..] {
        put_curated(&curated, *date, &days[date])?;
    }
    std::fs::rename(&draft, root).map_err(|source| SampleError::Write { path: root.to_owned(), source })?;
    Ok(names)
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), SampleError> {
    let path = folder.join(name);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, bytes));
    written.map_err(|source| SampleError::Write { path, source })
}

fn prices() -> Result<BTreeMap<NaiveDate, Vec<Price>>, SampleError> {
    let mut days: BTreeMap<NaiveDate, Vec<Price>> = BTreeMap::new();
    for (symbol, text) in PRICES {
        for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
            let (date, open, high, low, close, volume, adjusted_close): (NaiveDate, f64, f64, f64, f64, f64, f64) =
                row.map_err(|error| SampleError::Prices(format!("{symbol}: {error}")))?;
            days.entry(date).or_default().push(Price { symbol, open, high, low, close, volume, adjusted_close });
        }
    }
    Ok(days)
}

/// One JSON Lines object per symbol, and the manifest that a provider's batch ends with.
fn put_raw(bucket: &Path, date: NaiveDate, prices: &[Price]) -> Result<(), SampleError> {
    let key = format!(
        "market/prices/interval=1d/data_source=yahoo_finance/year={}/month={}/day={}",
        date.format("%Y"),
        date.format("%m"),
        date.format("%d")
    );
    let folder = bucket.join(&key);
    let mut objects = Vec::new();
    for price in prices {
        let name = format!("{}.json", price.symbol);
        let row = json!({
            "symbol": price.symbol,
            "timestamp": format!("{date}T00:00:00+00:00"),
            "open": price.open,
            "high": price.high,
            "low": price.low,
            "close": price.close,
            "adjusted_close": price.adjusted_close,
            "volume": price.volume,
        });
        write(&folder, &name, format!("{row}\n"))?;
        objects.push(json!({ "symbol": price.symbol, "key": format!("{key}/{name}"), "records": 1 }));
    }
    let manifest = json!({
        "environment": "dev", "domain": "market", "table_name": "prices", "data_source": "yahoo_finance",
        "interval": "1d", "ds": date.to_string(), "generated_at": format!("{date}T22:10:00+00:00"),
        "batch_id": format!("sample-{date}"), "objects": objects,
    });
    write(&folder, "_batch.manifest.json", manifest.to_string())
}

/// A complete partition, as the transform job publishes it.
fn put_curated(table: &Path, date: NaiveDate, prices: &[Price]) -> Result<(), SampleError> {
    let folder = table.join(format!("ds={date}"));
    let unreadable = |error: polars::error::PolarsError| SampleError::Prices(error.to_string());
    let frame = curate_sample_day(frame(date, prices)?).map_err(unreadable)?;
    let name = "part-00000-sample00.parquet";
    let bytes = encode_parquet(&folder.display().to_string(), &frame, Codec::Zstd)?;
    let rows = u64::try_from(frame.height()).ok();
    let file = SuccessFile { name: name.to_owned(), rows, bytes: bytes.len() as u64 };
    let success =
        Success { run_id: "sample-lake".to_owned(), written_at: audit_time(Utc::now()), rows, files: vec![file] };
    write(&folder, name, bytes)?;
    write(&folder, SUCCESS_NAME, json!(success).to_string())
}

/// A day's rows as compaction would have left them.
fn frame(date: NaiveDate, prices: &[Price]) -> Result<DataFrame, SampleError> {
    let micros = date.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    let number = |name: &str, of: fn(&Price) -> f64| {
        Series::new(name.into(), prices.iter().map(of).collect::<Vec<_>>()).into_column()
    };
    let build = || -> polars::error::PolarsResult<DataFrame> {
        let symbols: Vec<&str> = prices.iter().map(|price| price.symbol).collect();
        let instants = Series::new("timestamp".into(), vec![micros; prices.len()])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))?;
        DataFrame::new(
            prices.len(),
            vec![
                Series::new("symbol".into(), symbols).into_column(),
                instants.into_column(),
                number("open", |price| price.open),
                number("high", |price| price.high),
                number("low", |price| price.low),
                number("close", |price| price.close),
                number("adjusted_close", |price| price.adjusted_close),
                number("volume", |price| price.volume),
            ],
        )
    };
    build().map_err(|error| SampleError::Prices(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{CURATED_BUCKET, CURATED_DAYS, RAW_BUCKET, RAW_DAYS, lay};
    use crate::lake::{Lake, Table};

    // Polars' plans need the multi-threaded runtime.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_sample_lake_is_laid_once_and_readable() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("lake");
        let days = lay(&root).unwrap();
        assert_eq!((days.len(), days.last().unwrap().as_str()), (RAW_DAYS, "2013-03-01"));
        let lake = Lake::at(root.to_str().unwrap()).unwrap();
        let curated = Table::new(lake.folder(CURATED_BUCKET, "market/prices/").unwrap());
        let history = curated.days().await.unwrap();
        assert_eq!(history.len(), CURATED_DAYS);
        assert!(history.last() < days.first(), "the days that wait come after those that are curated");
        let read = curated.partition(&history[0]).read().await.unwrap().unwrap();
        assert!(read.frame.height() >= 3 && read.frame.column("adjustment_factor").is_ok());
        std::fs::remove_dir_all(root.join(RAW_BUCKET)).unwrap();
        assert_eq!(lay(&root).unwrap(), days);
        assert!(!root.join(RAW_BUCKET).exists(), "a lake that is there is left as it is");
    }
}
