"""Runs contestants in processes of their own, in turns, and prints what they took."""
import json
import os
import resource
import statistics
import subprocess
import sys
import time


class Contestant:
    """One way to do the work: a command, and what has to be true of its output afterwards."""

    def __init__(self, name, command, check, environment=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.check = check
        self.environment = dict(os.environ, **(environment or {}))
        self.seconds = []
        self.peak_mib = []
        self.facts = None

    def run(self, log):
        """One run: wall time of the whole process (an engine in Python is started like ours) and its peak memory."""
        started = time.monotonic()
        child = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        # Popen must not wait for a process that is gone already.
        child.returncode = os.waitstatus_to_exitcode(status)
        elapsed = time.monotonic() - started
        if child.returncode != 0:
            raise SystemExit(f"{self.name} ended with {child.returncode}; see {log.name}")
        self.seconds.append(elapsed)
        self.peak_mib.append(usage.ru_maxrss / 1024)
        facts = self.check()
        if self.facts not in (None, facts):
            raise SystemExit(f"{self.name} gave {facts}, before it gave {self.facts}")
        self.facts = facts


def compare(title, contestants, rounds, log_path):
    """Runs everybody `rounds` times, one after the other in each round; the results must be the same for all."""
    with open(log_path, "ab") as log:
        for _ in range(rounds):
            for contestant in contestants:
                contestant.run(log)
    facts = {json.dumps(contestant.facts, sort_keys=True) for contestant in contestants}
    if len(facts) > 1:
        raise SystemExit(f"{title}: not the same result: {[(c.name, c.facts) for c in contestants]}")
    ours = statistics.median(contestants[0].seconds)
    print(f"{title}: {contestants[0].facts}, median of {rounds}")
    for contestant in contestants:
        seconds = statistics.median(contestant.seconds)
        print(
            f"  {contestant.name:<16}{seconds:>9.2f} s  (best {min(contestant.seconds):.2f}, stepwell/this {ours / seconds:.2f})"
            f"{max(contestant.peak_mib):>9.0f} MiB peak"
        )
    sys.stdout.flush()


def python(source, *arguments):
    """A contestant's command: a Python program given as text."""
    return [sys.executable, "-c", source, *arguments]


def limit_memory(mib):
    """Environment under which engines are told how much memory they may take."""
    return {"STEPWELL_QUERY_MEMORY_MIB": str(mib)}


def raise_open_files():
    """Thousands of small files at once need more than the usual limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
