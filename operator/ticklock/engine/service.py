"""One replica: all its duties under one supervisor.

A duty that dies ends the process loudly; a stop lets running steps finish, gives claims and Lease back, and then ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from ticklock.domain.errors import Transient, Unready
from ticklock.domain.reasons import Reason
from ticklock.engine.dispatcher import Dispatcher
from ticklock.engine.gatekeeper import Gatekeeper
from ticklock.engine.leadership import Leadership
from ticklock.engine.loops import Loop, Step, Stop
from ticklock.engine.planner import Planner
from ticklock.engine.sentinel import FirstLook
from ticklock.engine.stager import Stager
from ticklock.ports import LeaseMark, Ledger, Meter, Pulse, Wakeups

log = structlog.get_logger(__name__)

PULSE_SECONDS = 0.5
_LEADERLESS_SECONDS = 2.0
_GAP_SECONDS = 5.0
"""Without a beat for so long, what a leader has stored is no longer taken for what there is: it costs a full list."""
_LAST_MARKS_SECONDS = 5.0
_PAST_DUE_SECONDS = 0.05

Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Heart:
    """The replica's heartbeat, and what it learned with the last one."""

    ledger: Ledger
    meter: Meter
    leading: Callable[[], bool] = lambda: False
    """Whether this replica leads and has stored every object as it stands."""
    lease: Callable[[], LeaseMark | None] = lambda: None
    """Where the Lease stands, if this replica holds it."""
    on_leader: Callable[[], None] = lambda: None
    """Called while somebody leads: edits are being stored."""
    on_gap: Callable[[], None] = lambda: None
    """Called before the first beat after a while without one: the process was paused, or the database away."""
    monotonic: Callable[[], float] = time.monotonic
    last: Pulse | None = None
    beaten_at: float | None = None
    failing_since: float | None = None
    cause: str | None = None

    async def step(self) -> float:
        """Beat once."""
        if self.beaten_at is not None and self.monotonic() - self.beaten_at > _GAP_SECONDS:
            self.on_gap()
        try:
            self.last = await self.ledger.pulse(leading=self.leading(), lease=self.lease())
        except (Transient, Unready) as error:
            self.failing_since = self.failing_since or self.monotonic()
            self.cause = str(error)
            self.meter.gauge("can_launch", 0, reason=Reason.DATABASE_UNAVAILABLE.value)
            raise
        self.beaten_at, self.failing_since, self.cause = self.monotonic(), None, self.last.quarantined
        if self.last.leaderless_seconds < _LEADERLESS_SECONDS:
            self.on_leader()
        self._meter(self.last)
        return PULSE_SECONDS

    def _meter(self, pulse: Pulse) -> None:
        self.meter.gauge("planned", pulse.planned)
        self.meter.gauge("due", pulse.due)
        self.meter.gauge("overdue_seconds", pulse.overdue_seconds)
        reason = "" if pulse.quarantined is None else _reason(pulse.quarantined)
        self.meter.gauge("can_launch", float(not reason), reason=reason)
        self.meter.gauge("quarantine", float(reason == Reason.QUARANTINE))
        self.meter.gauge("clock_step", float(reason == Reason.CLOCK_STEP))

    def next_due(self) -> float:
        """Seconds until the next planned attempt is due, as far as the last beat knew."""
        if self.last is None or self.last.next_due_in is None or self.beaten_at is None:
            return PULSE_SECONDS
        left = self.beaten_at + self.last.next_due_in - self.monotonic()
        return left if left > 0 else _PAST_DUE_SECONDS

    def quarantined(self) -> str | None:
        """Return why nothing may be decided for fear of lost commits, as the last beat saw it."""
        cause = self.last.quarantined if self.last else None
        return None if cause is None or _reason(cause) is Reason.CLOCK_STEP else cause


def _reason(cause: str) -> Reason:
    return Reason.CLOCK_STEP if cause.startswith(Reason.CLOCK_STEP) else Reason.QUARANTINE


@dataclass(slots=True)
class Replica:
    """Everything a replica runs."""

    ledger: Ledger
    wakeups: Wakeups
    meter: Meter
    stop: Stop
    heart: Heart
    planner: Planner
    stager: Stager
    dispatcher: Dispatcher
    leadership: Leadership
    elect: Callable[[Work, Stop], Coroutine[Any, Any, None]]
    """Runs the election; calls back for each term."""
    first_look: FirstLook
    gatekeeper: Gatekeeper | None = None
    """None where no pod is held back."""
    background: list[Work] = field(default_factory=list)
    """Hints and whatever else runs until cancelled."""
    grace: timedelta = timedelta(seconds=25)
    beats: dict[str, float] = field(default_factory=dict)
    """When each duty last made a step."""
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    """A number from 0 to 1, for jitter."""

    async def run(self) -> None:
        """Run until asked to stop; then finish what is bound, give everything back, and return."""
        await self.first_look.look(self.stop)
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(work()) for work in self.background]
            binders = [
                group.create_task(self._loop("dispatcher", self.dispatcher.step, "dispatch").run(), name="dispatcher"),
                group.create_task(self._loop("rescuer", self.dispatcher.rescue).run(), name="rescuer"),
            ]
            duties = [
                *binders,
                group.create_task(self._loop("heart", self.heart.step).run(), name="heart"),
                group.create_task(self._loop("planner", self.planner.step, "plan").run(), name="planner"),
                group.create_task(self._loop("stager", self.stager.step, "stage").run(), name="stager"),
                group.create_task(self.dispatcher.run_launchers(), name="launchers"),
                group.create_task(self.elect(self._lead, self.stop), name="elector"),
            ]
            if (keeper := self.gatekeeper) is not None:
                duties.append(group.create_task(self._loop("gatekeeper", keeper.step, "gate").run(), name="gatekeeper"))
            marker = group.create_task(self._mark(), name="marker")
            await self.stop.event.wait()
            log.info("stopping", grace_s=self.grace.total_seconds())
            await asyncio.wait(binders, timeout=self.grace.total_seconds())
            self.dispatcher.closing.set()
            await asyncio.wait(duties, timeout=self.grace.total_seconds())
            for task in (*duties, *helpers):
                task.cancel()
            await asyncio.wait([marker], timeout=_LAST_MARKS_SECONDS)
            marker.cancel()
        await self._give_back()
        log.info("stopped")

    async def _lead(self) -> None:
        await self.leadership.lead(self.stop)

    async def _mark(self) -> None:
        """Write marks until everything that was bound here is launched and marked, also while stopping."""
        loop = Loop("marker", self.dispatcher.mark, self.meter, Stop(), monotonic=self.monotonic, chance=self.chance)
        while not (self.stop and self.dispatcher.idle):  # noqa: ASYNC110 - each round is work, not a look
            await asyncio.sleep(await loop.once())

    async def _give_back(self) -> None:
        try:
            await asyncio.wait_for(self.ledger.give_back(), 5)
        except (Transient, TimeoutError) as error:
            log.warning("claims could not be given back; they run out by themselves", cause=str(error))

    def _loop(self, name: str, step: Step, channel: str | None = None) -> Loop:
        wait = None if channel is None else partial(self.wakeups.wait, channel)
        return Loop(name, step, self.meter, self.stop, wait, self.beats, self.monotonic, self.chance)
