"""Indicators: 5,000 symbols with 500 days of curated prices each, one day's indicators, beside the same formulas in polars-python."""
import datetime

import duckdb
import pyarrow.dataset as dataset

from harness import Contestant, compare, python

LAST = datetime.date(2024, 12, 6)
LOOKBACK = 500

# The formulas of the job as one would write them in polars; same warm-up, same columns that need only prices.
POLARS = """
import math, sys, polars as pl
from polars import col as c
folder, day, out = sys.argv[1:4]
S = "symbol"
def over(e): return e.over(S, order_by="date")
def ewm(e, a): return e.ewm_mean(alpha=a, adjust=False, ignore_nulls=True)
def after(e, n): return pl.when(pl.int_range(pl.len()) >= n - 1).then(e)
def mean(e, n): return e.rolling_mean(n)
def half(n): return (c("high").rolling_max(n) + c("low").rolling_min(n)) / 2
o, h, l, x, v = c("open"), c("high"), c("low"), c("close"), c("volume")
prev, diff = x.shift(1), x.diff()
tr = pl.max_horizontal(h - l, (h - prev).abs(), (l - prev).abs())
up, dn = h.diff(), -l.diff()
tp = (h + l + x) / 3
mfv = pl.when(h == l).then(0.0).otherwise(((x - l) - (h - x)) / (h - l) * v)
log = (x / prev).log()
first = dict(
    sma_20=mean(x, 20), sma_60=mean(x, 60), sma_120=mean(x, 120), ema_20=after(ewm(x, 2 / 21), 20), ema_60=after(ewm(x, 2 / 61), 60),
    return_1d=(x / prev - 1) * 100, return_5d=(x / x.shift(5) - 1) * 100, return_20d=(x / x.shift(20) - 1) * 100, log_return_1d=log,
    sd_20=x.rolling_std(20, ddof=0), gain=ewm(pl.when(diff > 0).then(diff).when(diff.is_not_null()).then(0.0), 1 / 14),
    loss=ewm(pl.when(diff < 0).then(-diff).when(diff.is_not_null()).then(0.0), 1 / 14), raw_macd=ewm(x, 2 / 13) - ewm(x, 2 / 27),
    max_14=h.rolling_max(14), min_14=l.rolling_min(14), tenkan=half(9), kijun=half(26), senkou_b=half(52).shift(26), atr=ewm(tr, 1 / 14),
    plus=ewm(pl.when((up > dn) & (up > 0)).then(up).when(up.is_not_null()).then(0.0), 1 / 14),
    minus=ewm(pl.when((dn > up) & (dn > 0)).then(dn).when(dn.is_not_null()).then(0.0), 1 / 14), tp=tp, tp_mean=mean(tp, 20), mfv=mfv,
    obv=(diff.sign() * v).fill_null(0.0).cum_sum(), cmf_20=mfv.rolling_sum(20) / v.rolling_sum(20), adi=mfv.cum_sum(),
    roc_6=(x / x.shift(6) - 1) * 100, roc_12=(x / x.shift(12) - 1) * 100, roc_20=(x / x.shift(20) - 1) * 100,
    vol_10=log.rolling_std(10) * 100, vol_20=log.rolling_std(20) * 100, vol_60=log.rolling_std(60) * 100,
    parkinson=(((h / l).log() ** 2).rolling_mean(20) / (4 * math.log(2))).sqrt() * math.sqrt(252) * 100,
    gk=((0.5 * (h / l).log() ** 2 - (2 * math.log(2) - 1) * (x / o).log() ** 2).rolling_mean(20) * 252).sqrt() * 100,
    rvol_20=v / mean(v, 20), flow=tp * v * tp.diff().sign(),
)
# The mean deviation around each window's own mean has no rolling form of its own.
deviation = pl.sum_horizontal([(c("tp").shift(n) - c("tp_mean")).abs() for n in range(20)]) / 20
fast = 100 * (x - c("min_14")) / (c("max_14") - c("min_14"))
second = dict(
    raw_rsi=100 - 100 / (1 + c("gain") / c("loss")), signal=after(ewm(c("raw_macd"), 2 / 10), 34), slow_k=mean(fast, 3),
    cci_20=(c("tp") - c("tp_mean")) / (0.015 * deviation), plus_di=100 * c("plus") / c("atr"), minus_di=100 * c("minus") / c("atr"),
    positive=pl.when(c("flow") > 0).then(c("flow")).otherwise(0.0).rolling_sum(14), negative=pl.when(c("flow") < 0).then(-c("flow")).otherwise(0.0).rolling_sum(14),
    senkou_a=((c("tenkan") + c("kijun")) / 2).shift(26),
)
third = dict(
    rsi_ema6=after(ewm(c("raw_rsi"), 2 / 7), 20), slow_d=mean(c("slow_k"), 3), cci_signal=after(ewm(c("cci_20"), 2 / 11), 29),
    adx=after(ewm(100 * (c("plus_di") - c("minus_di")).abs() / (c("plus_di") + c("minus_di")), 1 / 14), 28),
    mfi_14=100 - 100 / (1 + c("positive") / c("negative")), rsi_14=after(c("raw_rsi"), 15), macd=after(c("raw_macd"), 26),
    upper=c("sma_20") + 2 * c("sd_20"), lower=c("sma_20") - 2 * c("sd_20"), williams=-100 * (c("max_14") - x) / (c("max_14") - c("min_14")),
    atrp=c("atr") / x * 100, macd_pct=c("raw_macd") / x * 100, envelope_upper=c("sma_20") * 1.03, envelope_lower=c("sma_20") * 0.97,
    vol_ann=c("vol_20") * math.sqrt(252),
)
rows = pl.scan_parquet(folder + "/ds=*/*.parquet", hive_partitioning=True, try_parse_hive_dates=True).rename({"ds": "date"}).sort(S, "date")
for stage in (first, second, third):
    rows = rows.with_columns(**{name: e.over(S) for name, e in stage.items()})
rows.filter(c("date") == pl.lit(day).str.to_date()).sort(S).collect().write_parquet(out, compression="zstd")
durable(out)
"""


def generate(folder, symbols, days):
    """Curated prices: random walks, one partition per weekday."""
    folder.mkdir(parents=True)
    duckdb.sql("select setseed(0.11)")
    dates, day = [], LAST
    while len(dates) < days:
        if day.weekday() < 5:
            dates.append(day)
        day -= datetime.timedelta(days=1)
    duckdb.sql("create or replace table price as select 'S' || lpad(i::varchar, 5, '0') symbol, 5 + random() * 500 p from range(%d) t(i)" % symbols)
    for date in reversed(dates):
        duckdb.sql("update price set p = p * (1 + (random() - 0.5) * 0.04)")
        place = folder / f"ds={date}"
        place.mkdir()
        duckdb.sql(
            f"""copy (select symbol, timestamptz '{date} 00:00:00+00' "timestamp", round(p * (1 + (random() - 0.5) * 0.01), 4) open,
                round(p * 1.012, 4) high, round(p * 0.988, 4) low, round(p, 4) "close", round(p, 4) adjusted_close,
                round(1000 + random() * 1e6, 0) volume from price order by symbol)
                to '{place}/part-00000-bench.parquet' (format parquet, codec zstd)"""
        )


def result(path, names):
    """Rows, and sums of a few columns to four digits: enough to see that the same thing was computed."""
    table = dataset.dataset(path, format="parquet", exclude_invalid_files=False, ignore_prefixes=["_", "."]).to_table(columns=list(names.values()))
    total = lambda column: f"{sum(float(value) for value in table.column(column).to_pylist() if value is not None):.3e}"
    return {"rows": table.num_rows, **{name: total(column) for name, column in names.items()}}


def bench(binary, place, rounds, scale):
    """Compares the two on the same partitions."""
    symbols = int(5000 * scale)
    prices = place / "curated/market/prices"
    generate(prices, symbols, 500)
    ours = [binary, "job", "market-indicators-etl", f"--ds={LAST}", "--prices_curated_bucket=curated", "--prices_prefix=market/prices/"]
    ours += ["--output_bucket=curated", "--output_prefix=market/indicators/", "--domain=market", "--table_name=indicators"]
    ours += ["--schema_fingerprint_s3_uri=s3://artifacts/market/indicators/_schema/latest.json", f"--lookback_days={LOOKBACK}"]
    same = {"sma_20": "sma_20", "rsi_14": "rsi_14", "cci_20": "cci_20", "mfi_14": "mfi_14"}
    compare(
        f"indicators of {symbols} symbols, 500 days",
        [
            Contestant("stepwell", ours, lambda: result(place / "curated/market/indicators" / f"ds={LAST}", same), {"STEPWELL_LAKE": str(place)}),
            Contestant("polars-python", python(POLARS, prices, LAST, place / "polars.parquet"), lambda: result(place / "polars.parquet", same)),
        ],
        rounds,
        place,
    )
