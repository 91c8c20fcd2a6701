"""E-commerce marts: the four gold jobs over silver Delta tables (5 M orders, 30 M items, 90 days), each beside the same mart in
polars-python, Delta write included.

The jobs check their input and result (uniqueness, references, recomputed sums) before they publish. `polars-python` only
computes and writes; `polars-checked` counts what the jobs count, too (but for trends and schema), which is the same work.
"""
import datetime

import duckdb
from deltalake import DeltaTable, WriterProperties, write_deltalake

from harness import Contestant, compare, python

LAST = datetime.date(2025, 6, 30)
DAYS = 90
ORDERS = 5_000_000
ITEMS_PER_ORDER = 6
PRODUCTS = 50_000
CUSTOMERS = 1_000_000
DEPARTMENTS = ["Books", "Clothing", "Electronics", "Food", "Garden", "Home", "Music", "Office", "Sports", "Toys"]

POLARS = """
import sys, datetime, polars as pl
from deltalake import WriterProperties
from polars import col as c
silver, out, first, last = sys.argv[1:5]
first, last = pl.lit(first).str.to_date(), pl.lit(last).str.to_date()
orders = pl.scan_delta(silver + "/orders").filter(c.date.is_between(first, last)).select("order_id", "user_id", "total_amount", "date")
items = pl.scan_delta(silver + "/order_items").select("order_id", "product_id", "days_since_prior_order", "reordered")
products = pl.scan_delta(silver + "/products").select(
    "product_id", "department_id", "product_name", department=pl.coalesce("department_standardized", "department"))
def sold():
    # An even share of the order's amount for each item with a known product.
    known = items.join(orders, on="order_id").join(products, on="product_id")
    counts = items.join(products, on="product_id", how="semi").group_by("order_id").agg(items=pl.len())
    return known.join(counts, on="order_id").with_columns(share=c.total_amount / c("items"))
def fifth(rows, *by, descending=False):
    # ntile(5), added to the score: the first parts are one longer where the rows do not divide.
    place, q, r = c.place.cast(pl.Int64), pl.len() // 5, pl.len() % 5
    part = pl.when(place < r * (q + 1)).then(place // (q + 1)).otherwise(r + (place - r * (q + 1)) // q) + 1
    rows = rows.sort(*by, descending=[descending, False]).with_row_index("place")
    return rows.with_columns(score=c.score + part).drop("place")
def write(rows, partition_by, sources):
    rows = rows.with_columns(silver_source_tables=pl.lit(sources), processing_timestamp=pl.lit(datetime.datetime.now(datetime.timezone.utc)),
                             layer=pl.lit("gold")).collect(engine="streaming")
    rows.write_delta(out, mode="overwrite", delta_write_options={
        "partition_by": partition_by, "writer_properties": WriterProperties(compression="SNAPPY", max_row_group_size=262144)})
    durable_table(out)
"""

# What the jobs count before they publish.
CHECKS = """
found = [orders.select(pl.len(), keys=c.order_id.n_unique(), users=c.user_id.null_count(), amounts=c.total_amount.null_count(),
                       low=(c.total_amount <= 0).sum())]
if "order_items" in sources:
    every = pl.scan_delta(silver + "/order_items").select("id", "order_id", "product_id", "reordered", "date")
    scope = every.join(orders.select("order_id", order_date="date"), on="order_id", how="left")
    scope = scope.filter(c.order_date.is_not_null() | c.date.is_between(first, last))
    found.append(scope.select(pl.len(), keys=c.id.n_unique(), products=c.product_id.null_count(), flags=c.reordered.null_count(),
                              misdated=(c.date != c.order_date).sum()))
    unknown = scope.filter(c.order_date.is_null()).join(pl.scan_delta(silver + "/orders").select("order_id"), on="order_id", how="anti")
    found.append(unknown.select(pl.len()))
if "products" in sources:
    found.append(scope.join(products, on="product_id", how="anti").select(pl.len()))
    found.append(products.select(pl.len(), keys=c.product_id.n_unique()))
    kept = every.join(products, on="product_id", how="semi").select("order_id")
    found.append(orders.join(kept, on="order_id", how="semi").select(c.total_amount.sum()))
    found.append(kept.join(orders, on="order_id", how="semi").select(pl.len()))
elif "order_items" in sources:
    found.append(orders.group_by("date").agg(c.total_amount.sum(), c.order_id.n_unique()))
else:
    found.append(orders.select(c.total_amount.sum(), c.user_id.n_unique()))
print(pl.collect_all(found, engine="streaming"))
"""

PROGRAMS = {
    "daily-sales": """
days = orders.group_by("date").agg(total_sales=c.total_amount.sum().round(2), order_count=c.order_id.n_unique(),
                                   unique_customers=c.user_id.n_unique())
carried = items.join(orders.select("order_id", "date"), on="order_id").group_by("date").agg(items=pl.len())
rows = days.join(carried, on="date", how="left").with_columns(
    avg_order_value=(c.total_sales / c.order_count).round(2), items_per_order=(c("items") / c.order_count).round(2),
    year=c.date.dt.strftime("%Y"), month=c.date.dt.strftime("%m")).drop("items")
write(rows.sort("date"), ["year", "month"], "silver.orders,silver.order_items")
""",
    "product-performance": """
rows = sold().group_by("product_id").agg(
    c.department_id.max(), c.department.max(), c.product_name.max(), total_quantity=pl.len(), total_sales=c.share.sum().round(2),
    reorder_rate=c.reordered.mean().round(4), avg_days_between_orders=c.days_since_prior_order.mean().round(1))
write(rows.sort("product_id"), ["department"], "silver.products,silver.orders,silver.order_items")
""",
    "department-analytics": """
rows = sold().group_by(department=c.department.fill_null("Unknown")).agg(
    department_id=pl.when(c.department_id.n_unique() == 1).then(c.department_id.max()), total_sales=c.share.sum().round(2),
    product_count=c.product_id.n_unique(), customer_count=c.user_id.n_unique(), order_count=c.order_id.n_unique())
rows = rows.with_columns(avg_order_value=(c.total_sales / c.order_count).round(2))
write(rows.sort("department"), ["department"], "silver.products,silver.orders,silver.order_items")
""",
    "customer-insights": """
spent = orders.filter(c.user_id.is_not_null()).group_by("user_id").agg(
    total_spend=c.total_amount.sum().round(2), order_count=c.order_id.n_unique(),
    days_since_last_order=(last - c.date.max()).dt.total_days())
rows = fifth(spent.with_columns(score=0), "days_since_last_order", "user_id", descending=True)
rows = fifth(fifth(rows, "order_count", "user_id"), "total_spend", "user_id")
segment = pl.when(c.score >= 13).then(pl.lit("Champions")).when(c.score >= 10).then(pl.lit("Loyal Customers"))
segment = segment.when(c.score >= 7).then(pl.lit("Potential Loyalists")).when(c.score >= 5).then(pl.lit("At Risk"))
segment = segment.when(c.score == 4).then(pl.lit("Needs Attention")).otherwise(pl.lit("Lost"))
rows = rows.with_columns(
    avg_order_value=(c.total_spend / c.order_count).round(2), customer_segment=segment).drop("score")
write(rows.sort("user_id"), ["customer_segment"], "silver.orders")
""",
}

# The job, its table's key, what must be equal, and what may differ in the last digit: polars rounds halves to even.
DIGITS = {"avg_days_between_orders": 0.1}
MARTS = [
    ("daily-sales", "date", ["order_count", "unique_customers"], ["total_sales", "avg_order_value", "items_per_order"]),
    ("product-performance", "product_id", ["department", "product_name", "total_quantity"],
     ["total_sales", "reorder_rate", "avg_days_between_orders"]),
    ("department-analytics", "department", ["product_count", "customer_count", "order_count"], ["total_sales", "avg_order_value"]),
    ("customer-insights", "user_id", ["order_count", "days_since_last_order", "customer_segment"], ["total_spend", "avg_order_value"]),
]


def generate(silver, scale):
    """The three silver tables; orders and items a commit per day, as their job writes them."""
    db = duckdb.connect()
    db.sql("set timezone = 'UTC'; set preserve_insertion_order = true")
    properties = WriterProperties(compression="SNAPPY", max_row_group_size=262_144)
    tail = "'bench.csv' bronze_source_file, timestamptz '2025-07-01 00:00:00+00' processing_timestamp, 'silver' layer"

    def append(table, sql, partition_by=None):
        rows = db.sql(sql).to_arrow_table()
        write_deltalake(str(silver / table), rows, mode="append", partition_by=partition_by, writer_properties=properties)

    names = ", ".join(f"'{name}'" for name in DEPARTMENTS)
    products, customers = max(10, int(PRODUCTS * scale)), max(10, int(CUSTOMERS * scale))
    append("products", f"""select i::int product_id, (i % {len(DEPARTMENTS)} + 1)::int department_id,
        [{names}][i % {len(DEPARTMENTS)} + 1] department, [{names}][i % {len(DEPARTMENTS)} + 1] department_standardized,
        'Product ' || i product_name, true is_active, {tail} from range({products}) t(i)""")
    per_day = max(20, int(ORDERS * scale) // DAYS)
    for number in range(DAYS):
        day = LAST - datetime.timedelta(days=DAYS - 1 - number)
        start = number * per_day
        order = f"""select ({start} + i)::int order_num, 'O' || lpad(({start} + i)::varchar, 10, '0') order_id,
            (hash({start} + i) % {customers})::int user_id,
            timestamptz '{day} 08:00:00+00' + interval (i % 36000) second order_timestamp,
            ((hash({start} + i + 7) % 50000 + 100) / 100.0)::double total_amount, date '{day}' date"""
        append("orders", f"{order}, (i % 7 + 1)::int day_of_week, 8::int hour_of_day, {tail} from range({per_day}) t(i)", ["date"])
        append("order_items", f"""select ((order_num::bigint * {ITEMS_PER_ORDER}) + j)::int id, order_id, user_id,
            (hash(order_num + j) % 30)::int days_since_prior_order, '2-7_days' days_since_prior_order_bucket,
            (hash(order_num * 31 + j) % {products})::int product_id, (j + 1)::int add_to_cart_order,
            hash(order_num + 3 * j) % 3 = 0 reordered, order_timestamp, date, {tail}
            from ({order} from range({per_day}) t(i)) o, range({ITEMS_PER_ORDER}) s(j)""", ["date"])
    return per_day * DAYS


def checks(program):
    """The checks of a mart with these sources, which its program names where it writes."""
    sources = program.rstrip().rsplit('"', 2)[-2]
    return f'sources = "{sources}"' + CHECKS


def facts(folder):
    """How many rows; [`verify`] compares them one by one."""
    return {"rows": DeltaTable(str(folder)).to_pyarrow_table(columns=[]).num_rows}


def verify(ours, theirs, key, equal, close):
    """Every row of one table is in the other: `equal` columns the same, `close` ones within their last digit."""
    db = duckdb.connect()
    db.register("a", DeltaTable(str(ours)).to_pyarrow_table())
    db.register("b", DeltaTable(str(theirs)).to_pyarrow_table())
    wrong = [f"a.{name} is distinct from b.{name}" for name in equal]
    wrong += [f"not coalesce(abs(a.{name} - b.{name}) < {DIGITS.get(name, 0.01) * 1.01}, false)" for name in close]
    columns = ", ".join(f"a.{name}, b.{name}" for name in [key, *equal, *close])
    sample = db.sql(f"select {columns} from a full join b on a.{key} = b.{key} where {' or '.join(wrong)} limit 5").fetchall()
    if sample:
        raise SystemExit(f"{ours}: rows are not those of polars, such as {sample}")


def bench(binary, place, rounds, scale):
    """Compares job and program, mart by mart."""
    orders = generate(place / "shop/silver", scale)
    first = LAST - datetime.timedelta(days=DAYS - 1)

    def contestant(name, program, folder):
        return Contestant(name, python(program, place / "shop/silver", folder, first, LAST), lambda: facts(folder))

    for job, key, equal, close in MARTS:
        table = job.replace("-", "_")
        ours, theirs = place / f"shop/gold/{table}", place / f"polars/{table}"
        window = "days-back" if job == "daily-sales" else "lookback-days"
        command = [binary, "job", job, "--bucket-name=shop", f"--date={LAST}", f"--{window}={DAYS}"]
        compare(
            f"mart {job} of {orders} orders, {orders * ITEMS_PER_ORDER} items",
            [
                Contestant("stepwell", command, lambda ours=ours: facts(ours), {"STEPWELL_LAKE": str(place)}),
                contestant("polars-python", POLARS + PROGRAMS[job], theirs),
                contestant("polars-checked", POLARS + checks(PROGRAMS[job]) + PROGRAMS[job], theirs),
            ],
            rounds,
            place,
            lambda ours=ours, theirs=theirs, key=key, equal=equal, close=close: verify(ours, theirs, key, equal, close),
        )
