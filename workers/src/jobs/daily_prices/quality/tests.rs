use super::super::columns::KNOWN;
use super::*;
use crate::lake::read::conform;
use polars::prelude::df;

const GOOD: Limits = Limits { expected_min_records: 1, max_critical_error_rate: 5.0 };

fn row(symbol: Option<&str>, at: Option<&str>, prices: [Option<f64>; 5], volume: Option<f64>) -> DataFrame {
    let [open, high, low, close, adjusted] = prices;
    let frame = df!(
        "symbol" => [symbol], "timestamp" => [at], "open" => [open], "high" => [high], "low" => [low],
        "close" => [close], "adjusted_close" => [adjusted], "volume" => [volume],
    );
    conform(&frame.unwrap(), KNOWN).unwrap()
}

/// A verdict and what was said of each record.
struct Judged {
    reasons: Vec<Option<String>>,
    critical: [u64; 5],
    critical_records: u64,
    warnings: Vec<(&'static str, u64)>,
    messages: Vec<String>,
    rate: f64,
    failed: bool,
}

fn verdict(frame: &DataFrame, limits: Limits) -> Judged {
    let mut judge = Judge::new("2012-05-18".parse().unwrap(), limits);
    let reasons = judge.add(frame).unwrap();
    let Verdict { critical, critical_records, warnings, messages, rate, failed } = judge.conclude();
    Judged { reasons, critical, critical_records, warnings, messages, rate, failed }
}

const DAY: Option<&str> = Some("2012-05-18T00:00:00Z");
const PRICES: [Option<f64>; 5] = [Some(2.0), Some(3.0), Some(1.0), Some(2.5), Some(2.5)];

#[test]
fn each_critical_rule_finds_its_record() {
    let volume = Some(1.0);
    let negative = |at: usize| {
        let mut prices = PRICES;
        prices[at] = Some(-0.01);
        row(Some("A"), DAY, prices, volume)
    };
    let cases = [
        (row(None, DAY, PRICES, volume), "null_symbol"),
        (row(Some("  "), DAY, PRICES, volume), "null_symbol"),
        (negative(0), "negative_price"),
        (negative(1), "negative_price"),
        (negative(2), "negative_price"),
        (negative(3), "negative_price"),
        (negative(4), "negative_price"),
        (row(Some("A"), DAY, PRICES, Some(-1.0)), "negative_volume"),
        (row(Some("A"), None, PRICES, volume), "malformed"),
        (row(Some("A"), Some("2012-05-19T00:00:00Z"), PRICES, volume), "wrong_partition"),
        (row(Some("A"), Some("2012-05-18T01:00:00+02:00"), PRICES, volume), "wrong_partition"),
        (row(None, DAY, PRICES, Some(-1.0)), "null_symbol,negative_volume"),
    ];
    for (frame, expected) in cases {
        let verdict = verdict(&frame, GOOD);
        assert_eq!(verdict.reasons[0].as_deref(), Some(expected));
        assert_eq!((verdict.critical_records, verdict.rate, verdict.failed), (1, 100.0, true), "{expected}");
    }
    let good = verdict(&row(Some("A"), Some("2012-05-18T23:59:59.999999Z"), PRICES, volume), GOOD);
    assert_eq!((good.messages, good.reasons), (vec!["DQ OK".to_owned()], vec![None]));
}

#[test]
fn a_corrupt_record_and_an_undeclared_negative_price_are_critical() {
    let mut frame = row(Some("A"), DAY, PRICES, Some(1.0));
    frame.with_column(df!(CORRUPT_COLUMN => ["x"]).unwrap().columns()[0].clone()).unwrap();
    frame.with_column(df!("price" => [-1i64]).unwrap().columns()[0].clone()).unwrap();
    assert_eq!(verdict(&frame, GOOD).reasons[0].as_deref(), Some("negative_price,malformed"));
}

#[test]
fn the_rate_must_be_strictly_above_the_limit_and_counts_records_once() {
    let mut frame = row(None, DAY, PRICES, Some(-1.0));
    for _ in 0..19 {
        frame.vstack_mut(&row(Some("A"), DAY, PRICES, Some(1.0))).unwrap();
    }
    let at_limit = verdict(&frame, GOOD);
    assert_eq!((at_limit.rate, at_limit.failed, at_limit.critical_records), (5.0, false, 1));
    assert_eq!(at_limit.critical, [1, 0, 1, 0, 0], "each rule is counted, the record once");
    let above = verdict(&frame, Limits { max_critical_error_rate: 4.99, ..GOOD });
    assert!(above.failed);
    assert_eq!(above.messages.last().unwrap(), "Critical Error Rate: 5.00% (threshold: 4.99%)");
    assert_eq!(above.messages[..2], ["null symbol present (1 records)", "negative volume present (1 records)"]);
}

#[test]
fn each_warning_rule_says_its_message() {
    let mut prices = PRICES;
    prices[2] = Some(2.1);
    let disordered = row(Some("A"), DAY, prices, Some(1.0));
    let mut low_high = PRICES;
    low_high[1] = Some(2.4);
    let twice = row(Some("A"), DAY, PRICES, Some(1.0));
    let twice = twice.vstack(&twice).unwrap();
    let mut named = row(Some("A"), DAY, PRICES, Some(1.0));
    named.with_column(df!("amount" => [1.0]).unwrap().columns()[0].clone()).unwrap();
    let strict = Limits { expected_min_records: 100, ..GOOD };
    for (frame, limits, rule, message) in [
        (disordered, GOOD, "ohlc_order", "ohlc order violated (1 records)"),
        (row(Some("A"), DAY, low_high, Some(1.0)), GOOD, "ohlc_order", "ohlc order violated (1 records)"),
        (twice, GOOD, "duplicate_key", "duplicate key detected (1 groups)"),
        (named, GOOD, "invalid_numeric_type", "invalid numeric type issues: 1"),
        (row(Some("A"), DAY, PRICES, None), GOOD, "null_ratio", "null ratio above 5%: volume 100.00%"),
        (row(Some("A"), DAY, PRICES, Some(1.0)), strict, "low_record_count", "low record count: 1 < 100"),
    ] {
        let verdict = verdict(&frame, limits);
        assert_eq!(verdict.messages, [message]);
        assert!(verdict.warnings.contains(&(rule, 1)), "{rule}: {:?}", verdict.warnings);
        assert!(!verdict.failed);
    }
    let mut close_to_low = PRICES;
    close_to_low[2] = Some(2.000_001);
    assert_eq!(verdict(&row(Some("A"), DAY, close_to_low, Some(1.0)), GOOD).messages, ["DQ OK"], "tolerance");
}
