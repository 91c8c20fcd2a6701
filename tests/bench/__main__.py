"""Jobs beside polars-python, DuckDB and delta-rs on the same files, in one run; and what memory jobs take.

    python tests/bench target/release/stepwell [--only NAME] [--rounds N] [--scale F] [--memory MIB] [--place FOLDER]

Each contestant is a process of its own; what is printed is the wall time of the whole process and its peak memory. Results are
compared before anything is printed. Small scales are for trying the benches out: their figures say nothing.
"""
import argparse
import functools
import pathlib
import tempfile

import compaction
import delta
import fact_sales
import indicators
import marts
import memory
from harness import raise_open_files

BENCHES = {
    "compaction": compaction.bench,
    "delta_write": delta.bench_write,
    "fact_sales": fact_sales.bench,
    "indicators": indicators.bench,
    "marts": marts.bench,
    "z_order": delta.bench_z_order,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path, help="a release build of stepwell")
    names = sorted([*BENCHES, *(f"memory_{chain}" for chain in memory.CHAINS)])
    parser.add_argument("--only", choices=names, action="append", help="this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full amount of data")
    parser.add_argument("--memory", type=int, default=256, help="MiB that jobs of the memory benches are allowed; the data follow")
    parser.add_argument("--place", type=pathlib.Path, help="folder to work in (on a fast disk); default: the system's temporary one")
    arguments = parser.parse_args()
    raise_open_files()
    benches = dict(BENCHES)
    for chain in memory.CHAINS:
        benches[f"memory_{chain}"] = functools.partial(memory.bench, chain, arguments.memory)
    for name in arguments.only or benches:
        with tempfile.TemporaryDirectory(prefix=f"stepwell-bench-{name}-", dir=arguments.place) as place:
            benches[name](arguments.binary.resolve(), pathlib.Path(place), arguments.rounds, arguments.scale)


if __name__ == "__main__":
    main()
