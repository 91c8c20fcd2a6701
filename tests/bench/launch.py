"""Runs one command and writes what it took: `launch.py REPORT COMMAND...`.

A process of its own, and a small one: Linux counts the memory of whoever starts a program into that program's peak, and the
bench itself has large tables in memory.
"""
import json
import os
import sys
import time


def main():
    report, command = sys.argv[1], sys.argv[2:]
    started = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - started
    with open(report, "w", encoding="utf-8") as file:
        json.dump({
            "status": os.waitstatus_to_exitcode(status),
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_mib": usage.ru_maxrss / 1024,
        }, file)


if __name__ == "__main__":
    main()
