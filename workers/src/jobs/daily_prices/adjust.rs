//! Prices adjusted for splits and dividends.

use polars::error::PolarsResult;
use polars::prelude::{Column, DataFrame, DataType, Expr, IntoLazy, PlSmallStr, col, lit, when};

use super::columns::{KNOWN, is_extra};

/// Adds `raw_*` and `adjustment_factor` and replaces prices and volume by adjusted ones.
///
/// The factor is `adjusted_close / close`: null if either is null, close is 0, or the quotient is not finite. With a null
/// factor open, high, low and volume stay as they are.
///
/// Source: pipelines.md 1.7, "Price adjustment".
pub(super) fn adjust(frame: DataFrame) -> PolarsResult<DataFrame> {
    let factor = || col("adjustment_factor");
    let quotient = col("adjusted_close") / col("close");
    let scaled = |name: &str| {
        let value = col(name) * factor();
        when(factor().is_not_null()).then(finite(value)).otherwise(col(name)).alias(name)
    };
    frame
        .lazy()
        .with_columns([
            col("open").alias("raw_open"),
            col("high").alias("raw_high"),
            col("low").alias("raw_low"),
            col("close").alias("raw_close"),
            col("volume").alias("raw_volume"),
            when(col("close").neq(lit(0.0))).then(finite(quotient)).otherwise(null()).alias("adjustment_factor"),
        ])
        .with_columns([
            scaled("open"),
            scaled("high"),
            scaled("low"),
            when(col("adjusted_close").is_not_null())
                .then(col("adjusted_close"))
                .otherwise(col("close"))
                .alias("close"),
            when(factor().is_not_null().and(factor().neq(lit(0.0))))
                .then(finite(col("volume") / factor()))
                .otherwise(col("volume"))
                .alias("volume"),
        ])
        .collect()
}

/// The value, or null if it is NaN or infinite.
fn finite(value: Expr) -> Expr {
    when(value.clone().is_finite()).then(value).otherwise(null())
}

fn null() -> Expr {
    lit(polars::prelude::NULL).cast(DataType::Float64)
}

/// The columns in the order they are published: known, then adjustment, then extra ones by name.
pub(super) fn arrange(frame: &DataFrame) -> PolarsResult<DataFrame> {
    let mut names: Vec<PlSmallStr> = KNOWN.iter().map(|column| PlSmallStr::from_static(column.name)).collect();
    let present = super::columns::ADJUSTMENT.iter().filter(|name| frame.column(name).is_ok());
    names.extend(present.map(|name| PlSmallStr::from_static(name)));
    let mut extra: Vec<PlSmallStr> = frame
        .columns()
        .iter()
        .map(Column::name)
        .filter(|name| is_extra(name) && frame.column(name).is_ok())
        .cloned()
        .collect();
    extra.sort();
    names.extend(extra);
    frame.select(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::read::conform;
    use polars::prelude::df;

    #[test]
    fn factors_apply_where_they_exist() {
        let frame = df!(
            "symbol" => ["half", "one", "no adjusted", "no close", "zero close", "zero adjusted"],
            "timestamp" => [Some("2012-05-18"); 6],
            "open" => [10.0; 6], "high" => [12.0; 6], "low" => [8.0; 6],
            "close" => [Some(10.0), Some(10.0), Some(10.0), None, Some(0.0), Some(10.0)],
            "adjusted_close" => [Some(5.0), Some(10.0), None, Some(5.0), Some(5.0), Some(0.0)],
            "volume" => [100.0; 6],
            "exchange" => ["x"; 6],
        );
        let adjusted = arrange(&adjust(conform(&frame.unwrap(), KNOWN).unwrap()).unwrap()).unwrap();
        let column = |name: &str| adjusted.column(name).unwrap().f64().unwrap().iter().collect::<Vec<_>>();
        let all = |values: [f64; 6]| values.map(Some).to_vec();
        assert_eq!(column("adjustment_factor"), [Some(0.5), Some(1.0), None, None, None, Some(0.0)]);
        assert_eq!(column("open"), all([5.0, 10.0, 10.0, 10.0, 10.0, 0.0]));
        assert_eq!(column("high"), all([6.0, 12.0, 12.0, 12.0, 12.0, 0.0]));
        assert_eq!(column("low"), all([4.0, 8.0, 8.0, 8.0, 8.0, 0.0]));
        assert_eq!(column("close"), all([5.0, 10.0, 10.0, 5.0, 5.0, 0.0]));
        assert_eq!(column("volume"), all([200.0, 100.0, 100.0, 100.0, 100.0, 100.0]));
        assert_eq!(column("raw_open"), all([10.0; 6]));
        assert_eq!(column("raw_close"), [Some(10.0), Some(10.0), Some(10.0), None, Some(0.0), Some(10.0)]);
        let names: Vec<_> = adjusted.get_column_names().iter().map(|name| name.to_string()).collect();
        assert_eq!(
            names[8..],
            ["raw_open", "raw_high", "raw_low", "raw_close", "raw_volume", "adjustment_factor", "exchange"]
        );
    }
}
