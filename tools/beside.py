"""`python -m tools.beside COMMAND + COMMAND`: run commands side by side.

The output of the first is shown as it comes, that of each other whole when all have ended. Fails if any of them does;
none is cut short because another failed. Ctrl-C and SIGTERM end all of them.
"""

import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tools.devcluster.process import Daemon

SEPARATOR = "+"
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 60.0
"""So long one may take to clean up when it is told to end."""


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


def run(commands: Sequence[Sequence[str]], out: TextIO) -> int:
    """Run them in this folder; return 0 if each of them did."""
    with tempfile.TemporaryDirectory() as folder:
        started = [
            Daemon(shlex.join(command), command, Path(folder) / f"{number}.log", cwd=Path.cwd())
            for number, command in enumerate(commands)
        ]
        try:
            for one in started:
                one.start()
            for text in _written(started):
                out.write(text)
                out.flush()
        finally:
            for one in started:
                one.stop(signal.SIGINT, seconds=_GRACE_SECONDS)
        for one in started[1:]:
            out.write(one.log.read_text(errors="replace"))
        return int(any(one.exit_code for one in started))


def _written(started: Sequence[Daemon]) -> Iterator[str]:
    """Yield what the first writes, until all have ended."""
    with started[0].log.open(errors="replace") as log:
        going = True
        while going:
            going = any(one.alive for one in started)
            yield log.read()
            if going:
                time.sleep(_LOOK_SECONDS)


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it starts in the background ignore the first
        signal.signal(number, signal.default_int_handler)  # both end in KeyboardInterrupt, hence in clean-up
    try:
        return run(split(argv), sys.stdout)
    except ValueError as problem:
        print(f"tools.beside: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
