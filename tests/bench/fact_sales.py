"""fact_sales: 50 M sales rows in 2,000 files, by date; hash and newest row per transaction, beside DuckDB and polars-python.

Everybody is told to stay within 1 GiB where it can be told: stepwell and DuckDB; polars has no such setting. Its MD5 is that of
the plugin `polars-hash`; what it takes with the 64-bit hash of its own, which is less work than the others do, is shown too.
"""
import datetime

import duckdb

from harness import Contestant, compare, limit_memory, python

DATES = 20
FILES = 2000
ROWS = 50_000_000
MEMORY_MIB = 1024

DUCKDB = """
import sys, glob, os, duckdb
processed, out, memory = sys.argv[1:4]
db = duckdb.connect()
db.sql(f"set memory_limit = '{memory}MiB'; set temp_directory = '{out}/spill'; set preserve_insertion_order = false")
for folder in sorted(glob.glob(processed + "/date=*")):
    place = f"{out}/{os.path.basename(folder)}"
    os.makedirs(place, exist_ok=True)
    db.sql(f\"\"\"copy (
        select * exclude newness from (
            select h.*, row_number() over (partition by transaction_id order by coalesce(ingest_ts, now()::timestamp) desc, source_file desc,
                ingest_run_id desc, row_hash desc) newness
            from (select *, md5(concat_ws('||', coalesce(store_id, ''), strftime("timestamp", '%Y-%m-%d %H:%M:%S'), coalesce(item_id, ''),
                coalesce(item_category, ''), quantity::varchar, unit_price::varchar, revenue::varchar, coalesce(payment_method, ''),
                coalesce(customer_id, ''))) row_hash
                from read_parquet('{folder}/*.parquet', hive_partitioning = false)) h)
        where newness = 1 order by transaction_id) to '{place}/part.parquet' (format parquet, codec snappy)\"\"\")
    durable(place + "/part.parquet")
"""

POLARS = """
import sys, glob, os, polars as pl
from polars import col as c
processed, out, hash = sys.argv[1:4]
def text(e): return e.fill_null("")
said = pl.concat_str([text(c.store_id), text(c.timestamp.dt.strftime("%Y-%m-%d %H:%M:%S")), text(c.item_id), text(c.item_category),
    text(c.quantity.cast(pl.String)), text(c.unit_price.cast(pl.String)), text(c.revenue.cast(pl.String)), text(c.payment_method),
    text(c.customer_id)], separator="||")
if hash == "md5":
    import polars_hash  # registers nchash
    said = said.nchash.md5()
else:
    said = said.hash()
for folder in sorted(glob.glob(processed + "/date=*")):
    place = f"{out}/{os.path.basename(folder)}"
    os.makedirs(place, exist_ok=True)
    rows = pl.scan_parquet(folder + "/*.parquet", hive_partitioning=False).with_columns(row_hash=said)
    rows = rows.sort("transaction_id", "ingest_ts", "source_file", "ingest_run_id", "row_hash")
    rows.unique("transaction_id", keep="last", maintain_order=True).sink_parquet(place + "/part.parquet", compression="snappy")
    durable(place + "/part.parquet")
"""


def generate(folder, scale):
    """Files of equal size; every fiftieth row comes a second time in another file of its date."""
    rows = max(1, int(ROWS * scale) // FILES)
    per_date = FILES // DATES
    first = datetime.date(2024, 1, 1)
    for number in range(DATES):
        date = first + datetime.timedelta(days=number)
        place = folder / f"date={date}"
        place.mkdir(parents=True)
        for file in range(per_date):
            start = (number * per_date + file) * rows
            before = max(number * per_date, number * per_date + file - 1) * rows
            duckdb.sql(
                f"""copy (select
                    'T' || lpad((case when i % 50 = 0 then {before} else {start} end + i)::varchar, 12, '0') transaction_id,
                    'S' || (i % 40)::varchar store_id, timestamp '{date} 08:00:00' + interval (i % 36000) second "timestamp",
                    'ITEM' || lpad((hash(i) % 2000)::varchar, 5, '0') item_id,
                    ['Clothing', 'Books', 'Home', 'Sports'][i % 4 + 1] item_category, (i % 9 + 1)::bigint quantity,
                    ((i * 37) % 50000 + 100) / 100.0::double unit_price, round((i % 9 + 1) * (((i * 37) % 50000 + 100) / 100.0), 2)::double revenue,
                    ['Cash', 'Card', 'Transfer'][i % 3 + 1] payment_method, 'c' || (hash(i * 7) % 100000)::varchar customer_id,
                    'run-{file}' ingest_run_id, 'file-{file:05}.csv' source_file, timestamp '{date} 20:00:00' + interval ({file}) second ingest_ts
                    from range({rows}) t(i)) to '{place}/part-{file:05}.parquet' (format parquet, codec snappy)"""
            )
    return rows * FILES


def result(folder, hashed):
    """Rows, revenue, and what all hashes come to together."""
    files = f"'{folder}/date=*/*.parquet'"
    rows, revenue = duckdb.sql(f"select count(*), round(sum(revenue), 0) from read_parquet({files}, hive_partitioning = false)").fetchall()[0]
    before = "lag(transaction_id) over (partition by filename order by file_row_number)"
    files_in_order = f"read_parquet({files}, hive_partitioning = false, filename = true, file_row_number = true)"
    misplaced = f"select count(*) from (select transaction_id < {before} as less from {files_in_order}) where less"
    facts = {"rows": rows, "revenue": revenue, "misplaced": duckdb.sql(misplaced).fetchall()[0][0]}
    if hashed:
        total = duckdb.sql(f"select bit_xor(hash(row_hash)) from read_parquet({files}, hive_partitioning = false)").fetchall()[0][0]
        if HASHES.setdefault("all", total) != total:
            raise SystemExit(f"{folder}: the row hashes are not the same as those of the contestant before")
    return facts


HASHES = {}


def bench(binary, place, rounds, scale):
    """Compares them on the same partitions."""
    processed = place / "processed"
    rows = generate(processed, scale)
    HASHES.clear()
    ours = [binary, "job", "gold-fact-sales-compaction", f"--processed_path={processed}", f"--gold_path={place}/ours/gold/fact_sales"]
    ours += [f"--audit_path={place}/ours/audit", f"--max_partitions={DATES}", "--reprocess=true"]
    compare(
        f"fact_sales of {rows} rows in {FILES} files",
        [
            Contestant("stepwell", ours, lambda: result(place / "ours/gold/fact_sales", True), limit_memory(MEMORY_MIB)),
            Contestant("duckdb", python(DUCKDB, processed, place / "duckdb", MEMORY_MIB), lambda: result(place / "duckdb", True)),
            Contestant("polars-python", python(POLARS, processed, place / "polars", "md5"), lambda: result(place / "polars", True)),
            Contestant("polars, 64 bits", python(POLARS, processed, place / "polars-64", "64"), lambda: result(place / "polars-64", False)),
        ],
        rounds,
        place,
    )
