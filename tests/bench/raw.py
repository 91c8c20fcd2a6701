"""Raw data as it is delivered, of any size, for the chains of `memory.py`."""
import datetime

import duckdb

DS = datetime.date(2024, 12, 6)
LAST = datetime.date(2025, 6, 30)
DAYS = 30


def connect():
    """A generator's connection."""
    db = duckdb.connect()
    db.sql("set timezone = 'UTC'; set preserve_insertion_order = true")
    return db


def files(db, folder, name, sql, rows, rows_per_file, options):
    """Writes `sql`, which has `{first}` and `{rows}` for the numbers of its rows, in files of equal size."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, first in enumerate(range(0, rows, rows_per_file)):
        count = min(rows_per_file, rows - first)
        numbered = f"(select {first} + r.i as i from range({count}) r(i))"
        db.sql(f"copy ({sql.format(numbers=numbered)}) to '{folder}/{name.format(number)}' ({options})")


def sales(place, mib):
    """Sales of one date, of which every fiftieth comes a second time; and a few of another date."""
    rows = max(1000, mib * (1 << 20) // 83)
    files(
        connect(), place / "sales/raw", "sales_{:04}.csv",
        f"""select 'T' || lpad((case when i % 50 = 0 and i > 0 then i - 1 else i end)::varchar, 12, '0') transaction_id,
            'S' || (i % 40)::varchar store_id, strftime(timestamp '{DS} 08:00:00' + interval (i % 36000) second, '%Y-%m-%d %H:%M:%S') "timestamp",
            'ITEM' || lpad((hash(i) % 2000)::varchar, 5, '0') item_id, ['Clothing', 'Books', 'Home', 'Sports'][i % 4 + 1] item_category,
            i % 9 + 1 quantity, ((i * 37) % 50000 + 100) / 100.0 unit_price, round((i % 9 + 1) * (((i * 37) % 50000 + 100) / 100.0), 2) revenue,
            ['Cash', 'Card', 'Transfer'][i % 3 + 1] payment_method, 'c' || (hash(i * 7) % 100000)::varchar customer_id from {{numbers}}""",
        rows, 500_000, "format csv, header true",
    )


def shop(place, mib):
    """Products, orders and items; nearly all of it is items."""
    db = connect()
    items = max(1000, mib * (1 << 20) // 80)
    orders, csv, root = items // 6, "format csv, header true", place / "shop/raw"
    day = f"(date '{LAST}' - (i % {DAYS})::int)"
    files(db, root / "products", "products_{:04}.csv",
          """select i product_id, i % 10 + 1 department_id, ['books', 'Toy', 'Home', 'Food', 'Tech'][i % 5 + 1] department,
             'Product ' || i::varchar product_name, 1 is_active from {numbers}""", 20_000, 20_000, csv)
    files(db, root / "orders", "orders_{:04}.csv",
          f"""select i order_num, 'O' || lpad(i::varchar, 12, '0') order_id, hash(i) % 500000 user_id, {day}::varchar || 'T10:30:00' order_timestamp,
              (hash(i + 7) % 50000 + 100) / 100.0 total_amount, {day} date from {{numbers}}""", orders, 400_000, csv)
    # Item i is of order i // 6, whose day it has.
    day = f"(date '{LAST}' - (i // 6 % {DAYS})::int)"
    files(db, root / "order_items", "items_{:04}.csv",
          f"""select i id, 'O' || lpad((i // 6)::varchar, 12, '0') order_id, hash(i // 6) % 500000 user_id, hash(i) % 30 days_since_prior_order,
              hash(i * 31) % 20000 product_id, i % 6 + 1 add_to_cart_order, (hash(i * 3) % 2)::int reordered,
              {day}::varchar || 'T10:30:00' order_timestamp, {day} date from {{numbers}}""", orders * 6, 400_000, csv)


def transactions(place, mib):
    """Raw transactions as JSON lines, and the lookups."""
    db, root = connect(), place / "enrichment"
    rows = max(1000, mib * (1 << 20) // 380)
    files(
        db, root / "raw/stream_input", "part_{:04}.json",
        """select 'T' || lpad((case when i % 50 = 0 and i > 0 then i - 1 else i end)::varchar, 12, '0') transaction_id,
            'U' || lpad((hash(i) % 200000)::varchar, 7, '0') user_id, 'P' || (hash(i + 1) % 5000)::varchar product_id,
            ['Yearly', 'Monthly', 'Basic'][i % 3 + 1] subscription_type,
            strftime(timestamp '2025-06-01 00:00:00' + interval (i * 7 % 432000) second, '%Y-%m-%dT%H:%M:%S') event_time,
            (hash(i + 2) % 50000 + 100) / 100.0 amount, 'City ' || (i % 500)::varchar "location", 'D' || (hash(i + 3) % 300000)::varchar device_id,
            ['Card', 'Cash', 'Transfer'][i % 3 + 1] payment_method, 'EUR' currency, i % 5 = 0 is_new_user, 'R' || (i % 1000)::varchar referral_code,
            'S' || hash(i + 4)::varchar session_id, '10.0.' || (hash(i) % 250)::varchar || '.' || (hash(i + 9) % 250)::varchar ip_address,
            lpad((hash(i + 5) % 9999999999999999)::varchar, 16, '4') card_number from {numbers}""",
        rows, 200_000, "format json",
    )
    lookups = root / "lookups"
    lookups.mkdir(parents=True)
    for name, sql in {
        "users_lookup": "select 'U' || lpad(i::varchar, 7, '0') user_id, 'PE' country, 'active' user_status from range(200000) t(i)",
        "products_lookup": "select 'P' || i::varchar product_id, 'Product ' || i::varchar product_name, 'Books' category, 9.99 price from range(5000) t(i)",
        "subscription_plans_lookup": """select unnest(['Yearly', 'Monthly', 'Basic']) subscription_type, 29.99 monthly_cost, 'low' churn_risk,
                                        12 plan_duration""",
        "ip_risk_lookup_with_location_v2": """select sha256('10.0.' || (i // 250)::varchar || '.' || (i % 250)::varchar) ip_hash,
            ['low', 'medium', 'high'][i % 3 + 1] risk_level, i % 10 + 1 risk_score, 'Somewhere' "location" from range(62500) t(i)""",
    }.items():
        db.sql(f"copy ({sql}) to '{lookups}/{name}.csv' (format csv, header true)")


def star(place, mib):
    """Events, users and transactions as silver has them: Parquet by date, every column text."""
    db, root = connect(), place / "star/silver"
    rows = max(1000, mib * (1 << 20) // 180)
    dates = "strftime(date '2025-06-01' + (i % 30)::int, '%Y-%m-%d')"
    calendar = f"'2025' as year, '06' as month, substr({dates}, 9, 2) as day, {dates} event_date"
    person = "'user' || (hash(i) % 200000)::varchar || '@example.org' email, 'Name ' || (i % 5000)::varchar as name, (i % 60 + 18)::varchar age"
    user = "'U' || lpad((hash(i) % 200000)::varchar, 7, '0') user_id"
    for table, count, columns in [
        ("users", min(rows, 200_000), f"""'U' || lpad(i::varchar, 7, '0') user_id, '5550' || i::varchar phone, 'City ' || (i % 500)::varchar city,
            {dates} || ' 10:00:00' updated_at, {person}"""),
        ("events", rows // 2, f"""'E' || lpad(i::varchar, 12, '0') event_id, {user}, {dates} || ' 10:' || lpad((i % 60)::varchar, 2, '0') || ':00' ts,
            ['PE', 'DE', 'US', 'IN'][i % 4 + 1] country, 'message ' || hash(i)::varchar message, '1.5' price, '20' temperature, '3' amount, {person}"""),
        ("transactions", rows // 2, f"""'T' || lpad(i::varchar, 12, '0') tx_id, {user}, ((hash(i) % 50000) / 100.0)::varchar amount,
            ['delivered', 'pending', 'failed'][i % 3 + 1] status, {dates} || ' 11:00:00' created_at, {dates} || ' 12:00:00' delivered_at, {person}"""),
    ]:
        folder = root / table
        folder.mkdir(parents=True)
        db.sql(f"""copy (select {columns}, {calendar} from range({count}) t(i)) to '{folder}' (format parquet, partition_by (event_date),
            overwrite_or_ignore true)""")


def prices(place, mib):
    """Bars of one day as CSV: a row for each symbol, every fiftieth a second one."""
    rows = max(1000, mib * (1 << 20) // 66)
    folder = place / f"prices/raw/year={DS.year}/month={DS.month:02}/day={DS.day:02}"
    files(
        connect(), folder, "bars_{:05}.csv",
        f"""select 'S' || lpad((case when i % 50 = 0 and i > 0 then i - 1 else i end)::varchar, 9, '0') symbol,
            '{DS}T21:00:00+00:00' "timestamp", 100 + i % 7 "open", 110 + i % 5 high, 90 + i % 3 low, 100.25 + i % 5 "close",
            100.25 + i % 5 adjusted_close, (hash(i) % 100000 + 1)::double volume from {{numbers}}""",
        rows, 100_000, "format csv, header true",
    )


def window(place, mib):
    """A hundred days of curated prices, as Parquet sorted by symbol; what is not computed with is left out."""
    db, days = connect(), 100
    symbols = max(100, mib * (1 << 20) // 60 // days)
    for number in range(days):
        day = DS - datetime.timedelta(days=days - 1 - number)
        folder = place / f"window/prices/ds={day}"
        folder.mkdir(parents=True)
        db.sql(f"""copy (select 'S' || lpad(i::varchar, 9, '0') symbol, 100 + (i + {number}) % 7 + 0.5 "open", 110 + (i + {number}) % 5 + 0.5 high,
            90 + (i + {number}) % 3 + 0.5 low, 100.25 + hash(i + {number}) % 5 "close", (hash(i * {number}) % 100000 + 1)::double volume
            from range({symbols}) t(i)) to '{folder}/part-00000-00000000.parquet' (format parquet, row_group_size 262144)""")
