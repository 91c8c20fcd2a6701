"""Jobs beside polars-python and DuckDB on the same files, in one run.

    python tests/bench target/release/stepwell [--only NAME] [--rounds N] [--scale F] [--place FOLDER]

Each contestant is a process of its own; what is printed is the wall time of the whole process and its peak memory. Results are
compared before anything is printed.
"""
import argparse
import pathlib
import tempfile

import compaction
import fact_sales
import indicators
from harness import raise_open_files

BENCHES = {"compaction": compaction.bench, "fact_sales": fact_sales.bench, "indicators": indicators.bench}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path, help="a release build of stepwell")
    parser.add_argument("--only", choices=sorted(BENCHES), action="append", help="this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full amount of data")
    parser.add_argument("--place", type=pathlib.Path, help="folder to work in (on a fast disk); default: the system's temporary one")
    arguments = parser.parse_args()
    raise_open_files()
    for name in arguments.only or BENCHES:
        with tempfile.TemporaryDirectory(prefix=f"stepwell-bench-{name}-", dir=arguments.place) as place:
            BENCHES[name](arguments.binary.resolve(), pathlib.Path(place), arguments.rounds, arguments.scale)


if __name__ == "__main__":
    main()
