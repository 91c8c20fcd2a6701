use super::super::columns::Indicator;
use super::*;

fn day(symbols: &[&str], close: f64) -> DataFrame {
    let numbers = |value: f64| vec![value; symbols.len()];
    df!("symbol" => symbols, "open" => numbers(close), "high" => numbers(close), "low" => numbers(close),
        "close" => numbers(close), "volume" => numbers(100.0))
    .unwrap()
}

fn target(date: i32) -> Target<'static> {
    Target { date, lookback_rows: 252, benchmark_symbol: None }
}

#[test]
fn faults_of_a_day_are_named() {
    let good = day(&["A", "B"], 1.0);
    let cases = [
        (good.drop_many(["close", "volume"]), Code::MissingColumns, r#"["close", "volume"]"#),
        (df!("symbol" => [Some("A"), None], "open" => [1.0, 1.0], "high" => [1.0, 1.0], "low" => [1.0, 1.0],
             "close" => [1.0, 1.0], "volume" => [1.0, 1.0]).unwrap(), Code::DqFailed, "null symbol present (1 records)"),
        (df!("symbol" => ["A"], "open" => ["x"], "high" => [1.0], "low" => [1.0], "close" => [1.0], "volume" => [1.0])
            .unwrap(), Code::SchemaValidationFailed, "column `open` of `file:///day` is str"),
        (df!("symbol" => [1], "open" => [1.0], "high" => [1.0], "low" => [1.0], "close" => [1.0], "volume" => [1.0])
            .unwrap(), Code::SchemaValidationFailed, "column `symbol`"),
    ];
    for (frame, code, part) in cases {
        let error = History::default().add(1, &frame, "file:///day").unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn a_symbol_without_a_row_on_the_day_has_no_row_and_the_window_counts_rows() {
    let mut history = History::default();
    for (date, symbols) in [(1, vec!["B", "A"]), (2, vec!["B"]), (3, vec!["A", "C"])] {
        history.add(date, &day(&symbols, f64::from(date)), "x").unwrap();
    }
    let rows = history.rows(target(3));
    let seen: Vec<_> = rows.iter().map(|row| (row.symbol.as_str(), row.window_rows)).collect();
    assert_eq!(seen, [("A", 2), ("C", 1)]);
    assert_eq!(rows[0].values[Indicator::Return1d], 200.0, "the row before is that of day 1");
    assert!(!history.has_rows_on(4));
    let short = history.rows(Target { lookback_rows: 1, ..target(3) });
    assert_eq!(short[0].window_rows, 1);
    assert!(short[0].values[Indicator::Return1d].is_nan(), "the window ends before the day before");
}

#[test]
fn a_repeated_row_is_counted_and_gives_two_rows() {
    let mut history = History::default();
    history.add(1, &day(&["A", "A"], 1.0), "x").unwrap();
    assert_eq!((history.duplicate_rows, history.rows(target(1)).len()), (1, 2));
}

#[test]
fn the_benchmark_is_the_first_column_that_is_present_in_its_own_unit() {
    // 40 days of a symbol whose returns are twice the market's.
    let market = |date: i32| if date % 2 == 0 { 0.01 } else { -0.005 };
    type Given = fn(f64, f64) -> f64;
    let cases: [(&str, Given, f64); 4] = [
        ("market_return", |change, _| change, 2.0),
        ("market_return_1d", |change, _| change * 100.0, 2.0),
        ("spy_close", |_, level| level, 2.0),
        ("vix_close", |change, _| change, f64::NAN),
    ];
    for (name, given, beta) in cases {
        let (mut history, mut close, mut level) = (History::default(), 100.0, 50.0);
        for date in 1..=40 {
            close *= 1.0 + 2.0 * market(date);
            level *= 1.0 + market(date);
            let mut frame = day(&["A"], close);
            frame.with_column(Column::new(name.into(), [given(market(date), level)])).unwrap();
            frame.with_column(Column::new("sp500_close".into(), [None::<f64>])).unwrap();
            history.add(date, &frame, "x").unwrap();
        }
        let actual = history.rows(target(40))[0].values[Indicator::Beta60];
        assert!((actual - beta).abs() < 1e-9 || (actual.is_nan() && beta.is_nan()), "{name}: {actual}");
    }
}

#[test]
fn the_day_s_average_price_is_taken_from_either_column() {
    for (name, expected) in [("vwap", 7.0), ("vwap_d", 7.0), ("vwapx", f64::NAN)] {
        let mut frame = day(&["A"], 1.0);
        frame.with_column(Column::new(name.into(), [7.0])).unwrap();
        let mut history = History::default();
        history.add(1, &day(&["A"], 1.0), "x").unwrap();
        history.add(2, &frame, "x").unwrap();
        let actual = history.rows(target(2))[0].values[Indicator::VwapD];
        assert!(actual == expected || (actual.is_nan() && expected.is_nan()), "{name}: {actual}");
    }
}
