//! Is a row a sale? The rules of one row, without I/O.
//!
//! Source: pipelines.md 2.7, steps 5 to 8.

use csv::StringRecord;

use super::header::{Field, Header};
use super::timestamp::parse_timestamp;
use crate::query::parse_number;

/// How far revenue may be from quantity times unit price; the rest is for what binary fractions lose.
const BALANCE_TOLERANCE: f64 = 0.01 + 1e-9;

/// Why a row is no sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    MissingRequiredColumn,
    InvalidTimestampFormat,
    BusinessLogicFail,
}

impl Reason {
    pub const ALL: [Reason; 3] =
        [Reason::MissingRequiredColumn, Reason::InvalidTimestampFormat, Reason::BusinessLogicFail];

    /// As it stands in reject files and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::MissingRequiredColumn => "MISSING_REQUIRED_COLUMN",
            Reason::InvalidTimestampFormat => "INVALID_TIMESTAMP_FORMAT",
            Reason::BusinessLogicFail => "BUSINESS_LOGIC_FAIL",
        }
    }
}

/// The typed values of a good row; its texts are the record's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sale {
    /// Microseconds since 1970.
    pub timestamp: i64,
    pub quantity: i64,
    pub unit_price: f64,
    pub revenue: f64,
}

/// The sale of a row, or why it is none, with its timestamp as far as that could be read.
pub(super) fn judge(header: &Header, record: &StringRecord) -> Result<Sale, (Reason, Option<i64>)> {
    let value = |field| header.value(record, field);
    let timestamp = value(Field::Timestamp).and_then(parse_timestamp);
    if Field::REQUIRED.into_iter().any(|field| value(field).is_none()) {
        return Err((Reason::MissingRequiredColumn, timestamp));
    }
    let Some(timestamp) = timestamp else { return Err((Reason::InvalidTimestampFormat, None)) };
    let number = |field| value(field).and_then(parse_number);
    let sale = (|| {
        Some(Sale {
            timestamp,
            quantity: whole(number(Field::Quantity)?)?,
            unit_price: number(Field::UnitPrice)?,
            revenue: number(Field::Revenue)?,
        })
    })();
    match sale {
        Some(sale) if sale.is_plausible() => Ok(sale),
        _ => Err((Reason::BusinessLogicFail, Some(timestamp))),
    }
}

/// A number without a fraction.
fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 a float64 no longer tells whole numbers apart.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

impl Sale {
    fn is_plausible(&self) -> bool {
        let difference = (self.revenue - self.quantity as f64 * self.unit_price).abs();
        self.quantity > 0 && self.unit_price > 0.0 && difference <= BALANCE_TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::fact_sales::ingestion::header::split;

    fn check(row: &str) -> Result<Sale, Reason> {
        let header = Header::of(&split("transaction_id,store_id,timestamp,item_id,quantity,unit_price,revenue", b','));
        judge(&header, &split(row, b',')).map_err(|(reason, _)| reason)
    }

    #[test]
    fn good_rows_are_typed() {
        let timestamp = 1_733_529_600_000_000;
        for (row, quantity, unit_price, revenue) in [
            ("T,S,2024-12-07,I,1,295.66,295.66", 1, 295.66, 295.66),
            ("T,S,12/07/2024,I,3.0,\"$1,413.15 \",\"4,239.45\"", 3, 1413.15, 4239.45),
            ("T,S,20241207,I,2,1.5E1,30", 2, 15.0, 30.0),
            ("T,S,2024-12-07,I,3,0.33,1.00", 3, 0.33, 1.0),
        ] {
            assert_eq!(check(row), Ok(Sale { timestamp, quantity, unit_price, revenue }), "{row}");
        }
    }

    #[test]
    fn bad_rows_have_a_reason_in_the_order_of_the_rules() {
        use Reason::{BusinessLogicFail, InvalidTimestampFormat, MissingRequiredColumn};
        for (row, reason) in [
            (",,,,,,", MissingRequiredColumn),
            ("T,S,2024-12-07,I,1,2", MissingRequiredColumn),
            ("T, ,never,I,0,0,0", MissingRequiredColumn),
            ("T,S,2024-02-30,I,0,N/A,0", InvalidTimestampFormat),
            ("T,S,2024-12-07,I,N/A,1,1", BusinessLogicFail),
            ("T,S,2024-12-07,I,1,1,$N/A", BusinessLogicFail),
            ("T,S,2024-12-07,I,-2,5,-10", BusinessLogicFail),
            ("T,S,2024-12-07,I,2,(5),-10", BusinessLogicFail),
            ("T,S,2024-12-07,I,0,5,0", BusinessLogicFail),
            ("T,S,2024-12-07,I,2.5,2,5", BusinessLogicFail),
            ("T,S,2024-12-07,I,2,5,10.02", BusinessLogicFail),
            ("T,S,2024-12-07,I,NaN,5,10", BusinessLogicFail),
        ] {
            assert_eq!(check(row), Err(reason), "{row}");
        }
    }
}
