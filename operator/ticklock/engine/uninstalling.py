"""Removing an installation: what it has left in the cluster, and how that is let go.

Promise: no Job that has started is harmed. One that is suspended and never started is taken away by the rule of
un-staging; all others only lose our finalizer, and go on. It may be done again, and beside replicas that still run:
what they make meanwhile is told as left. Not promised: that runs which end from then on are recorded anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from ticklock.domain.errors import Conflict, Refused, Transient
from ticklock.domain.model import JobUid
from ticklock.engine.held import as_staged
from ticklock.engine.unstaging import Fate, unstage
from ticklock.ports import Jobs, JobView, LeaseRecord, Leftover, Remains

log = structlog.get_logger(__name__)

ROUNDS = 5
AT_A_TIME = 8
LOOK_SECONDS = 1.0
_FAILURES = (Transient, Conflict, Refused)


@dataclass(frozen=True, slots=True)
class Left:
    """What is there."""

    jobs: Sequence[JobView]
    """Those that hold a deletion up, or that only a replica would ever start."""
    schedules: Mapping[str, int]
    lease: LeaseRecord | None

    @property
    def clean(self) -> bool:
        """Whether nothing of the installation is left. ScheduledJobs are their users'."""
        return not self.jobs and self.lease is None


@dataclass(slots=True)
class Done:
    """What was done."""

    unstaged: set[JobUid] = field(default_factory=set)
    released: set[JobUid] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """By `namespace/name`, why not."""


@dataclass(slots=True)
class Uninstaller:
    """Looks, and lets go."""

    jobs: Jobs
    remains: Remains
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def look(self) -> Left:
        """Return what is left now."""
        jobs = [job for job in await self.remains.jobs() if job.held or (_waits(job) and not job.deleting)]
        return Left(jobs, await self.remains.schedules(), await self.remains.lease())

    async def renewing(self, lease: LeaseRecord | None) -> bool:
        """Tell whether a replica leads: whether the Lease changes within its duration, as a candidate would see it."""
        if lease is None or not lease.holder:
            return False
        looks = max(1, round(lease.duration / LOOK_SECONDS))
        for _ in range(looks):
            await self.sleep(LOOK_SECONDS)
            seen = await self.remains.lease()
            if seen is None or not seen.holder:
                return False
            if seen.raw.get("spec") != lease.raw.get("spec"):
                return True
        return False

    async def remove(self) -> Done:
        """Let every Job go, until a look finds none; then take the Lease away."""
        done = Done()
        for _ in range(ROUNDS):
            left = await self.look()
            if not left.jobs:
                break
            done.failed.clear()
            await self._let_go(left.jobs, done)
        lease = await self.remains.lease()
        if lease is not None and not done.failed:
            try:
                await self.remains.remove_lease(lease)
            except _FAILURES as error:
                done.failed["the Lease"] = str(error)
        return done

    async def _let_go(self, jobs: Sequence[JobView], done: Done) -> None:
        slots = asyncio.Semaphore(AT_A_TIME)

        async def one(job: JobView) -> None:
            async with slots:
                try:
                    await self._settle(job, done)
                except _FAILURES as error:
                    done.failed[f"{job.namespace}/{job.name}"] = str(error)

        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(one(job))

    async def _settle(self, job: JobView, done: Done) -> None:
        if _waits(job) and job.key is not None:
            fate = await unstage(self.jobs, _NoLedger(), Leftover(job.namespace, job.name, job.uid, job.key))
            if fate is not Fate.LAUNCHED:
                done.unstaged.add(job.uid)
                return
        if not await self.jobs.release(job.namespace, job.name, job.uid):
            raise Conflict("its finalizers change too often")
        done.released.add(job.uid)


class _NoLedger:
    """Where nothing is recorded any more."""

    async def rebuild_launched(self, job: JobView) -> bool:
        """Take note of a Job that turned out to be launched."""
        log.info("job has started, and goes on", job=job.name, namespace=job.namespace)
        return False


def _waits(job: JobView) -> bool:
    """Whether it is ours and never started: not one that its user has suspended in the middle."""
    return job.key is not None and as_staged(job) and job.finished is None
