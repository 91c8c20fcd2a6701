//! The indicator columns of the output, as data: one table in output order.
//!
//! Everything that is said *about* an indicator (its type, the first row it may exist on, the range it must
//! keep) stands here; how it is computed stands in the file of its family. Adding an indicator is a line here
//! and an assignment there.

use std::ops::{Index, IndexMut};

use Kind::{Float, Integer};
use Range::Any;

/// How an indicator is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A decimal, rounded half away from zero to `scale` digits.
    Decimal {
        /// Digits in all.
        precision: u32,
        /// Digits after the point.
        scale: u32,
    },
    /// A 32-bit float, rounded to 6 decimals before it is narrowed.
    Float,
    /// A 64-bit integer, rounded half away from zero.
    Integer,
}

/// The values an indicator may take; anything outside is a violation and becomes null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Not checked.
    Any,
    /// Checked, bounds included.
    Between(f64, f64),
}

/// One indicator column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Which indicator it holds.
    pub indicator: Indicator,
    /// Its name in the output.
    pub name: &'static str,
    /// Its type in the output.
    pub kind: Kind,
    /// The first row of a symbol's window (1 for the first) on which it may have a value.
    pub first_row: usize,
    /// Its range check.
    pub range: Range,
}

const PRICE: Kind = Kind::Decimal { precision: 12, scale: 4 };
const MACD: Kind = Kind::Decimal { precision: 10, scale: 6 };
const ATR: Kind = Kind::Decimal { precision: 8, scale: 4 };
const POSITIVE: Range = Range::Between(0.0, f64::INFINITY);
const PERCENT: Range = Range::Between(0.0, 100.0);
const MINUS_PERCENT: Range = Range::Between(-100.0, 0.0);
const UNIT: Range = Range::Between(-1.0, 1.0);
const BETA: Range = Range::Between(-3.0, 3.0);

/// Rows that never come: the column is always null.
pub const NEVER: usize = usize::MAX;

macro_rules! columns {
    ($($indicator:ident $name:literal $kind:ident $first_row:tt $range:ident;)+) => {
        /// An indicator; its position is its place in the output.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Indicator {
            $(#[doc = concat!("`", $name, "`.")] $indicator,)+
        }

        /// How many indicators there are.
        pub const COUNT: usize = [$(Indicator::$indicator),+].len();

        /// Every indicator column, in output order.
        ///
        /// Source: contract of the daily prices pipeline, "Indicators".
        pub const COLUMNS: [Column; COUNT] = [
            $(Column {
                indicator: Indicator::$indicator,
                name: $name,
                kind: $kind,
                first_row: $first_row,
                range: $range,
            },)+
        ];
    };
}

columns! {
    // indicator      name                    type     from  range
    Sma20             "sma_20"                PRICE    20    POSITIVE;
    Sma60             "sma_60"                PRICE    60    POSITIVE;
    Sma120            "sma_120"               PRICE    120   POSITIVE;
    Ema20             "ema_20"                PRICE    20    POSITIVE;
    Ema60             "ema_60"                PRICE    60    POSITIVE;
    Return1d          "return_1d"             Float    2     Any;
    Return5d          "return_5d"             Float    6     Any;
    Return20d         "return_20d"            Float    21    Any;
    LogReturn1d       "log_return_1d"         Float    2     Any;
    EnvelopeMid       "envelope_mid_20_3"     PRICE    20    POSITIVE;
    EnvelopeUpper     "envelope_upper_20_3"   PRICE    20    POSITIVE;
    EnvelopeLower     "envelope_lower_20_3"   PRICE    20    POSITIVE;
    Rsi14             "rsi_14"                Float    15    PERCENT;
    RsiEma6           "rsi_ema6"              Float    20    PERCENT;
    Macd              "macd_12_26"            MACD     26    Any;
    MacdSignal        "macd_signal_9"         MACD     34    Any;
    MacdHist          "macd_hist_12_26_9"     MACD     34    Any;
    MacdPct           "macd_pct_12_26"        Float    26    Any;
    BollingerMiddle   "bollinger_middle_20_2" PRICE    20    POSITIVE;
    BollingerUpper    "bollinger_upper_20_2"  PRICE    20    POSITIVE;
    BollingerLower    "bollinger_lower_20_2"  PRICE    20    POSITIVE;
    BollingerWidth    "bb_width_20_2"         Float    20    POSITIVE;
    // Outside 0..1 is the signal of this one, so it has no range.
    BollingerPercentB "bb_percent_b_20_2"     Float    20    Any;
    WilliamsR14       "williams_r_14"         Float    14    MINUS_PERCENT;
    SlowK             "slow_k_14_3"           Float    16    PERCENT;
    SlowD             "slow_d_14_3"           Float    18    PERCENT;
    IchimokuTenkan    "ichimoku_tenkan"       PRICE    9     POSITIVE;
    IchimokuKijun     "ichimoku_kijun"        PRICE    26    POSITIVE;
    IchimokuSenkouA   "ichimoku_senkou_a"     PRICE    52    POSITIVE;
    IchimokuSenkouB   "ichimoku_senkou_b"     PRICE    78    POSITIVE;
    // The close 26 rows later: at the last row it would look ahead, so it never has a value.
    IchimokuChikou    "ichimoku_chikou"       PRICE    NEVER POSITIVE;
    Atr14             "atr_14"                ATR      14    POSITIVE;
    Atrp14            "atrp_14"               Float    14    POSITIVE;
    Adx14             "adx_14"                Float    28    PERCENT;
    PlusDi14          "plus_di_14"            Float    15    PERCENT;
    MinusDi14         "minus_di_14"           Float    15    PERCENT;
    Cci20             "cci_20"                Float    20    Any;
    CciSignal10       "cci_signal_10"         Float    29    Any;
    Obv               "obv"                   Integer  1     Any;
    Cmf20             "cmf_20"                Float    20    UNIT;
    Adi               "adi"                   Integer  1     Any;
    Mfi14             "mfi_14"                Float    15    PERCENT;
    Roc6              "roc_6"                 Float    7     Any;
    Roc12             "roc_12"                Float    13    Any;
    Roc20             "roc_20"                Float    21    Any;
    RealizedVol10d    "realized_vol_10d"      Float    11    POSITIVE;
    RealizedVol20d    "realized_vol_20d"      Float    21    POSITIVE;
    RealizedVol60d    "realized_vol_60d"      Float    61    POSITIVE;
    RealizedVol20dAnn "realized_vol_20d_ann"  Float    21    POSITIVE;
    ParkinsonVol20    "parkinson_vol_20"      Float    20    POSITIVE;
    GkVol20           "gk_vol_20"             Float    20    POSITIVE;
    VwapD             "vwap_d"                PRICE    1     Any;
    Rvol20            "rvol_20"               Float    20    POSITIVE;
    Beta60            "beta_60"               Float    31    BETA;
    CorrMkt60         "corr_mkt_60"           Float    31    UNIT;
}

/// The indicators of one symbol on one day; null is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Values([f64; COUNT]);

impl Values {
    /// All null.
    pub fn new() -> Self {
        Self([f64::NAN; COUNT])
    }

    /// The values in output order.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::new()
    }
}

impl Index<Indicator> for Values {
    type Output = f64;
    fn index(&self, indicator: Indicator) -> &f64 {
        &self.0[indicator as usize]
    }
}

impl IndexMut<Indicator> for Values {
    fn index_mut(&mut self, indicator: Indicator) -> &mut f64 {
        &mut self.0[indicator as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_indicators() {
        for (at, column) in COLUMNS.iter().enumerate() {
            assert_eq!(column.indicator as usize, at, "{}", column.name);
        }
    }

    #[test]
    fn thirty_eight_columns_are_range_checked() {
        let checks = |wanted: Range| COLUMNS.iter().filter(|column| column.range == wanted).count();
        assert_eq!(checks(POSITIVE), 26);
        assert_eq!(checks(PERCENT), 8);
        assert_eq!(checks(MINUS_PERCENT) + checks(UNIT) + checks(BETA), 4);
    }
}
