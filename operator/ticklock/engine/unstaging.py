"""Taking a Job away that must never start.

The DELETE carries the uid and the resourceVersion of a read that showed `suspend: true`, so it cannot hit a Job that
was launched meanwhile. What stands after it is read once more: only if the terminating Job is still suspended did it
never start (a launch that came after our delete starts nothing); otherwise it is a launched run and is recorded as one.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

import structlog

from ticklock.domain.errors import Conflict, Transient
from ticklock.domain.model import JobUid
from ticklock.failpoints import failpoint
from ticklock.ports import Jobs, JobView, Leftover

log = structlog.get_logger(__name__)

_TRIES = 5


class Rebuilds(Protocol):
    """All that this needs of a ledger."""

    async def rebuild_launched(self, job: JobView) -> bool:
        """Note that a Job was launched."""


class Fate(Enum):
    """What became of a Job that was to be taken away."""

    NEVER_STARTED = auto()
    """It is on its way out."""
    LAUNCHED = auto()
    """It turned out to be launched; its row says so."""
    GONE = auto()
    """It was gone before we came. Whether it ever started, nobody saw."""


async def unstage(jobs: Jobs, ledger: Rebuilds, leftover: Leftover) -> Fate:
    """Take one Job away, and tell what became of it.

    Raises Transient where the API server does not say; the janitor comes back to it.
    """
    ours = False
    for _ in range(_TRIES):
        job = await jobs.read(leftover.namespace, leftover.job_name)
        if job is None or job.uid != leftover.job_uid:
            return Fate.NEVER_STARTED if ours else Fate.GONE
        if job.deleting:
            return await _settle(jobs, ledger, job, ours=ours)
        if not job.suspended:
            await ledger.rebuild_launched(job)
            return Fate.LAUNCHED
        await failpoint("before-unstage")
        try:
            await jobs.delete(job, only_if_unchanged=True)
        except Conflict:
            continue
        await failpoint("between-unstage")
        ours = True
        log.info("staged job taken away", job=job.name, namespace=job.namespace, run=_run(job))
    raise Transient(f"Job {leftover.namespace}/{leftover.job_name} changes too often to be taken away")


async def _settle(jobs: Jobs, ledger: Rebuilds, job: JobView, *, ours: bool) -> Fate:
    """Tell a terminating Job that never started from one that did, or may have.

    After our own conditional delete no version of it was ever both unsuspended and alive; a late launch only changes
    how it looks. After somebody else's, an unsuspended Job may have pods before it has a start time.
    """
    if job.suspended or (ours and job.started_at is None):
        await failpoint("before-unstage-release")
        await jobs.release(job.namespace, job.name, job.uid)
        return Fate.NEVER_STARTED
    await ledger.rebuild_launched(job)
    return Fate.LAUNCHED


async def unstage_all(jobs: Jobs, ledger: Rebuilds, leftovers: list[Leftover]) -> None:
    """Take several away; what cannot be reached now is left to the janitor, which finds it by its row."""
    for leftover in leftovers:
        try:
            await unstage(jobs, ledger, leftover)
        except Transient as error:
            log.warning("staged job stays for now", job=leftover.job_name, cause=str(error))


def started(job: JobView, bound: JobUid | None) -> bool:
    """Tell whether a Job runs that its row is not bound to."""
    return not job.suspended and job.uid != bound


def _run(job: JobView) -> str:
    return str(job.key.run_id) if job.key else ""
