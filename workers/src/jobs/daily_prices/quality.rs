//! The data-quality rules of prices.
//!
//! Source: pipelines.md 1.7.

use std::collections::HashMap;

use chrono::NaiveDate;
use polars::error::PolarsResult;
use polars::prelude::{DataFrame, DataType, Float64Chunked};

use crate::lake::read::{CORRUPT_COLUMN, MICROS_PER_DAY};

/// A rule whose violation makes a record unfit to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Critical {
    NullSymbol,
    NegativePrice,
    NegativeVolume,
    Malformed,
    WrongPartition,
}

impl Critical {
    pub const ALL: [Critical; 5] = [
        Critical::NullSymbol,
        Critical::NegativePrice,
        Critical::NegativeVolume,
        Critical::Malformed,
        Critical::WrongPartition,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Critical::NullSymbol => "null_symbol",
            Critical::NegativePrice => "negative_price",
            Critical::NegativeVolume => "negative_volume",
            Critical::Malformed => "malformed",
            Critical::WrongPartition => "wrong_partition",
        }
    }

    fn message(self, records: u64) -> String {
        let what = match self {
            Critical::NullSymbol => "null symbol present",
            Critical::NegativePrice => "negative price present",
            Critical::NegativeVolume => "negative volume present",
            Critical::Malformed => "malformed record present",
            Critical::WrongPartition => "wrong partition",
        };
        format!("{what} ({records} records)")
    }
}

/// Limits given as arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub expected_min_records: u64,
    /// In percent; a rate strictly above it fails the day.
    pub max_critical_error_rate: f64,
}

/// What the rules found.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// Records that violate each critical rule, in the order of [`Critical::ALL`].
    pub critical: [u64; 5],
    /// Records that violate any critical rule.
    pub critical_records: u64,
    /// Violations of each warning rule, by name.
    pub warnings: Vec<(&'static str, u64)>,
    /// Messages in the order of the rules, or `DQ OK`.
    pub messages: Vec<String>,
    /// `critical_records / records × 100`.
    pub rate: f64,
    /// Whether the rate is above the limit.
    pub failed: bool,
}

/// The columns that should be there in nearly every record.
const FILLED: [&str; 5] = ["open", "high", "low", "close", "volume"];

/// Judges records that have the known columns with their types, some at a time, all of a symbol together.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    ds: NaiveDate,
    limits: Limits,
    records: u64,
    critical: [u64; 5],
    critical_records: u64,
    duplicate_groups: u64,
    invalid_columns: u64,
    disordered: u64,
    nulls: [u64; FILLED.len()],
}

impl Judge {
    /// One that has seen no records.
    pub fn new(ds: NaiveDate, limits: Limits) -> Judge {
        Judge {
            ds,
            limits,
            records: 0,
            critical: [0; 5],
            critical_records: 0,
            duplicate_groups: 0,
            invalid_columns: 0,
            disordered: 0,
            nulls: [0; FILLED.len()],
        }
    }

    /// Judges records; per record, the critical rules it violates, comma separated, or `None` for a good one.
    pub fn add(&mut self, frame: &DataFrame) -> PolarsResult<Vec<Option<String>>> {
        let violations = critical_violations(frame, self.ds)?;
        for (rule, count) in self.critical.iter_mut().enumerate() {
            *count += violations.iter().filter(|bits| **bits & (1 << rule) != 0).count() as u64;
        }
        self.critical_records += violations.iter().filter(|bits| **bits != 0).count() as u64;
        self.records += frame.height() as u64;
        self.duplicate_groups += duplicate_keys(frame)?;
        // The columns are the same every time.
        self.invalid_columns = invalid_numeric_types(frame);
        self.disordered += ohlc_disorder(frame)?;
        for (nulls, name) in self.nulls.iter_mut().zip(FILLED) {
            *nulls += frame.column(name)?.null_count() as u64;
        }
        Ok(violations.into_iter().map(reason).collect())
    }

    /// What all records came to.
    pub fn conclude(&self) -> Verdict {
        let Judge { limits, records, critical, critical_records, .. } = *self;
        let rate = if records == 0 { 0.0 } else { critical_records as f64 / records as f64 * 100.0 };
        let failed = rate > limits.max_critical_error_rate;

        let mut messages: Vec<String> = Critical::ALL
            .iter()
            .zip(critical)
            .filter(|(_, count)| *count > 0)
            .map(|(rule, count)| rule.message(count))
            .collect();
        let mut warnings = Vec::new();
        let mut warn = |name, count: u64, message: String| {
            warnings.push((name, count));
            if count > 0 {
                messages.push(message);
            }
        };
        let groups = self.duplicate_groups;
        warn("duplicate_key", groups, format!("duplicate key detected ({groups} groups)"));
        let low = records < limits.expected_min_records;
        let message = format!("low record count: {records} < {}", limits.expected_min_records);
        warn("low_record_count", u64::from(low), message);
        let numeric = self.invalid_columns;
        warn("invalid_numeric_type", numeric, format!("invalid numeric type issues: {numeric}"));
        let disordered = self.disordered;
        warn("ohlc_order", disordered, format!("ohlc order violated ({disordered} records)"));
        let sparse = self.sparse_columns();
        warn("null_ratio", sparse.len() as u64, format!("null ratio above 5%: {}", sparse.join(", ")));
        if failed {
            let threshold = limits.max_critical_error_rate;
            messages.push(format!("Critical Error Rate: {rate:.2}% (threshold: {threshold:?}%)"));
        }
        if messages.is_empty() {
            messages.push("DQ OK".to_owned());
        }
        Verdict { critical, critical_records, warnings, messages, rate, failed }
    }

    /// The price columns with more than 5 % nulls.
    fn sparse_columns(&self) -> Vec<String> {
        let sparse = FILLED.iter().zip(self.nulls).filter(|(_, nulls)| nulls * 20 > self.records);
        sparse.map(|(name, nulls)| format!("{name} {:.2}%", nulls as f64 / self.records as f64 * 100.0)).collect()
    }
}

/// Per record, the critical rules it violates, as [`Judge::add`] gives them.
pub(super) fn reasons(frame: &DataFrame, ds: NaiveDate) -> PolarsResult<Vec<Option<String>>> {
    Ok(critical_violations(frame, ds)?.into_iter().map(reason).collect())
}

fn reason(bits: u8) -> Option<String> {
    let names: Vec<_> = Critical::ALL.iter().filter(|rule| bits & (1 << **rule as u8) != 0).map(|r| r.name()).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// Per record, a bit for each critical rule it violates.
fn critical_violations(frame: &DataFrame, ds: NaiveDate) -> PolarsResult<Vec<u8>> {
    let mut bits = vec![0u8; frame.height()];
    let mut mark = |row: usize, rule: Critical| bits[row] |= 1 << rule as u8;
    for (row, symbol) in frame.column("symbol")?.str()?.iter().enumerate() {
        if symbol.is_none_or(|symbol| symbol.trim().is_empty()) {
            mark(row, Critical::NullSymbol);
        }
    }
    for name in ["price", "open", "high", "low", "close", "adjusted_close"] {
        // `price` is no known column: it may be absent, and of any type.
        let Ok(column) = frame.column(name) else { continue };
        let Ok(values) = column.cast(&DataType::Float64) else { continue };
        for (row, value) in values.f64()?.iter().enumerate() {
            if value.is_some_and(|value| value < 0.0) {
                mark(row, Critical::NegativePrice);
            }
        }
    }
    for (row, volume) in numbers(frame, "volume")?.iter().enumerate() {
        if volume.is_some_and(|volume| volume < 0.0) {
            mark(row, Critical::NegativeVolume);
        }
    }
    if let Ok(corrupt) = frame.column(CORRUPT_COLUMN) {
        for row in (0..frame.height()).filter(|row| corrupt.get(*row).is_ok_and(|value| !value.is_null())) {
            mark(row, Critical::Malformed);
        }
    }
    let day = i64::from(ds.to_epoch_days());
    for (row, micros) in frame.column("timestamp")?.datetime()?.physical().iter().enumerate() {
        match micros {
            None => mark(row, Critical::Malformed),
            Some(micros) if micros.div_euclid(MICROS_PER_DAY) != day => mark(row, Critical::WrongPartition),
            Some(_) => {}
        }
    }
    Ok(bits)
}

fn numbers<'f>(frame: &'f DataFrame, name: &str) -> PolarsResult<&'f Float64Chunked> {
    frame.column(name)?.f64()
}

/// Groups of records with the same symbol and timestamp.
fn duplicate_keys(frame: &DataFrame) -> PolarsResult<u64> {
    let mut seen: HashMap<(&str, i64), u32> = HashMap::with_capacity(frame.height());
    let timestamps = frame.column("timestamp")?.datetime()?;
    for (symbol, micros) in frame.column("symbol")?.str()?.iter().zip(timestamps.physical().iter()) {
        if let (Some(symbol), Some(micros)) = (symbol, micros) {
            *seen.entry((symbol, micros)).or_default() += 1;
        }
    }
    Ok(seen.values().filter(|count| **count > 1).count() as u64)
}

fn invalid_numeric_types(frame: &DataFrame) -> u64 {
    let named = ["price", "amount", "value"].iter().filter_map(|name| frame.column(name).ok());
    named.filter(|column| !matches!(column.dtype(), DataType::Decimal(..))).count() as u64
}

/// Records whose low is above, or whose high is below, open or close, by more than a millionth.
fn ohlc_disorder(frame: &DataFrame) -> PolarsResult<u64> {
    let column = |name| numbers(frame, name);
    let (open, high, low, close) = (column("open")?, column("high")?, column("low")?, column("close")?);
    let mut count = 0;
    for (((open, high), low), close) in open.iter().zip(high.iter()).zip(low.iter()).zip(close.iter()) {
        let (Some(open), Some(close)) = (open, close) else { continue };
        let (floor, ceiling) = (open.min(close), open.max(close));
        let too_high = low.is_some_and(|low| low - floor > 1e-6 * floor.abs());
        let too_low = high.is_some_and(|high| ceiling - high > 1e-6 * ceiling.abs());
        count += u64::from(too_high || too_low);
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
