"""Daily prices compaction: 2,000 small JSON and CSV files, 1 M rows, into one sorted Parquet partition (zstd)."""
import random

import pyarrow.dataset as dataset

from harness import Contestant, compare, python

DS = "2024-12-06"
DAY = "market/prices/interval=1d/data_source=yahoo_finance/year=2024/month=12/day=06"
HEADER = "symbol,timestamp,open,high,low,close,adjusted_close,volume"

POLARS = """
import glob, sys, polars as pl
folder, out = sys.argv[1:3]
columns = {"symbol": pl.String, "timestamp": pl.String, "open": pl.Float64, "high": pl.Float64, "low": pl.Float64,
           "close": pl.Float64, "adjusted_close": pl.Float64, "volume": pl.Float64}
json = pl.scan_ndjson(sorted(glob.glob(folder + "/*.json")), schema=columns)
csv = pl.scan_csv(sorted(glob.glob(folder + "/*.csv")), schema=columns)
rows = pl.concat([json, csv]).with_columns(pl.col("timestamp").str.to_datetime("%+", time_zone="UTC", time_unit="us"))
rows.sort("symbol", "timestamp").sink_parquet(out, compression="zstd")
durable(out)
"""

DUCKDB = """
import sys, duckdb
folder, out = sys.argv[1:3]
columns = "{symbol: 'VARCHAR', timestamp: 'TIMESTAMPTZ', open: 'DOUBLE', high: 'DOUBLE', low: 'DOUBLE', close: 'DOUBLE', adjusted_close: 'DOUBLE', volume: 'DOUBLE'}"
duckdb.sql(f\"\"\"copy (
    select * from read_json('{folder}/*.json', format = 'newline_delimited', columns = {columns})
    union all by name
    select * from read_csv('{folder}/*.csv', header = true, columns = {columns})
    order by symbol, timestamp) to '{out}' (format parquet, codec zstd)\"\"\")
durable(out)
"""


def generate(folder, files, rows):
    """`files` files of `rows` rows each, every second one CSV."""
    folder.mkdir(parents=True)
    chance = random.Random(11)
    for number in range(files):
        symbol = f"S{number:05}"
        price = chance.uniform(5, 500)
        lines = []
        for second in range(rows):
            price *= 1 + chance.gauss(0, 0.0005)
            low, high, last = price * 0.999, price * 1.001, price * chance.uniform(0.9995, 1.0005)
            volume = float(chance.randrange(100, 100_000))
            at = f"{DS}T{9 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00"
            if number % 2:
                lines.append(f"{symbol},{at},{price:.4f},{high:.4f},{low:.4f},{last:.4f},{last:.4f},{volume}")
            else:
                lines.append(
                    f'{{"symbol": "{symbol}", "timestamp": "{at}", "open": {price:.4f}, "high": {high:.4f}, "low": {low:.4f}, '
                    f'"close": {last:.4f}, "adjusted_close": {last:.4f}, "volume": {volume}}}'
                )
        if number % 2:
            lines.insert(0, HEADER)
        (folder / f"{symbol}.{'csv' if number % 2 else 'json'}").write_text("\n".join(lines) + "\n")


def result(path):
    """Rows and sums of what was written, and that it is in order."""
    table = dataset.dataset(path, format="parquet", exclude_invalid_files=False, ignore_prefixes=["_", "."]).to_table()
    symbols = table.column("symbol").to_pylist()
    assert symbols == sorted(symbols), path
    return {"rows": table.num_rows, "volume": sum(table.column("volume").to_pylist())}


def bench(binary, place, rounds, scale):
    """Compares the three on the same files."""
    files = int(2000 * scale)
    generate(place / "raw" / DAY, files, 500)
    folder = place / "raw" / DAY
    ours = [binary, "job", "daily-prices-compaction", f"--ds={DS}", "--raw_bucket=raw"]
    ours += ["--raw_prefix=market/prices/interval=1d/data_source=yahoo_finance/", "--compacted_bucket=curated"]
    ours += ["--compacted_prefix=market/prices/compacted", "--file_type=json", "--domain=market", "--table_name=prices"]
    compare(
        f"compaction of {files} small files",
        [
            Contestant(
                "stepwell",
                ours,
                lambda: result(place / "curated/market/prices/compacted" / f"ds={DS}"),
                {"STEPWELL_LAKE": str(place)},
            ),
            Contestant("polars-python", python(POLARS, folder, place / "polars.parquet"), lambda: result(place / "polars.parquet")),
            Contestant("duckdb", python(DUCKDB, folder, place / "duckdb.parquet"), lambda: result(place / "duckdb.parquet")),
        ],
        rounds,
        place,
    )
