//! The output table: rounded columns in the order and types of the contract, and what rounding lost.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::columns::{COLUMNS, Column as Indicator, Kind, Values};
use super::quality::Verdict;
use super::round::{self, Overflow};

/// One row of the output.
#[derive(Debug, Clone)]
pub struct Row {
    /// The trading date, in days since 1970-01-01.
    pub date: i32,
    /// The symbol.
    pub symbol: String,
    /// How many rows its window has.
    pub window_rows: usize,
    /// The indicators after range checks.
    pub values: Values,
    /// What the range checks found.
    pub verdict: Verdict,
}

/// Builds the table of `rows`, in their order; `run_at_micros` is the time of the run in µs since 1970 and becomes
/// `batch_id`, `created_at` and `updated_at`. The second value counts overflows by column.
///
/// # Errors
/// If polars refuses a column, which means that this function is wrong.
pub fn build(rows: &[Row], run_at_micros: i64) -> PolarsResult<(DataFrame, BTreeMap<&'static str, u64>)> {
    let mut overflows = BTreeMap::new();
    let mut columns = Vec::with_capacity(COLUMNS.len() + 7);
    let dates: Vec<i32> = rows.iter().map(|row| row.date).collect();
    columns.push(Int32Chunked::from_vec("date".into(), dates).into_date().into_column());
    columns.push(
        StringChunked::from_iter_values("symbol".into(), rows.iter().map(|row| row.symbol.as_str())).into_column(),
    );
    for (at, column) in COLUMNS.iter().enumerate() {
        let mut lost = 0u64;
        let values = rows.iter().map(|row| row.values.as_slice()[at]);
        columns.push(indicator(column, values, &mut lost)?);
        if lost > 0 {
            overflows.insert(column.name, lost);
        }
    }
    let validated: Vec<i16> = rows.iter().map(|row| row.verdict.is_validated()).collect();
    let scores: Vec<i16> = rows.iter().map(|row| row.verdict.quality_score()).collect();
    columns.push(Int16Chunked::from_vec("is_validated".into(), validated).into_column());
    columns.push(Int16Chunked::from_vec("quality_score".into(), scores).into_column());
    let run_at = |name: &str| Int64Chunked::full(name.into(), run_at_micros, rows.len());
    columns.push(run_at("batch_id").into_column());
    for name in ["created_at", "updated_at"] {
        columns.push(run_at(name).into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column());
    }
    Ok((DataFrame::new(rows.len(), columns)?, overflows))
}

fn indicator(column: &Indicator, values: impl Iterator<Item = f64>, lost: &mut u64) -> PolarsResult<Column> {
    let name = PlSmallStr::from_static(column.name);
    Ok(match column.kind {
        Kind::Decimal { precision, scale } => {
            let values = values.map(|value| kept(round::decimal(value, precision, scale), lost));
            let unscaled: Int128Chunked = values.collect_ca(name);
            unscaled.into_decimal(precision as usize, scale as usize)?.into_column()
        }
        Kind::Float => {
            let values: Float32Chunked = values.map(|value| kept(round::float(value), lost)).collect_ca(name);
            values.into_column()
        }
        Kind::Integer => {
            let values: Int64Chunked = values.map(|value| kept(round::integer(value), lost)).collect_ca(name);
            values.into_column()
        }
    })
}

fn kept<T>(rounded: Result<Option<T>, Overflow>, lost: &mut u64) -> Option<T> {
    rounded.unwrap_or_else(|Overflow| {
        *lost += 1;
        None
    })
}

#[cfg(test)]
mod tests {
    use super::super::columns::Indicator;
    use super::*;

    #[test]
    fn the_table_has_the_contract_s_columns_in_order_with_their_types() {
        let mut values = Values::new();
        values[Indicator::Sma20] = 123.456_78;
        values[Indicator::Atr14] = 10_000.0;
        values[Indicator::Rsi14] = 0.123_456_7;
        values[Indicator::Obv] = -2.5;
        let row = Row {
            date: 15_765,
            symbol: "IBM".into(),
            window_rows: 252,
            values,
            verdict: Verdict { violations: vec![] },
        };
        let (frame, overflows) = build(&[row], 1_700_000_000_000_000).unwrap();

        let schema: Vec<String> = frame.schema().iter().map(|(name, dtype)| format!("{name}:{dtype}")).collect();
        assert_eq!(schema.len(), COLUMNS.len() + 7);
        assert_eq!(schema[..3], ["date:date", "symbol:str", "sma_20:decimal[12,4]"]);
        assert_eq!(
            schema[schema.len() - 5..],
            [
                "is_validated:i16",
                "quality_score:i16",
                "batch_id:i64",
                "created_at:datetime[μs, UTC]",
                "updated_at:datetime[μs, UTC]"
            ]
        );
        let cell = |name: &str| frame.column(name).unwrap().get(0).unwrap().to_string();
        let cases = [
            ("sma_20", "123.4568"),
            ("atr_14", "null"),
            ("rsi_14", "0.123457"),
            ("obv", "-3"),
            ("sma_60", "null"),
            ("quality_score", "100"),
            ("batch_id", "1700000000000000"),
        ];
        for (name, expected) in cases {
            assert_eq!(cell(name), expected, "{name}");
        }
        assert_eq!(overflows, BTreeMap::from([("atr_14", 1)]));
    }
}
