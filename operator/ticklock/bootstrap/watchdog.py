"""Ends the process when its event loop is stuck: better dead than holding a Lease and claims that nobody works on.

Promise: a loop that makes no turn for the limit, while this process runs, ends it, with a line that says for how long
and where. Not promised: that it is noticed while something holds the interpreter's lock; then nobody answers /healthz
either, and the kubelet restarts the pod.

Only time in which the watching thread itself ran counts. A process that was stopped (SIGSTOP, a frozen node, no
processor time) is not at fault, and its end would mend nothing: when it goes on, its loop finds by its own clocks that
trust and claims have run out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Self

import structlog

from ticklock.ports import Meter

log = structlog.get_logger(__name__)

EXIT_CODE = 70
"""Of a process that the watchdog ended (EX_SOFTWARE of sysexits.h)."""
BEAT_SECONDS = 0.5
_PAUSED_SECONDS = 2.0
"""A gap of the watching thread itself that is worth a line."""
_LAST_WORDS_SECONDS = 3.0
"""How long the last line may take: whoever blocks the loop may hold the log's lock as well."""


@dataclass(slots=True)
class Tally:
    """Decides how long the loop has been stuck. Times are of the watching thread's looks, monotonic."""

    beat: float
    """How often the thread looks."""
    looked_at: float
    beats: int = -1
    stuck: float = 0.0
    paused: float = 0.0
    """How long the thread itself was away before the last look."""

    def look(self, now: float, beats: int) -> float:
        """Take one look; return for how long the loop has not made a turn, as far as was watched."""
        gap, self.looked_at = now - self.looked_at, now
        self.paused = max(gap - self.beat, 0.0)
        self.stuck = self.stuck + min(gap, 2 * self.beat) if beats == self.beats else 0.0
        self.beats = beats
        return self.stuck


def end_process(stuck: float, limit: float, frame: FrameType | None) -> None:
    """Say why, and end the process at once; nothing that is stuck is waited for."""
    where = "".join(traceback.format_stack(frame)) if frame else "unknown"

    def tell() -> None:
        log.critical("event loop is stuck: this replica ends", blocked_s=round(stuck, 1), limit_s=limit, where=where)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    teller.join(_LAST_WORDS_SECONDS)
    os._exit(EXIT_CODE)


@dataclass(slots=True)
class Watchdog:
    """Watches the running loop; use it as a context manager in the loop's thread."""

    limit: float
    meter: Meter
    end: Callable[[float, float, FrameType | None], None] = end_process
    beat: float = BEAT_SECONDS
    _beats: int = 0
    _beaten_at: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _done: threading.Event = field(default_factory=threading.Event)
    _loop_thread: int = 0

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._loop_thread = threading.get_ident()
        self._beaten_at = time.monotonic()
        self._live(asyncio.get_running_loop())
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no longer."""
        self._done.set()
        if self._timer is not None:
            self._timer.cancel()

    def silent(self) -> float:
        """Return how many seconds ago the loop last made a turn."""
        return time.monotonic() - self._beaten_at

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give a sign of life, and another one soon; how late it comes is a measure of the loop's load."""
        self.meter.gauge("event_loop_lag_seconds", max(self.silent() - self.beat, 0.0))
        self._beaten_at = time.monotonic()
        self._beats += 1
        self._timer = loop.call_later(self.beat, self._live, loop)

    def _watch(self) -> None:
        tally = Tally(self.beat, time.monotonic())
        while not self._done.wait(self.beat):
            stuck = tally.look(time.monotonic(), self._beats)
            if tally.paused > _PAUSED_SECONDS:
                log.warning("this process was paused", paused_s=round(tally.paused, 1))
            if stuck >= self.limit:
                self.end(stuck, self.limit, sys._current_frames().get(self._loop_thread))  # noqa: SLF001 - there is no other way to another thread's stack
                return
