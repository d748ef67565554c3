"""The life of a duty: one step after another until it is told to stop.

A step that fails for a while is repeated with growing pauses; one that fails in a way nobody foresaw is logged and
counted, and after ten times in a row the duty gives up, which ends the process: better dead than silently idle.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from ticklock.domain.errors import Superseded, Transient, Unready
from ticklock.ports import Meter

log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_PATIENCE = 10


@dataclass(slots=True)
class Stop:
    """Tells the duties of this process to come to an end."""

    event: asyncio.Event = field(default_factory=asyncio.Event)

    def __bool__(self) -> bool:
        return self.event.is_set()

    def request(self) -> None:
        """Ask every duty to end after its running step."""
        self.event.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep, or return at once when asked to stop."""
        # Not wait_for, which may swallow a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.event.wait()


@contextmanager
def timed(meter: Meter, operation: str, monotonic: Callable[[], float]) -> Iterator[None]:
    """Observe how long a transaction that decides takes, successful or not."""
    began = monotonic()
    try:
        yield
    finally:
        meter.observe("claim_seconds", monotonic() - began, operation=operation)


Step = Callable[[], Awaitable[float]]
"""Does one piece of work and returns how many seconds may pass before the next; 0 means: there is more."""


@dataclass(slots=True)
class Loop:
    """Runs one duty's step again and again."""

    name: str
    step: Step
    meter: Meter
    stop: Stop
    wait: Callable[[float], Awaitable[None]] | None = None
    """How to pass the time between steps; may return early on a hint."""
    beats: dict[str, float] = field(default_factory=dict)
    """When each duty last made a step, by the monotonic clock; shared by the loops of a replica."""
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    """A number from 0 to 1, for jitter."""
    failures: int = 0
    unforeseen: int = 0

    async def run(self) -> None:
        """Run until stopped. Superseded leaves at once: somebody else has this duty now."""
        self.meter.count("duty_errors_total", 0, duty=self.name)  # there from the start: a rate needs a first value
        while not self.stop:
            pause = await self.once()
            self.beats[self.name] = self.monotonic()
            if pause > 0 and not self.stop:
                await self._pass(pause)
            else:
                await asyncio.sleep(0)

    async def once(self) -> float:
        """Do one step; return the seconds to pass before the next."""
        try:
            pause = await self.step()
        except Exception as error:
            match gist(error):
                case Transient() | Unready() as awaited:
                    return self._failed(str(awaited), getattr(awaited, "retry_after", None))
                case Superseded() as over:
                    raise over from error
            log.exception("duty failed", duty=self.name, in_a_row=self.unforeseen + 1)
            if self._exhausted():
                raise
            return _LONGEST_PAUSE
        if self.failures:
            log.info("duty works again", duty=self.name, after_failures=self.failures)
        self.failures = self.unforeseen = 0
        self.meter.touch("duty_last_success_timestamp_seconds", duty=self.name)
        return pause

    def _failed(self, cause: str, retry_after: float | None) -> float:
        self.failures += 1
        self.meter.count("duty_errors_total", duty=self.name)
        if self.failures in {1, 10} or self.failures % 100 == 0:
            log.warning("duty has to wait", duty=self.name, cause=cause, failures=self.failures)
        pause: float = min(_FIRST_PAUSE * 2 ** min(self.failures, 10), _LONGEST_PAUSE)
        return max(pause * (0.5 + self.chance() / 2), retry_after or 0.0)

    def _exhausted(self) -> bool:
        """Count a failure nobody foresaw; tell whether to give up."""
        self.unforeseen += 1
        self.meter.count("duty_errors_total", duty=self.name)
        return self.unforeseen >= _PATIENCE

    async def _pass(self, seconds: float) -> None:
        if self.wait is None or self.failures:
            await self.stop.sleep(seconds)
        else:
            await self.wait(seconds)


def gist(error: Exception) -> Exception:
    """Return what matters of a step's failure: of several that failed at once, the one that is least expected."""
    if not isinstance(error, ExceptionGroup):
        return error
    return max((gist(one) for one in error.exceptions), key=_surprise)


def _surprise(error: Exception) -> int:
    match error:
        case Transient() | Unready():
            return 0
        case Superseded():
            return 1
        case _:
            return 2
