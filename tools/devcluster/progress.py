"""Progress of long steps: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

_WIDTH = 24
_QUIET_SECONDS = 15.0
_AT_MOST = 0.97  # an estimate is never so good that the bar may claim the end


@dataclass(slots=True)
class Progress:
    """Shows what is being done and for how long.

    On a terminal one line is rewritten with a bar that fills within the expected time. Elsewhere a line is written at
    the start, every 15 seconds, and at the end.
    """

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    tty: bool | None = None
    _what: str = ""
    _expected: float = 0.0
    _began: float = 0.0
    _spoke: float = 0.0

    def __post_init__(self) -> None:
        if self.tty is None:
            self.tty = self.stream.isatty()

    def begin(self, what: str, *, expected: float = 0.0) -> None:
        """Start a step that may take about so many seconds (0: nobody knows)."""
        self._what, self._expected = what, expected
        self._began = self._spoke = time.monotonic()
        self._show(f"{what} …" + (f" (up to {_clock(expected)})" if expected else ""))

    def beat(self) -> None:
        """Say that it still goes on; call it several times a second."""
        now = time.monotonic()
        if self.tty:
            self._show("")
        elif now - self._spoke >= _QUIET_SECONDS:
            self._spoke = now
            self._show(f"{self._what} … {_clock(now - self._began)}")

    def end(self, result: str = "done") -> float:
        """Finish the step; return how many seconds it took."""
        seconds = time.monotonic() - self._began
        self._write(f"{self._what}: {result}, {_clock(seconds)}", newline=True)
        return seconds

    def _show(self, line: str) -> None:
        if not self.tty:
            self._write(line, newline=True)
            return
        elapsed = time.monotonic() - self._began
        self._write(f"{self._bar(elapsed)}{self._what} {_clock(elapsed)}", newline=False)

    def _bar(self, elapsed: float) -> str:
        if not self._expected:
            return ""
        filled = int(_WIDTH * min(elapsed / self._expected, _AT_MOST))
        return f"[{'#' * filled}{'.' * (_WIDTH - filled)}] "

    def _write(self, line: str, *, newline: bool) -> None:
        self.stream.write(("\r\x1b[2K" if self.tty else "") + line + ("\n" if newline else ""))
        self.stream.flush()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
