//! Test data: real prices, and the indicators computed from them independently (see the data's `PROVENANCE.md`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One symbol's adjusted prices in columns.
#[derive(Default)]
pub struct Prices {
    pub dates: Vec<String>,
    pub open: Vec<f64>,
    pub high: Vec<f64>,
    pub low: Vec<f64>,
    pub close: Vec<f64>,
    pub volume: Vec<f64>,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/daily_prices")
}

/// Prices adjusted as the transform does it: prices times, volume divided by `adjusted close / close`.
pub fn prices(symbol: &str) -> Prices {
    let mut prices = Prices::default();
    for record in csv::Reader::from_path(data().join("prices").join(format!("{symbol}.csv"))).unwrap().records() {
        let record = record.unwrap();
        let number = |at: usize| record[at].parse::<f64>().unwrap();
        let factor = number(6) / number(4);
        prices.dates.push(record[0].to_owned());
        prices.open.push(number(1) * factor);
        prices.high.push(number(2) * factor);
        prices.low.push(number(3) * factor);
        prices.close.push(number(6));
        prices.volume.push(number(5) / factor);
    }
    prices
}

/// The symbols there are prices of.
pub const SYMBOLS: [&str; 4] = ["AAPL", "FB", "IBM", "MSFT"];

/// The reference: one record per symbol and day, by column; empty is null.
pub fn records() -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(data().join("reference_indicators.csv")).unwrap();
    reader.deserialize().map(|record| record.unwrap()).collect()
}
