"""`python -m tools.beside COMMAND + COMMAND`: run commands side by side, where the machine has room for that.

The first is started at once. Each further one is started when those before it leave half of the processors idle, or
have ended: two that share what one of them needs would be late in everything they do. Where nobody can tell how idle
the processors are (no /proc/stat), they run one after another.

The output of the first is shown as it comes, that of each other whole when all have ended. Fails if any of them does;
none is cut short because another failed. Ctrl-C and SIGTERM end all of them.
"""

import shlex
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tools.devcluster.process import Daemon

SEPARATOR = "+"
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 60.0
"""So long one may take to clean up when it is told to end."""
_ROOM = 0.5
"""The share of idle processors at which another one is started."""
_WINDOW_SECONDS = 30.0
"""Over which that share is taken. What is building up its world looks busier, and is looked at again."""

Idle = Callable[[], float]
"""The share of the processors that was idle since it was asked before, or since the start of the machine."""


def split(words: Sequence[str]) -> list[list[str]]:
    """Return the commands of such a line. Raises ValueError where one of them is empty."""
    commands: list[list[str]] = [[]]
    for word in words:
        if word == SEPARATOR:
            commands.append([])
        else:
            commands[-1].append(word)
    if not all(commands):
        raise ValueError(f"write commands with a {SEPARATOR} between them")
    return commands


def idle_share(path: Path = Path("/proc/stat")) -> Idle:
    """Return what asks the kernel; 0 where it does not tell. The fields: proc(5)."""
    last = (0, 0)

    def ask() -> float:
        nonlocal last
        try:
            ticks = [int(word) for word in path.read_text().split("\n", 1)[0].split()[1:9]]
        except OSError:
            return 0.0
        former, last = last, (ticks[3] + ticks[4], sum(ticks))  # idle, and waiting for a disk
        return (last[0] - former[0]) / max(1, last[1] - former[1])

    return ask


def run(
    commands: Sequence[Sequence[str]], out: TextIO, *, idle: Idle | None = None, window: float = _WINDOW_SECONDS
) -> int:
    """Run them in this folder; return 0 if each of them did."""
    with tempfile.TemporaryDirectory() as folder:
        made = [
            Daemon(shlex.join(command), command, Path(folder) / f"{number}.log", cwd=Path.cwd())
            for number, command in enumerate(commands)
        ]
        try:
            for text in _written(made, idle or idle_share(), window):
                out.write(text)
                out.flush()
        finally:
            for one in made:
                one.stop(signal.SIGINT, seconds=_GRACE_SECONDS)
        for one in made[1:]:
            out.write(one.log.read_text(errors="replace"))
        return int(any(one.exit_code for one in made))


def _written(made: Sequence[Daemon], idle: Idle, window: float) -> Iterator[str]:
    """Start them when there is room; yield what the first writes, until all have ended."""
    started: list[Daemon] = []
    waiting = deque(made)
    made[0].log.touch()
    looked_at = 0.0
    with made[0].log.open(errors="replace") as log:
        while waiting or any(one.alive for one in started):
            over = not any(one.alive for one in started)
            if over or time.monotonic() - looked_at >= window:
                share, looked_at = idle(), time.monotonic()
                if waiting and (over or share >= _ROOM):
                    started.append(waiting.popleft())
                    started[-1].start()
            yield log.read()
            time.sleep(_LOOK_SECONDS)
        yield log.read()


def main(argv: Sequence[str], *, idle: Idle | None = None, window: float = _WINDOW_SECONDS) -> int:
    """Run the command; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it starts in the background ignore the first
        signal.signal(number, signal.default_int_handler)  # both end in KeyboardInterrupt, hence in clean-up
    try:
        return run(split(argv), sys.stdout, idle=idle, window=window)
    except ValueError as problem:
        print(f"tools.beside: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
