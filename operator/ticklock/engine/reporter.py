"""Reporter: tells the cluster what the ledger says. The leader's duty: status, then releases, and Events.

A Job's finalizer comes off only after the object's status bears witness of its run, or the object is gone: so no loss
of the database's commits can make a run that is over look as if it had never been.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from ticklock.domain.errors import Conflict, Refused, Transient
from ticklock.domain.model import RunState
from ticklock.engine.courtesy import Courtesy
from ticklock.engine.notices import Notice, gathered
from ticklock.engine.status import build_status, unchanged
from ticklock.failpoints import failpoint
from ticklock.ports import (
    Events,
    Jobs,
    Ledger,
    Meter,
    ObjectEvent,
    Objects,
    Release,
    Report,
    ScheduleTimes,
    StatusAnswer,
)

log = structlog.get_logger(__name__)

_BATCH = 200
_OUTBOX = 4000
"""Events that are looked at together: what says the same is told as one."""
_TRIES = 4
_UNHURRIED = 0.5
"""Seconds between looks for what nobody waits for."""
_HOLD_PAUSE = 0.1

S = TypeVar("S")
T = TypeVar("T")


@dataclass(slots=True)
class Reporter:
    """Steps 8 and 9."""

    ledger: Ledger
    objects: Objects
    jobs: Jobs
    events: Events
    meter: Meter
    epoch: int
    slots: asyncio.Semaphore
    pause: float
    courtesy: Courtesy
    told: bool = False
    """Whether the metrics tell every object. Those of a term before went with its leader."""
    last: dict[str, StatusAnswer] = field(default_factory=dict)
    """The status each object was seen with last, to save a read before a write."""

    async def step(self) -> float:
        """Write the statuses that are behind."""
        if self.courtesy.waits():
            return _HOLD_PAUSE
        if not self.told:
            await self._tell_all()
        reports = await self.ledger.reports(self.epoch, limit=_BATCH)
        written = await self._each(self._report, reports)
        await self.ledger.reported(self.epoch, [item for item in written if item is not None])
        if reports:
            await failpoint("after-witness-noted")
        return 0.0 if len(reports) == _BATCH else self.pause

    async def release(self) -> float:
        """Take the finalizer off Jobs whose run is witnessed."""
        releases = await self.ledger.releases(self.epoch, limit=_BATCH)
        done = await self._each(self._release, releases)
        await self.ledger.released(self.epoch, [item.key for item in done if item is not None])
        if releases:
            await failpoint("after-release-noted")
        return 0.0 if len(releases) == _BATCH else max(self.pause, _UNHURRIED)

    async def post(self) -> float:
        """Post the Events that wait."""
        if self.courtesy.waits():
            return _HOLD_PAUSE
        waiting = gathered(await self.ledger.outbox(self.epoch, limit=_OUTBOX))
        done = [notice for notice in await self._each(self._post, waiting[:_BATCH]) if notice is not None]
        await self.ledger.posted(self.epoch, [part.id for notice in done for part in notice.parts])
        for notice in done:
            self.meter.count("events_posted_total")
            for part in notice.parts:
                self._count(part)
        return 0.0 if len(waiting) >= _BATCH else max(self.pause, _UNHURRIED)

    async def _tell_all(self) -> None:
        for times in await self.ledger.schedule_times(self.epoch):
            self._meter(times)
        self.told = True

    def _count(self, event: ObjectEvent) -> None:
        if event.state is None or event.ref is None:
            return
        labels = {"namespace": event.ref.namespace, "name": event.ref.name, "reason": event.reason.value}
        self.meter.count("runs_total", state=event.state.value, **labels)
        if event.state is RunState.MISSED:
            self.meter.count("missed_ticks_total", event.ticks, **labels)

    async def _each(self, do: Callable[[S], Coroutine[Any, Any, T]], items: Sequence[S]) -> list[T]:
        async def one(item: S) -> T:
            async with self.slots:
                return await do(item)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
        return [task.result() for task in tasks]

    async def _report(self, report: Report) -> tuple[Report, bool] | None:
        try:
            return report, await self._write(report)
        except (Transient, Conflict, Refused) as error:
            self.meter.count("status_writes_total", outcome="failed")
            log.warning("status cannot be written", schedule=_name(report), cause=str(error))
            self.last.pop(report.ref.uid, None)
            return None

    async def _write(self, report: Report) -> bool:
        """Write until it stands; True where the object shows it, False where the object is gone."""
        for _ in range(_TRIES):
            former = self.last.get(report.ref.uid) or await self.objects.read_status(report.ref)
            if former is None:
                return False
            status = build_status(report, former.status)
            if unchanged(status, former.status):
                self.meter.count("status_writes_total", outcome="unchanged")
                return True
            await failpoint("before-witness")
            try:
                answer = await self.objects.write_status(report.ref, former.resource_version, status)
            except Conflict:
                self.last.pop(report.ref.uid, None)
                continue
            if answer is None:
                self.last.pop(report.ref.uid, None)
                return False
            await failpoint("after-witness")
            self.last[report.ref.uid] = answer
            self.meter.count("status_writes_total", outcome="written")
            self._meter(report)
            return True
        raise Conflict("the object changes faster than its status can be written")

    def _meter(self, report: Report | ScheduleTimes) -> None:
        labels = {"namespace": report.ref.namespace, "name": report.ref.name}
        if report.last_success is not None:
            self.meter.gauge("last_success_timestamp_seconds", report.last_success.timestamp(), **labels)
        if report.witness is not None:
            self.meter.gauge("last_schedule_timestamp_seconds", report.witness.timestamp(), **labels)
        if report.next_time is not None:
            self.meter.gauge("next_schedule_timestamp_seconds", report.next_time.timestamp(), **labels)

    async def _release(self, item: Release) -> Release | None:
        await failpoint("before-release")
        try:
            off = await self.jobs.release(item.namespace, item.job_name, item.job_uid)
        except (Transient, Conflict, Refused) as error:
            log.info("finalizer stays for now", job=item.job_name, cause=str(error))
            return None
        await failpoint("after-release")
        return item if off else None

    async def _post(self, notice: Notice) -> Notice | None:
        reason = notice.event.reason.value
        try:
            await self.events.post(notice.event)
        except Transient as error:
            log.info("event waits", reason=reason, cause=str(error))
            return None
        except Refused as error:
            log.warning("event is refused", reason=reason, cause=str(error))
        return notice


def _name(report: Report) -> str:
    return f"{report.ref.namespace}/{report.ref.name}"
