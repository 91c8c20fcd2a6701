"""Memory: every job on an input ten times what its statements and the rows it reads may take (`STEPWELL_QUERY_MEMORY_MIB`,
`STEPWELL_READ_MEMORY_MIB`), made from raw data by the jobs themselves, chain by chain.

An input's size is that of its text, or for Parquet that of its rows in memory. The peak is that of the process: the allowance,
and besides it the program, the files being read and written, and what has no allowance.
"""
import pathlib
import shutil

import pyarrow.parquet as parquet

import raw
from harness import limit_memory, run

SHOP = "--bucket-name=shop"
ROOT = "--root=enrichment"
DAY = f"--ds={raw.DS}"


class Step:
    """A job of a chain: its arguments, and the folders it reads."""

    def __init__(self, job, arguments, inputs, about=""):
        self.job, self.arguments, self.inputs, self.about = job, arguments, inputs, about


def ecommerce():
    """Bronze and silver for each table, then gold and the upkeep."""
    tables = ["products", "orders", "order_items"]
    silver = [f"shop/silver/{table}" for table in tables]
    window = [SHOP, f"--date={raw.LAST}"]
    yield from (Step("ecommerce-bronze", [SHOP, f"--table={table}"], [f"shop/raw/{table}"], table) for table in tables)
    yield from (Step("ecommerce-silver", [SHOP, f"--table={table}"], [f"shop/bronze/{table}"], table) for table in tables)
    yield Step("daily-sales", [*window, f"--days-back={raw.DAYS}"], silver[1:])
    for job, inputs in [("product-performance", silver), ("department-analytics", silver), ("customer-insights", silver[1:2])]:
        yield Step(job, [*window, f"--lookback-days={raw.DAYS}"], inputs)
    yield Step("ecommerce-maintenance", [*window, "--layer=silver"], silver)


def fact_sales():
    """Ingestion and compaction; nearly all rows are of one date."""
    paths = ["--processed_path=s3://sales/processed", "--gold_path=s3://sales/gold/fact_sales", "--audit_path=s3://sales/audit"]
    yield Step("fact-sales-ingestion", ["--base_path=s3://sales/"], ["sales/raw"])
    yield Step("gold-fact-sales-compaction", paths, ["sales/processed"])


def enrichment():
    """Silver, gold at once and as a stream, and the upkeep."""
    silver, gold = "enrichment/delta/silver", "enrichment/delta/gold/high_risk_txns"
    yield Step("enrichment-silver", [ROOT], ["enrichment/raw"])
    yield Step("enrichment-gold", [ROOT], [silver])
    yield Step("enrichment-gold-stream", [ROOT, "--trigger=available_now", "--optimize=false", "--max_commits_per_batch=8"], [silver])
    yield Step("enrichment-maintenance", [ROOT, "--tables=high_risk_txns"], [gold])


def star_schema():
    """All ten tables."""
    places = ["--SILVER_BASE=s3://star/silver", "--GOLD_DIM=s3://star/dim", "--GOLD_FACT=s3://star/fact", "--GOLD_MART=s3://star/mart"]
    yield Step("silver-to-gold-star-schema", places, ["star/silver"])
    yield Step("star-schema-verify", places[1:], ["star/dim", "star/fact", "star/mart"])


def daily_prices():
    """One day of bars, from raw objects to curated prices."""
    arguments = [DAY, "--raw_bucket=prices", "--raw_prefix=raw/", "--compacted_bucket=prices", "--compacted_prefix=compacted"]
    arguments += ["--curated_bucket=prices", "--curated_prefix=curated", "--schema_fingerprint_s3_uri=s3://prices/schema/latest.json"]
    arguments += ["--file_type=csv", "--domain=market", "--table_name=prices"]
    yield Step("daily-prices-compaction", arguments, ["prices/raw"])
    yield Step("daily-prices-data-etl", arguments, ["prices/compacted"])


def indicators():
    """One day's indicators of a long window of many symbols."""
    arguments = [DAY, "--domain=market", "--table_name=indicators", "--prices_curated_bucket=window", "--prices_prefix=prices"]
    arguments += ["--output_bucket=window", "--output_prefix=indicators", "--schema_fingerprint_s3_uri=s3://window/schema/latest.json"]
    yield Step("market-indicators-etl", [*arguments, "--benchmark_symbol=S000000007"], ["window/prices"])


# The chain's raw data and its jobs.
CHAINS = {
    "daily_indicators": (raw.window, indicators),
    "daily_prices": (raw.prices, daily_prices),
    "ecommerce": (raw.shop, ecommerce),
    "enrichment": (raw.transactions, enrichment),
    "fact_sales": (raw.sales, fact_sales),
    "star_schema": (raw.star, star_schema),
}


def size_mib(folder):
    """Text as it is; Parquet as its rows are in memory (Arrow), by the first rows of the largest file. Of a Delta table all
    files are counted, also those a later version replaced."""
    folder = pathlib.Path(folder)
    paths = [path for path in folder.rglob("*") if path.is_file() and not any(part[0] in "_." for part in path.relative_to(folder).parts)]
    files = {path: path.stat().st_size for path in paths}
    tables = [path for path in paths if path.suffix == ".parquet"]
    total = sum(size for path, size in files.items() if path.suffix != ".parquet")
    if tables:
        sample = parquet.ParquetFile(max(tables, key=files.get)).read_row_group(0).slice(0, 50_000)
        rows = sum(parquet.read_metadata(path).num_rows for path in tables)
        total += rows * sample.nbytes / max(1, sample.num_rows)
    return total / (1 << 20)


def bench(chain, memory_mib, binary, place, rounds, scale):
    """Runs the chain once; `rounds` has no meaning here."""
    del rounds
    make, steps = CHAINS[chain]
    # A little more than ten times: some of it is left out on the way.
    make(place, int(11 * memory_mib * scale))
    print(f"memory of {chain}, {memory_mib} MiB allowed")
    for step in steps():
        inputs = sum(size_mib(place / folder) for folder in step.inputs)
        log = place / f"{step.job}{step.about}.log"
        environment = {"STEPWELL_LAKE": str(place), "TMPDIR": str(place), **limit_memory(memory_mib)}
        ran = run([binary, "job", step.job, *step.arguments], log, environment)
        result = ran["result"]
        if result["status"] != "SUCCEEDED":
            raise SystemExit(f"{step.job}: {result['status']} {result['code']}: {result['message']}")
        print(
            f"  {step.job + ' ' + step.about:<40}{inputs:>8.0f} MiB in ({inputs / memory_mib:4.1f} x allowed)"
            f"{ran['peak_mib']:>7.0f} MiB peak ({ran['peak_mib'] / memory_mib:4.2f} x allowed){ran['seconds']:>8.1f} s",
            flush=True,
        )
    for folder in place.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
