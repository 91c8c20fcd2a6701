"""The star schema computed a second time, by DuckDB and by other means, and compared with what the job wrote.

    star_schema.py SOURCE GOLD

SOURCE holds events.csv, users.csv and transactions.csv; GOLD holds dim/, fact/ and mart/ with the ten tables. Every table
is compared row by row, in order, with names, order and types of its columns. Prints `<table>: n rows, good` per table,
then the figures that people check by hand. Ends with status 1 and what differs otherwise.
"""

import datetime
import json
import math
import pathlib
import sys

import duckdb

SILVER = {
    "events": "event_id user_id ts age country email message name price temperature amount year month day",
    "users": "user_id name email phone city age updated_at year month day",
    "transactions": "tx_id user_id amount status created_at delivered_at email name age year month day",
}
GOLD = {
    "dim_users": ("dim", "user_id s,name s,email s,city s,phone s,age s,updated_at ts"),
    "dim_country": ("dim", "country s"),
    "dim_status": ("dim", "status s"),
    "dim_date": ("dim", "date d,year i32,month i32,day i32,day_of_week s,week_of_year i32,month_name s"),
    "fact_events": (
        "fact",
        "event_id s,user_id s,ts ts,event_date d,country s,user_city s,user_age s,user_email s",
    ),
    "fact_transactions": (
        "fact",
        "tx_id s,user_id s,amount f64,status s,created_at ts,delivered_at ts,tx_date d,user_city s,user_age s,user_email s",
    ),
    "fact_user_activity": (
        "fact",
        "user_id s,date d,events_count i64,transactions_count i64,total_revenue f64,avg_transaction_amount f64",
    ),
    "daily_revenue": (
        "mart",
        "date d,transaction_count i64,total_revenue f64,avg_amount f64,delivered_count i64",
    ),
    "daily_active_users": (
        "mart",
        "date d,event_active_users i64,tx_active_users i64,total_active_users i64",
    ),
    "user_ltv": (
        "mart",
        "user_id s,event_count i64,first_event ts,last_event ts,transaction_count i64,total_revenue f64,ltv f64",
    ),
}
TYPES = {
    "s": "VARCHAR",
    "i32": "INTEGER",
    "i64": "BIGINT",
    "f64": "DOUBLE",
    "d": "DATE",
    "ts": "TIMESTAMP WITH TIME ZONE",
}
# The tables whose rows lie in a folder per date.
PARTITIONED = {"fact_events": "event_date", "fact_transactions": "tx_date"}


def time(text):
    """`to_ts` by Python's own parsers: a time in UTC without saying so, or None."""
    if text is None:
        return None
    text = text.strip()
    for shape in (
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%Y-%m-%dT%H:%M:%S%z",
        "%Y-%m-%dT%H:%M:%S.%f%z",
        "%Y-%m-%d",
    ):
        try:
            found = datetime.datetime.strptime(text, shape)
        except ValueError:
            continue
        return found.astimezone(datetime.timezone.utc).replace(tzinfo=None) if found.tzinfo else found
    return None


def number(text):
    """`to_num`: a finite float, or None."""
    try:
        found = float((text or "").strip().replace(",", ""))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def blank(text):
    return (text or "").strip() or None


def newest(rows, key, when, columns):
    """One row per key: the latest, ties by the greatest row; by a loop instead of a window."""
    kept = {}
    for row in rows:
        if blank(row[key]) is None:
            continue
        # None sorts below everything, also below the empty text.
        moment = time(row[when])
        rank = [(moment is not None, moment or datetime.datetime.min)]
        rank += [(row[name] is not None, row[name] or "") for name in columns]
        at = blank(row[key])
        if at not in kept or rank > kept[at][0]:
            kept[at] = (rank, row)
    return [row for _, row in kept.values()]


def load(db, source):
    """The silver tables, prepared, as `e`, `u` and `t`."""
    raw = {}
    for table, columns in SILVER.items():
        names = columns.split()
        # One of the two, plain or compressed.
        path = next(path for path in (source / f"{table}.csv", source / f"{table}.csv.gz") if path.exists())
        found = db.execute(f"select {', '.join(names)} from read_csv(?, all_varchar = true, nullstr = '')", [str(path)])
        raw[table] = [dict(zip(names, row)) for row in found.fetchall()]
    events = newest(raw["events"], "event_id", "ts", SILVER["events"].split())
    users = newest(raw["users"], "user_id", "updated_at", SILVER["users"].split())
    transactions = newest(raw["transactions"], "tx_id", "created_at", SILVER["transactions"].split())
    db.execute("create table e(id text, usr text, ts timestamp, country text)")
    db.executemany(
        "insert into e values (?, ?, ?, ?)",
        [[blank(r["event_id"]), blank(r["user_id"]), time(r["ts"]), blank(r["country"])] for r in events],
    )
    db.execute("create table u(id text, name text, email text, city text, phone text, age text, seen timestamp)")
    db.executemany(
        "insert into u values (?, ?, ?, ?, ?, ?, ?)",
        [
            [blank(r["user_id"]), r["name"], r["email"], r["city"], r["phone"], r["age"], time(r["updated_at"])]
            for r in users
        ],
    )
    db.execute("create table t(id text, usr text, amount double, status text, made timestamp, brought timestamp)")
    db.executemany(
        "insert into t values (?, ?, ?, ?, ?, ?)",
        [
            [
                blank(r["tx_id"]),
                blank(r["user_id"]),
                number(r["amount"]),
                blank(r["status"]),
                time(r["created_at"]),
                time(r["delivered_at"]),
            ]
            for r in transactions
        ],
    )
    return {
        "rows": {table: len(rows) for table, rows in raw.items()},
        "null_event_ids": sum(blank(row["event_id"]) is None for row in raw["events"]),
    }


EXPECTED = {
    "dim_users": "select id, name, email, city, phone, age, seen from u order by id",
    "dim_country": "select country from e where country is not null group by country order by country",
    "dim_status": "select status from t where status is not null group by status order by status",
    "dim_date": """
        select d, year(d)::int, month(d)::int, day(d)::int, strftime(d, '%a'), strftime(d, '%V')::int, monthname(d)
        from (select ts::date d from e union select made::date from t) where d is not null order by d""",
    "fact_events": """
        select e.id, usr, ts, ts::date, country, city, age, email
        from e left join u on u.id = usr order by ts::date nulls last, e.id""",
    "fact_transactions": """
        select t.id, usr, amount, status, made, brought, made::date, city, age, email
        from t left join u on u.id = usr order by made::date nulls last, t.id""",
    "fact_user_activity": """
        select usr, d, sum(n)::bigint, sum(m)::bigint, coalesce(fsum(amount), 0.0), coalesce(fsum(amount) / count(amount), 0.0)
        from (
            select usr, ts::date d, 1 n, 0 m, null::double amount from e
            union all select usr, made::date, 0, 1, amount from t
        ) where usr is not null and d is not null group by usr, d order by d, usr""",
    "daily_revenue": """
        select made::date d, count(*), coalesce(fsum(amount), 0.0), fsum(amount) / count(amount),
            count(*) filter (status ilike 'delivered')
        from t where made is not null group by d order by d""",
    "daily_active_users": """
        select d, count(distinct usr) filter (k = 'e'), count(distinct usr) filter (k = 't'), count(distinct usr)
        from (select ts::date d, usr, 'e' k from e union all select made::date, usr, 't' from t)
        where d is not null group by d order by d""",
    "user_ltv": """
        select usr, count(*) filter (k = 'e'), min(ts), max(ts), count(*) filter (k = 't'),
            coalesce(fsum(amount), 0.0), coalesce(fsum(amount), 0.0)
        from (
            select usr, 'e' k, ts, null::double amount from e
            union all select usr, 't', null::timestamp, amount from t
        ) where usr is not null group by usr order by usr""",
}


def files(folder, table):
    """The files a reader of `_SUCCESS` takes, and no others."""
    success = json.loads((folder / "_SUCCESS").read_text())
    names = [file["name"] for file in success["files"]]
    here = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.parquet")
        if not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
    }
    if set(names) != here:
        raise SystemExit(f"{table}: _SUCCESS names {sorted(names)}, the folder holds {sorted(here)}")
    return [str(folder / name) for name in names]


def same(one, two):
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-6)
    return one == two and type(one) is type(two)


def compare(db, gold, table):
    place, columns = GOLD[table]
    wanted = [(name, TYPES[kind]) for name, kind in (column.split() for column in columns.split(","))]
    names = files(gold / place / table, table)
    frame = "read_parquet(?, hive_partitioning = false)"
    found = [(row[0], row[1]) for row in db.execute(f"describe select * from {frame}", [names]).fetchall()]
    if found != wanted:
        raise SystemExit(f"{table}: the columns are {found}, expected {wanted}")
    # Python needs one more package for times with a zone; all of them are in UTC.
    plain = ", ".join(f"{name} at time zone 'UTC' as {name}" if kind == TYPES["ts"] else name for name, kind in wanted)
    rows = [row for name in names for row in db.execute(f"select {plain} from {frame}", [[name]]).fetchall()]
    db.execute(f"create table {table} as select {plain} from {frame}", [names])
    expected = db.execute(EXPECTED[table]).fetchall()
    if len(rows) != len(expected):
        raise SystemExit(f"{table}: {len(rows)} rows, expected {len(expected)}")
    for at, (row, want) in enumerate(zip(rows, expected)):
        if len(row) != len(want) or not all(map(same, row, want)):
            raise SystemExit(f"{table}: row {at} is\n  {row}\nexpected\n  {want}")
    if (column := PARTITIONED.get(table)) and any("=" in name for name in names):
        for name in names:
            value = str(db.execute(f"select distinct {column} from {frame}", [[name]]).fetchall()[0][0])
            value = "__HIVE_DEFAULT_PARTITION__" if value == "None" else value
            if pathlib.Path(name).parent.name != f"{column}={value}":
                raise SystemExit(f"{table}: `{name}` holds rows of {value}")
    print(f"{table}: {len(rows)} rows, good")


def main():
    source, gold = (pathlib.Path(path) for path in sys.argv[1:3])
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    said = load(db, source)
    for table in GOLD:
        compare(db, gold, table)
    one = lambda sql: db.execute(sql).fetchone()
    said |= {
        "austin": one("select city from dim_users where user_id = 'U009'")[0],
        "events_without_date": one("select count(*) from fact_events where ts is null")[0],
        "events_without_known_user": one(
            "select count(*) from fact_events where user_id is null or user_id not in (select user_id from dim_users)"
        )[0],
        "dates": [str(value) for value in one("select min(date), max(date) from dim_date")],
        "ltv": round(one("select sum(ltv) from user_ltv")[0], 2),
        "revenue": [one("select sum(transaction_count) from daily_revenue")[0].__int__()]
        + [round(one("select sum(total_revenue) from daily_revenue")[0], 2)],
        "revenue_of_days": {
            str(d): [count, round(total, 2), delivered]
            for d, count, total, delivered in db.execute(
                "select date, transaction_count, total_revenue, delivered_count from daily_revenue"
            ).fetchall()
        },
        "active_of_days": {
            str(d): counts for d, *counts in db.execute("select * from daily_active_users").fetchall()
        },
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
