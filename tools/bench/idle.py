"""What a replica uses that has nothing to launch: `python -m tools.bench.idle`, beside the controller manager.

Two replicas on a control plane of its own, and not one ScheduledJob. What they use then they use at any time: the
loops, the watches, the Lease, the looks at the database.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.bench.figures import Measured, Sheet
from tools.bench.page import table
from tools.bench.proc import Program, Usage, usage
from tools.bench.publishing import put
from tools.bench.trial import sleep_until
from tools.devcluster.installation import Installation, Shape

CONTROLLER_MANAGER = "kube-controller-manager"
_SETTLING = 20.0
"""Seconds from the first leader on that do not count: caches fill, and what was compiled late is compiled."""
_MEBIBYTE = 1024 * 1024
_TEXT = """\
Two replicas without a single ScheduledJob; beside them the controller manager of the same cluster, which has nothing to
do either. Memory is the most that was resident; processor time is that of one processor."""


def measure(seconds: float) -> tuple[Usage, Usage]:
    """Return what was used before and after so many seconds of idleness."""
    with Installation(Shape(replicas=2)) as ours:
        ours.wait_leader()
        programs = {f"replica {number}": Program(replica.pid) for number, replica in enumerate(ours.replicas)}
        programs[CONTROLLER_MANAGER] = Program(ours.cluster.controller_manager.pid)
        begin = time.time() + _SETTLING
        sleep_until(begin, lambda: None)
        before = usage(programs)
        sleep_until(begin + seconds, lambda: None)
        return before, usage(programs)


def sheet(before: Usage, after: Usage, seconds: float, command: str) -> Sheet:
    """Return the figures as a sheet. Raises RuntimeError, naming it, where a program ended meanwhile."""
    gone = [name for name in after.cpu if not after.memory[name] or after.cpu[name] < before.cpu[name]]
    if gone:
        raise RuntimeError(f"ended while it was measured: {', '.join(gone)}")
    shares = {name: (after.cpu[name] - before.cpu[name]) / seconds for name in after.cpu}
    rows = tuple(
        (
            name,
            f"{memory / _MEBIBYTE:.0f}",
            _ratio(after.memory, name),
            f"{100 * shares[name]:.1f}",
            _ratio(shares, name),
        )
        for name, memory in after.memory.items()
    )
    titles = ("program", "memory, MiB", "beside it", "processor, %", "beside it")
    measured = Measured.today(command)
    return Sheet("An idle replica", _TEXT, titles, rows, 1, measured)


def _ratio(figures: Mapping[str, float], name: str) -> str:
    other = figures[CONTROLLER_MANAGER]
    return f"{figures[name] / other:.2f}" if other else "-"


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to watch them (default: 120)")
    parser.add_argument("--docs", type=Path, help="where figures.md is, to put it there")
    arguments = parser.parse_args(argv)
    before, after = measure(arguments.seconds)
    command = f"python -m tools.bench.idle --seconds {arguments.seconds:g}"
    found = sheet(before, after, arguments.seconds, command)
    print(table(found.titles, found.rows, words=found.words))
    if arguments.docs:
        put(found, arguments.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
