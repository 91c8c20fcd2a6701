//! Prices adjusted for splits and dividends.

use polars::error::PolarsResult;
use polars::prelude::{Column, DataFrame, Float64Chunked, IntoColumn, PlSmallStr};

use super::columns::{KNOWN, is_extra};

/// Adds `raw_*` and `adjustment_factor` and replaces prices and volume by adjusted ones.
///
/// The factor is `adjusted_close / close`: null if either is null, close is 0, or the quotient is not finite. With a null
/// factor open, high, low and volume stay as they are.
///
/// Source: pipelines.md 1.7, "Price adjustment".
pub(super) fn adjust(mut frame: DataFrame) -> PolarsResult<DataFrame> {
    let adjusted_close = numbers(&frame, "adjusted_close")?;
    let close = numbers(&frame, "close")?;
    let factor = each(&adjusted_close, &close, |adjusted, close| match (adjusted, close) {
        (Some(adjusted), Some(close)) if close != 0.0 => finite(adjusted / close),
        _ => None,
    });
    for name in ["open", "high", "low", "close", "volume"] {
        let raw = numbers(&frame, name)?;
        let adjusted = match name {
            "close" => each(&adjusted_close, &raw, Option::or),
            "volume" => each(&raw, &factor, |volume, factor| match factor {
                Some(factor) if factor != 0.0 => finite(volume? / factor),
                _ => volume,
            }),
            _ => each(&raw, &factor, |price, factor| match factor {
                Some(factor) => finite(price? * factor),
                None => price,
            }),
        };
        put(&mut frame, &format!("raw_{name}"), raw)?;
        put(&mut frame, name, adjusted)?;
    }
    put(&mut frame, "adjustment_factor", factor)?;
    Ok(frame)
}

fn numbers(frame: &DataFrame, name: &str) -> PolarsResult<Float64Chunked> {
    Ok(frame.column(name)?.f64()?.clone())
}

/// Row by row; both columns are of one frame.
fn each(
    a: &Float64Chunked,
    b: &Float64Chunked,
    value: impl Fn(Option<f64>, Option<f64>) -> Option<f64>,
) -> Float64Chunked {
    a.iter().zip(b.iter()).map(|(a, b)| value(a, b)).collect()
}

fn put(frame: &mut DataFrame, name: &str, mut values: Float64Chunked) -> PolarsResult<()> {
    values.rename(PlSmallStr::from_str(name));
    frame.with_column(values.into_column())?;
    Ok(())
}

/// The value, or null if it is NaN or infinite.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
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
