#!/usr/bin/env python3
"""Runs the recorded Step Functions cases against this build, on a Postgres of its own, and holds it to a threshold.

    conformance.py --cases ../shared/conformance [--binary target/debug/stepwell] [--json results.json]

The folder given holds `run.py` and `cases/`. Level a (same status and result as AWS) must reach --min-a percent in every
area of AREAS, counting the cases that do not use JSONata. Exit status: 0 reached, 1 missed, 2 could not run.

Needs boto3: start it with the python of the folder that `tests/support/venv.sh` prints.
"""
import argparse
import collections
import contextlib
import glob
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

AREAS = ["base", "choice", "intrinsics", "scenarios", "errorhandling", "activities", "api"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


class CannotRun(Exception):
    """What is missing, and the remedy."""


def postgres_folder():
    """The folder with initdb and postgres, the newest one installed."""
    folders = [shutil.which("postgres")] + glob.glob("/usr/lib/postgresql/*/bin/postgres")
    folders = {os.path.dirname(os.path.realpath(path)) for path in folders if path}
    folders = [folder for folder in folders if os.path.exists(os.path.join(folder, "initdb"))]
    if not folders:
        raise CannotRun("no Postgres found: run tests/support/setup.sh")

    def version(folder):
        return int(re.search(r"(\d+)(?:\.\d+)?\s*(?:\(|$)", output([f"{folder}/postgres", "--version"]).strip()).group(1))

    return max(folders, key=version)


def output(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def private_postgres(fsync="off"):
    """A server on a Unix socket in a folder of its own; gone afterwards. Without fsync where only answers matter."""
    binaries = postgres_folder()
    with tempfile.TemporaryDirectory(prefix="stepwell-pg-", dir="/tmp") as folder:
        account = {}
        if os.geteuid() == 0:
            # Postgres refuses to run as root.
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                user = pwd.getpwnam("nobody")
            account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = os.path.join(folder, "data")
        with open(os.path.join(folder, "log"), "w") as log:
            made = subprocess.run(
                [f"{binaries}/initdb", "-D", data, "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"],
                stdout=log, stderr=log, cwd="/", **account)
            if made.returncode:
                raise CannotRun(f"initdb failed:\n{open(log.name).read()[-2000:]}")
            server = subprocess.Popen(
                [f"{binaries}/postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", f"fsync={fsync}"],
                stdout=log, stderr=log, cwd="/", **account)
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            ready = [f"{binaries}/pg_isready", "-h", folder, "-q"]
            while subprocess.run(ready).returncode:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise CannotRun(f"Postgres did not start:\n{open(log.name).read()[-2000:]}")
                time.sleep(0.1)
            yield f"postgres://postgres@localhost/postgres?host={folder}"
        finally:
            # SIGINT is Postgres's fast shutdown.
            stop(server, signal.SIGINT)


@contextlib.contextmanager
def stepwell(binary, database_url):
    """`stepwell serve` on a free port; yields its address."""
    with tempfile.TemporaryDirectory(prefix="stepwell-conformance-") as folder:
        machines = os.path.join(folder, "state-machines")
        os.mkdir(machines)
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--database-url", database_url, "--data", folder,
                   "--state-machines", machines]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)
        lines = collections.deque(maxlen=40)
        found = threading.Event()
        address = []

        def read():
            for line in server.stderr:
                lines.append(line)
                match = re.search(r"Listening at (http://[\d.:]+)", line)
                if match and not address:
                    address.append(match.group(1))
                    found.set()
            found.set()

        threading.Thread(target=read, daemon=True).start()
        try:
            if not found.wait(START_SECONDS_MAX) or not address:
                raise CannotRun(f"the server did not start:\n{''.join(lines)}")
            yield address[0]
            if server.poll() is not None:
                raise CannotRun(f"the server ended with {server.returncode}:\n{''.join(lines)}")
        finally:
            stop(server, signal.SIGTERM)


def stop(process, how):
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def jsonata_cases(folder):
    """The (area, name) of every case whose file mentions JSONata."""
    found = set()
    for area in AREAS:
        for path in (folder / "cases" / area).glob("*.json"):
            text = path.read_text()
            if "JSONata" in text:
                case = json.loads(text)
                found.add((case["area"], case["name"]))
    return found


def judge(results, jsonata, min_a):
    """Prints the table; True if every area reaches the threshold."""
    good = True
    print(f"\n{'area':15s} {'cases':>6s} {'level a':>8s} {'':>6s}   not counted")
    rows = [(area, [r for r in results if r["area"] == area]) for area in AREAS]
    rows.append(("all", results))
    for name, all_of_them in rows:
        counted = [r for r in all_of_them if not r.get("skipped") and (r["area"], r["name"]) not in jsonata]
        passed = sum(bool(r["a"]) for r in counted)
        percent = 100 * passed / len(counted) if counted else 0.0
        reached = bool(counted) and percent >= min_a
        good &= reached
        print(f"{name:15s} {len(counted):6d} {passed:8d} {percent:5.1f}%   {len(all_of_them) - len(counted):3d}"
              f"{'' if reached else f'   BELOW {min_a:g} %'}")
    return good


def main():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=pathlib.Path, required=True, help="folder with run.py and cases/")
    parser.add_argument("--binary", type=pathlib.Path, default=target / "debug" / "stepwell")
    parser.add_argument("--min-a", type=float, default=85, help="percent (85)")
    parser.add_argument("--json", type=pathlib.Path, help="keep the runner's results here")
    args = parser.parse_args()
    args.cases = args.cases.resolve()
    if not (args.cases / "run.py").exists():
        raise CannotRun(f"there is no run.py in {args.cases}")
    if not args.binary.exists():
        raise CannotRun(f"there is no {args.binary}: use `make conformance`, which builds it")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stepwell-results-")))
        kept = args.json.resolve() if args.json else folder / "results.json"
        url = stack.enter_context(private_postgres())
        address = stack.enter_context(stepwell(args.binary.resolve(), url))
        command = [sys.executable, args.cases / "run.py", "--endpoint", address, "--no-mocks", "--json", kept]
        for area in AREAS:
            command += ["--only", f"{area}/*"]
        ran = subprocess.run(command)
        if ran.returncode:
            raise CannotRun(f"run.py ended with {ran.returncode}")
        results = json.loads(kept.read_text())["results"]
    return 0 if judge(results, jsonata_cases(args.cases), args.min_a) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotRun as error:
        print(f"conformance: {error}", file=sys.stderr)
        sys.exit(2)
