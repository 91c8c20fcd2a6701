"""What delta-rs and polars find in the Delta tables given as paths: rows, sums of numbers, dates; one JSON list.

Called by workers/tests/gold/enrichment/readers.rs.
"""

import json
import sys

import deltalake
import polars


def told(frame):
    numbers = [name for name, kind in frame.schema.items() if kind == polars.Float64]
    return {
        "rows": frame.height,
        "columns": frame.columns,
        "sums": {name: frame[name].sum() for name in numbers},
        "dates": sorted({str(date) for date in frame["event_date"].drop_nulls()}),
    }


def read(path):
    table = deltalake.DeltaTable(path)
    rows = deltalake.QueryBuilder().register("t", table).execute("select * from t").read_all()
    return {
        "version": table.version(),
        "partition_columns": table.metadata().partition_columns,
        "last_batch": table.transaction_version("enrichment_gold"),
        "deltalake": told(polars.DataFrame(rows)),
        "polars": told(polars.read_delta(path)),
    }


print(json.dumps([read(path) for path in sys.argv[1:]]))
