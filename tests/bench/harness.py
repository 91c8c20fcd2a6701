"""Runs contestants in processes of their own, in turns, and prints what they took."""
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys

LAUNCH = pathlib.Path(__file__).with_name("launch.py")

# What stepwell publishes is durable before it is visible; so is what the others write.
PRELUDE = """
import os
def durable(path):
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.close(file)
def durable_table(folder):
    for place, _, names in os.walk(folder):
        for name in names:
            durable(os.path.join(place, name))
        durable(place)
"""


class Contestant:
    """One way to do the work: a command, and what has to be true of its output afterwards.

    `check` gives facts that must be the same for all; `prepare` runs before each run and is not measured; `timing` takes the
    seconds out of what the command printed, where the whole process is not what is compared.
    """

    def __init__(self, name, command, check=dict, environment=None, prepare=None, timing=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.check = check
        self.environment = environment or {}
        self.prepare = prepare
        self.timing = timing
        self.seconds = []
        self.peak_mib = []
        self.facts = None

    def run(self, place):
        """One run, judged."""
        if self.prepare:
            self.prepare()
        ran = run(self.command, place / f"{self.name}.log", self.environment)
        self.seconds.append(self.timing(ran["output"]) if self.timing else ran["seconds"])
        self.peak_mib.append(ran["peak_mib"])
        facts = self.check()
        if self.facts not in (None, facts):
            raise SystemExit(f"{self.name} gave {facts}, before it gave {self.facts}")
        self.facts = facts


def run(command, log, environment):
    """Runs a command to its end: wall seconds of the whole process (an engine in Python is started like ours), peak memory,
    output. A job of ours also says itself what it took, and must not say another peak than the system."""
    report = log.with_suffix(".json")
    with open(log, "wb") as output:
        launched = [sys.executable, "-I", "-S", str(LAUNCH), str(report), *map(str, command)]
        subprocess.run(launched, env=dict(os.environ, **environment), stdout=output, stderr=subprocess.STDOUT, check=True)
    ran = json.loads(report.read_text(encoding="utf-8"))
    ran["output"] = log.read_text(encoding="utf-8", errors="replace")
    if ran["status"] != 0:
        raise SystemExit(f"{' '.join(map(str, command))[:400]} ended with {ran['status']}:\n{ran['output'][-3000:]}")
    if str(command[1]) == "job":
        ran["result"] = json.loads(ran["output"].rstrip().rsplit("\n", 1)[-1])
        said = ran["result"]["metrics"]["peak_memory_bytes"] / (1 << 20)
        if abs(said - ran["peak_mib"]) > 0.05 * ran["peak_mib"] + 2:
            raise SystemExit(f"{command[2]} says its peak was {said:.0f} MiB, the system {ran['peak_mib']:.0f}")
    return ran


def compare(title, contestants, rounds, place, verify=None):
    """Runs everybody `rounds` times, in another order each round; the facts must be the same for all. `verify` looks at what
    all of them have left."""
    for number in range(rounds):
        for turn in range(len(contestants)):
            contestants[(number + turn) % len(contestants)].run(place)
    facts = {json.dumps(contestant.facts, sort_keys=True) for contestant in contestants}
    if len(facts) > 1:
        raise SystemExit(f"{title}: not the same result: {[(c.name, c.facts) for c in contestants]}")
    if verify:
        verify()
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
    return [sys.executable, "-c", PRELUDE + source, *arguments]


def limit_memory(mib):
    """Environment under which a job is told how much memory its statements, and the rows it reads, may take."""
    return {"STEPWELL_QUERY_MEMORY_MIB": str(mib), "STEPWELL_READ_MEMORY_MIB": str(mib)}


def raise_open_files():
    """Thousands of small files at once need more than the usual limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
