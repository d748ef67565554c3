"""Observer: watches our Jobs and records how they end. The leader's duty."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from ticklock.domain.errors import Refused
from ticklock.domain.model import JobUid
from ticklock.engine.courtesy import Courtesy
from ticklock.engine.endings import ending_of, vanished
from ticklock.engine.loops import timed
from ticklock.failpoints import failpoint
from ticklock.ports import Ending, Jobs, JobView, Ledger, Meter, Wakeups

log = structlog.get_logger(__name__)

_BATCH = 200
_GATHER_SECONDS = 0.05
_HOLD_PAUSE = 0.1


@dataclass(slots=True)
class Observer:
    """Step 7. What has gathered stays until it is written."""

    ledger: Ledger
    jobs: Jobs
    wakeups: Wakeups
    meter: Meter
    courtesy: Courtesy
    monotonic: Callable[[], float] = time.monotonic
    endings: dict[JobUid, Ending] = field(default_factory=dict)
    unstarted: dict[JobUid, JobView] = field(default_factory=dict)
    """Suspended Jobs that somebody deletes: never started, to be let go or staged anew."""
    recorded: set[JobUid] = field(default_factory=set)
    absent: dict[JobUid, JobView] = field(default_factory=dict)

    async def on_change(self, job: JobView, gone: bool) -> None:  # noqa: FBT001 - the port's signature
        """Take one change of a Job."""
        if job.key is None:
            return
        if gone:
            self._gone(job)
        elif job.finished is None and job.deleting and job.suspended:
            self.unstarted[job.uid] = job
        elif job.uid not in self.recorded and (ending := ending_of(job)) is not None:
            self.endings[job.uid] = ending
        else:
            return
        self.wakeups.poke("record")

    def _gone(self, job: JobView) -> None:
        self.absent[job.uid] = job
        self.unstarted.pop(job.uid, None)

    async def step(self) -> float:
        """Write a batch of what has gathered."""
        if self.courtesy.waits():
            return _HOLD_PAUSE
        batch = dict(list(self.endings.items())[:_BATCH])
        if batch:
            await failpoint("before-record")
            with timed(self.meter, "record", self.monotonic):
                await self._record(list(batch.values()))
            await failpoint("after-record")
            for uid in batch:
                self.endings.pop(uid, None)
            self.recorded.update(batch)
            self.wakeups.poke("report")
        for job in list(self.unstarted.values())[:_BATCH]:
            await self._let_go(job)
            self.unstarted.pop(job.uid, None)
        for job in list(self.absent.values())[:_BATCH]:
            await self._confirm_absent(job)
            self.absent.pop(job.uid, None)
            self.recorded.discard(job.uid)
        return _GATHER_SECONDS if self.endings or self.absent or self.unstarted else 0.5

    async def _confirm_absent(self, job: JobView) -> None:
        """Record that a Job is gone. Unless its end is known, read it first: it may only have lost our label."""
        if job.key is None:
            return
        if job.uid not in self.recorded:
            found = await self.jobs.read(job.namespace, job.name)
            if found is not None and found.uid == job.uid:
                return
            if await self.ledger.forget_staged(job.key, job.uid):
                log.info("staged job has vanished; it is made again", job=job.name, namespace=job.namespace)
                self.wakeups.poke("stage")
            elif (ending := vanished(job)) is not None:
                await self._record([ending])
        await self.ledger.absent([job.key])

    async def _record(self, endings: list[Ending]) -> None:
        try:
            await self.ledger.record(endings)
        except Refused:
            if len(endings) == 1:
                log.exception("ending cannot be recorded", run=str(endings[0].key.run_id))
                return
            for ending in endings:
                await self._record([ending])

    async def _let_go(self, job: JobView) -> None:
        """Answer the deletion of a suspended Job: plan its attempt anew, or record the end of a bound one."""
        if job.key is None:
            return
        if await self.ledger.forget_staged(job.key, job.uid):
            log.info("staged job was deleted; it is made again", job=job.name, namespace=job.namespace)
            self.wakeups.poke("stage")
        elif (ending := ending_of(job)) is not None:
            await self.ledger.record([ending])
        row = (await self.ledger.rows([job.key])).get(job.key)
        if row is None or row.job_uid != job.uid:
            await self.jobs.release(job.namespace, job.name, job.uid)
