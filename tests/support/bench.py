#!/usr/bin/env python3
"""Run `stepwell bench` on a private Postgres that goes with the run.

    bench.py target/release/stepwell [--executions N] [--clients N] [--workers N] [--seconds N]

All settings but the socket are Postgres's own: fsync and synchronous_commit are on.
"""
import os
import subprocess
import sys

from conformance import CannotRun, private_postgres


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with private_postgres(fsync="on") as url:
            environment = dict(os.environ, STEPWELL_DATABASE_URL=url)
            return subprocess.run([sys.argv[1], "bench", *sys.argv[2:]], env=environment, check=False).returncode
    except CannotRun as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
