"""`python -m tools.demo`: what `make demo` runs. DEMO_SECONDS says how long it shows itself."""

import os
import signal
import sys
import time
from pathlib import Path

from rich.console import Console

from tools.demo.stage import Signals, perform
from tools.devcluster.gobuild import BuildError, MissingToolError

_DEFAULT_SECONDS = 120
_SHORTEST = 30
_INTERRUPTED = 130


def main() -> int:
    """Run the demo; return its exit code: 1 if a tick was missing, double or late, 2 for bad input."""
    seconds = demo_seconds(os.environ.get("DEMO_SECONDS", ""))
    if seconds is None:
        print(f"DEMO_SECONDS must be a whole number of seconds, at least {_SHORTEST}; leave it out for "
              f"{_DEFAULT_SECONDS}", file=sys.stderr)  # fmt: skip
        return 2
    signals = Signals()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signals)
    try:
        return perform(Console(), seconds=seconds, age=process_age, signals=signals)
    except KeyboardInterrupt:
        print("interrupted before the first table; everything is removed")
        return _INTERRUPTED
    except (BuildError, MissingToolError) as problem:
        print(problem, file=sys.stderr)
        return 1


def demo_seconds(text: str) -> int | None:
    """Read DEMO_SECONDS; None where it cannot be used."""
    if not text:
        return _DEFAULT_SECONDS
    return int(text) if text.isdecimal() and int(text) >= _SHORTEST else None


def process_age() -> float:
    """Return how many seconds ago this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
