"""Delta Lake: writing a table and ordering it along a Z-curve, beside delta-rs in Python (`deltalake`) on the same rows.

Write: `enrichment-gold` writes `high_risk_txns` (34 columns, a partition per date) from the rows it has computed; timed by its log
from the first sorted row to the commit. delta-rs writes the same rows, sorted, from a Parquet file compressed with LZ4, timed from
opening it to the commit. Row groups, codec and file size are the same.

Z-order: `enrichment-maintenance` beside `optimize.z_order` and a vacuum, whole processes, each on a fresh copy of the table.
"""
import datetime
import json
import re
import shutil

import duckdb
import pyarrow.parquet as parquet
from deltalake import DeltaTable, WriterProperties, write_deltalake

from harness import Contestant, compare, python, run

ROWS = 2_000_000
DATES = 10
APPENDS = 5
FIRST = datetime.date(2025, 6, 1)
TARGET_FILE_MIB = 128
ROW_GROUP_ROWS = 262_144

WRITE = f"""
import sys, time, pyarrow.dataset as dataset
from deltalake import WriterProperties, write_deltalake
source, out = sys.argv[1:3]
started = time.monotonic()
rows = dataset.dataset(source, format="parquet").scanner(batch_size=8192)
write_deltalake(out, rows.to_reader(), mode="overwrite", partition_by=["event_date"], target_file_size={TARGET_FILE_MIB << 20},
                writer_properties=WriterProperties(compression="SNAPPY", max_row_group_size={ROW_GROUP_ROWS}))
durable_table(out)
print("seconds", time.monotonic() - started)
"""

Z_ORDER = f"""
import sys
from deltalake import DeltaTable, WriterProperties
table = DeltaTable(sys.argv[1])
table.optimize.z_order(["user_id"], target_size=512 << 20,
                       writer_properties=WriterProperties(compression="SNAPPY", max_row_group_size={ROW_GROUP_ROWS}))
table.vacuum(retention_hours=168, dry_run=False)
durable_table(sys.argv[1])
"""

# What a transaction looks like in silver, in the order of its columns.
SILVER = """
    'T' || lpad((i * 7919 % {rows})::varchar, 10, '0') transaction_id,
    timestamptz '{day} 00:00:00+00' + interval (i % 86400) second event_time,
    'U' || lpad((hash(i) % 200000)::varchar, 7, '0') user_id, 'P' || (hash(i + 1) % 5000)::varchar product_id,
    ['Yearly', 'Monthly', 'Basic'][i % 3 + 1] subscription_type, ((hash(i + 2) % 50000 + 100) / 100.0)::double amount,
    'City ' || (i % 500)::varchar "location", 'D' || (hash(i + 3) % 300000)::varchar device_id,
    ['Card', 'Cash', 'Transfer'][i % 3 + 1] payment_method, 'EUR' currency, i % 5 = 0 is_new_user,
    case when i % 9 = 0 then 'R' || (i % 1000)::varchar end referral_code, 'S' || hash(i + 4)::varchar session_id,
    sha256((hash(i) % 60000)::varchar) hash_ip, sha256((hash(i + 5) % 200000)::varchar) hash_card_number,
    '**** **** **** ' || lpad((i % 10000)::varchar, 4, '0') card_number, date '{day}' event_date,
    ['PE', 'DE', 'US', 'IN'][i % 4 + 1] country, 'active' user_status, false missing_user, 'Product ' || (i % 5000)::varchar product_name,
    ['Books', 'Music', 'Sports'][i % 3 + 1] category, 19.99::double price, false missing_product, 29.99::double monthly_cost,
    'low' churn_risk, 12::int plan_duration, false missing_subscription, ['low', 'medium', 'high'][(hash(i + 6) % 3)::int + 1] risk_level,
    (i % 10 + 1)::double risk_score, 'Somewhere' ip_risk_location, false missing_ip, ((hash(i + 2) % 50000 + 100) / 2999.0)::double usage_cost_ratio
"""


def generate(silver, rows):
    """The silver table: for each date some appends, so that it has the many files a table gets by and by."""
    db = duckdb.connect()
    db.sql("set timezone = 'UTC'")
    per_append = max(10, rows // DATES // APPENDS)
    for number in range(APPENDS):
        for date in range(DATES):
            start = (date * APPENDS + number) * per_append
            columns = SILVER.format(rows=per_append * DATES * APPENDS, day=FIRST + datetime.timedelta(days=date))
            table = db.sql(f"select {columns} from range({start}, {start + per_append}) t(i)").to_arrow_table()
            write_deltalake(str(silver), table, mode="append", partition_by=["event_date"])
    return per_append * DATES * APPENDS


def facts(table):
    """Rows and a sum; that they are the same rows, [`same`] looks at."""
    found = DeltaTable(str(table)).to_pyarrow_table(columns=["amount", "is_high_risk_txn"])
    return {"rows": found.num_rows, "amount": round(sum(found.column(0).to_pylist()), 0), "flagged": sum(found.column(1).to_pylist())}


def digest(table):
    """All values of all rows, whatever their order."""
    db = duckdb.connect()
    db.register("t", DeltaTable(str(table)).to_pyarrow_dataset())
    columns = ", ".join(f'"{name}"' for name in DeltaTable(str(table)).to_pyarrow_dataset().schema.names)
    return db.sql(f"select count(*), sum(hash({columns})::hugeint) from t").fetchall()[0]


def same(*tables):
    """Stops unless the tables hold the same rows."""
    digests = [digest(table) for table in tables]
    if len(set(digests)) > 1:
        raise SystemExit(f"not the same rows in {[str(table) for table in tables]}: {digests}")


def written_in(output):
    """Seconds from the first row of `high_risk_txns` to its commit, by the job's log."""
    begun = ended = None
    for line in output.splitlines():
        entry = json.loads(line) if line.startswith('{"timestamp"') else {}
        message = entry.get("message", "")
        if re.match(r"Writing rows to `\S*/high_risk_txns`", message):
            begun = datetime.datetime.fromisoformat(entry["timestamp"])
        if re.match(r"`high_risk_txns`: \d+ row\(s\) at version", message):
            ended = datetime.datetime.fromisoformat(entry["timestamp"])
    return (ended - begun).total_seconds()


def bench_write(binary, place, rounds, scale):
    """The write of the widest gold table."""
    root = place / "enrichment"
    rows = generate(root / "delta/silver", int(ROWS * scale))
    ours, theirs, source = root / "delta/gold/high_risk_txns", place / "python", place / "rows.parquet"
    command, lake = [binary, "job", "enrichment-gold", "--root=enrichment"], {"STEPWELL_LAKE": str(place)}
    # Once beforehand: the rows delta-rs is to write are those the job computes.
    run(command, place / "first.log", lake)
    table = DeltaTable(str(ours)).to_pyarrow_table()
    table = table.select([field.name for field in DeltaTable(str(ours)).schema().fields])
    parquet.write_table(table.sort_by([("event_date", "ascending"), ("user_id", "ascending")]), source, compression="lz4", row_group_size=ROW_GROUP_ROWS)
    del table
    compare(
        f"delta write of {rows} rows, 34 columns, {DATES} partitions",
        [
            Contestant("stepwell", command, lambda: facts(ours), lake, timing=written_in),
            Contestant(
                "deltalake-python",
                python(WRITE, source, theirs),
                lambda: facts(theirs),
                timing=lambda output: float(output.rsplit("seconds ", 1)[1]),
            ),
        ],
        rounds,
        place,
        lambda: same(ours, theirs),
    )


def bench_z_order(binary, place, rounds, scale):
    """Z-order and vacuum of the widest gold table, delivered in many files."""
    root = place / "enrichment"
    rows = generate(root / "delta/silver", int(ROWS * scale))
    lake = {"STEPWELL_LAKE": str(place)}
    run([binary, "job", "enrichment-gold", "--root=enrichment"], place / "first.log", lake)
    ours, theirs, pristine = root / "delta/gold/high_risk_txns", place / "python", place / "pristine"
    # The same rows again, append by append, in no order.
    db = duckdb.connect()
    gold = DeltaTable(str(ours))
    names = [field.name for field in gold.schema().fields]
    db.register("t", gold.to_pyarrow_dataset())
    for number in range(APPENDS):
        part = db.sql(f"select {', '.join(names)} from t where hash(transaction_id) % {APPENDS} = {number} order by hash(transaction_id)")
        write_deltalake(str(pristine), part.to_arrow_table(), schema_mode=None, mode="append", partition_by=["event_date"],
                        writer_properties=WriterProperties(compression="SNAPPY"))

    def fresh(table):
        def prepare():
            shutil.rmtree(table, ignore_errors=True)
            shutil.rmtree(root / "checkpoints", ignore_errors=True)
            shutil.copytree(pristine, table)
        return prepare

    command = [binary, "job", "enrichment-maintenance", "--root=enrichment", "--tables=high_risk_txns"]
    compare(
        f"z-order of {rows} rows, {DATES} partitions of {APPENDS} files",
        [
            Contestant("stepwell", command, lambda: facts(ours), lake, prepare=fresh(ours)),
            Contestant("deltalake-python", python(Z_ORDER, theirs), lambda: facts(theirs), prepare=fresh(theirs)),
        ],
        rounds,
        place,
        lambda: (same(ours, theirs), ordered(ours), ordered(theirs)),
    )


def ordered(table):
    """Stops unless each file is ordered by the one column, which is what a Z-curve through one column comes to."""
    for file in DeltaTable(str(table)).file_uris():
        users = parquet.read_table(file.removeprefix("file://"), columns=["user_id"], partitioning=None).column(0).to_pylist()
        if users != sorted(users):
            raise SystemExit(f"{file} is not ordered by user_id")
