"""Janitor: what was left lying about. The leader's duty, every few seconds.

It acts only on rows that it reads again right before: a suspended Job is taken away only if its row is over, bound to
another Job, or of a newer stage, or if there is none and its tick will not be planned any more. A started Job that its
row is not bound to makes the row say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ticklock.domain.errors import Conflict, Refused, Transient
from ticklock.domain.model import AttemptKey, AttemptState, JobUid
from ticklock.domain.reasons import Reason
from ticklock.engine.endings import ending_of
from ticklock.engine.held import ages
from ticklock.engine.lookup import Lookup
from ticklock.engine.unstaging import started, unstage
from ticklock.ports import Ending, Expected, JobFeed, Jobs, JobView, Ledger, Leftover, Meter, Release, RowView

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3.0
_PRUNE_SECONDS = 60.0
_PARTITION_SECONDS = 3600.0
_BATCH = 200


@dataclass(slots=True)
class Janitor:
    """Leftovers, vanished Jobs, history limits, locks, retention."""

    ledger: Ledger
    jobs: Jobs
    feed: JobFeed
    lookup: Lookup
    meter: Meter
    epoch: int
    prune_after: timedelta
    now: Callable[[], datetime | None]
    """The database's time, estimated."""
    keep_audit: timedelta = timedelta(days=90)
    keep_job_logs: timedelta = timedelta(days=90)
    monotonic: Callable[[], float] = time.monotonic
    next_prune: float = 0.0
    next_partitions: float = 0.0
    settled: set[JobUid] = field(default_factory=set)
    """Jobs that have ended and are released, and whose rows say so: nothing about them changes any more."""
    odd: set[JobUid] = field(default_factory=set)
    """Jobs that contradicted their rows a round ago: the watch and the rows are read at different moments."""

    async def step(self) -> float:
        """One round."""
        await self._compare()
        await self._history()
        await self._missing()
        await self.lookup.look(await self.ledger.suspect_locks(self.epoch))
        await self.ledger.sweep(self.epoch)
        if self.monotonic() >= self.next_prune:
            await self.ledger.prune(self.epoch, older_than=self.prune_after)
            self.next_prune = self.monotonic() + _PRUNE_SECONDS
        if self.monotonic() >= self.next_partitions:
            await self.partitions()
            self.next_partitions = self.monotonic() + _PARTITION_SECONDS
        return EVERY_SECONDS

    async def partitions(self) -> None:
        """Make and drop partitions. What fails here has hours to succeed: meanwhile rows find a place without."""
        try:
            await self.ledger.make_partitions(self.epoch)
            await self.ledger.drop_partitions(self.epoch, audit=self.keep_audit, job_logs=self.keep_job_logs)
        except Transient as error:
            log.info("partitions wait", cause=str(error))
        except Refused as error:
            hint = "run `ticklock migrate` as the owner of the tables each month, or make this role their owner"
            log.warning("partitions cannot be tended", cause=str(error), hint=hint)

    async def _compare(self) -> None:
        """Compare the Jobs as watched with their rows; act on those that contradict each other."""
        standing = self.feed.known()
        self._meter_finalizers([job for job in standing if job.held])
        jobs = [(job.key, job) for job in standing if job.key is not None and job.uid not in self.settled]
        self.settled &= {job.uid for job in standing}
        odd: set[JobUid] = set()
        for start in range(0, len(jobs), _BATCH):
            batch = jobs[start : start + _BATCH]
            rows = await self.ledger.rows([key for key, _ in batch])
            for key, job in batch:
                row = rows.get(key)
                if contradict(job, row):
                    odd.add(job.uid)
                    if job.uid in self.odd:
                        await self._settle(key, job)
                elif job.finished is not None and not job.held and row is not None and not row.state.is_open:
                    self.settled.add(job.uid)
        self.odd = odd

    async def _settle(self, key: AttemptKey, job: JobView) -> None:
        """Read the row again, and the Job with it, before anything is done."""
        row = (await self.ledger.rows([key])).get(key)
        if not contradict(job, row):
            return
        try:
            if runs_again(job, row):
                await self.jobs.delete(job, only_if_unchanged=False)
            if held_again(job, row):
                await self.ledger.release_again(key, job.uid)
            elif started(job, row.job_uid if row else None):
                if row is not None and row.job_uid is not None:
                    self.meter.count("duplicates_total")
                await self.ledger.rebuild_launched(job)
                await self._end(job)
            elif not job.suspended:
                await self._end(job)
            elif row is not None or not await self.ledger.still_owed(job):
                await unstage(self.jobs, self.ledger, Leftover(job.namespace, job.name, job.uid, key))
        except (Transient, Conflict) as error:
            log.info("leftover stays for now", job=job.name, cause=str(error))

    async def _end(self, job: JobView) -> None:
        if (ending := ending_of(job)) is not None:
            await self.ledger.record([ending])

    def _meter_finalizers(self, held: list[JobView]) -> None:
        now = self.now()
        ended = [job.finished_at for job in held if job.finished_at is not None]
        oldest = (now - min(ended)).total_seconds() if now is not None and ended else 0.0
        self.meter.gauge("finalizers_held", len(held))
        self.meter.gauge("finalizer_oldest_seconds", max(oldest, 0.0))
        if now is not None:
            for standing, age in ages(held, now).items():
                self.meter.gauge("finalizer_age_seconds", age, state=standing.value)

    async def _history(self) -> None:
        """Delete released Jobs beyond the history limits."""
        for item in await self.ledger.surplus(self.epoch, limit=_BATCH):
            try:
                await self._delete(item)
            except (Transient, Conflict) as error:
                log.info("old job stays for now", job=item.job_name, cause=str(error))

    async def _delete(self, item: Release) -> None:
        job = await self.jobs.read(item.namespace, item.job_name)
        if job is not None and job.uid == item.job_uid:
            if not job.deleting:
                await self.jobs.delete(job, only_if_unchanged=False)
            return
        await self.ledger.absent([item.key])

    async def _missing(self) -> None:
        """Confirm by a read which expected Jobs are gone, and record that."""
        known = {job.uid for job in self.feed.known()}
        expected = [item for item in await self.ledger.expected_jobs(self.epoch) if item.job.job_uid not in known]
        for item in expected[:_BATCH]:
            try:
                await self._confirm(item)
            except Transient as error:
                log.info("job cannot be confirmed gone", job=item.job.job_name, cause=str(error))

    async def _confirm(self, item: Expected) -> None:
        job = await self.jobs.read(item.job.namespace, item.job.job_name)
        if job is not None and job.uid == item.job.job_uid:
            return
        if item.state.is_open:
            await self.ledger.record([_lost(item)])
        else:
            await self.ledger.absent([item.job.key])


def contradict(job: JobView, row: RowView | None) -> bool:
    """Tell whether a Job and its row cannot both be right, so that something must be done about it."""
    if held_again(job, row) or runs_again(job, row) or started(job, row.job_uid if row else None):
        return True
    if not job.suspended:
        return row is not None and row.job_uid == job.uid and row.state.is_open and ending_of(job) is not None
    if row is None or not row.state.is_open:
        return True
    if row.job_uid is not None:
        return row.job_uid != job.uid
    return job.stage < row.stage


def held_again(job: JobView, row: RowView | None) -> bool:
    """Tell whether our finalizer is on a Job that was released: the cluster was set back to before."""
    return row is not None and row.released and row.job_uid == job.uid and job.held


def runs_again(job: JobView, row: RowView | None) -> bool:
    """Tell whether a Job that was deleted, and recorded as stopped by that, stands as if nobody had deleted it.

    Under Replace its successor may be at work by now; nobody who had it deleted expects it to go on.
    """
    stopped = row is not None and row.state is AttemptState.STOPPED and row.job_uid == job.uid
    return stopped and not job.suspended and job.finished is None and not job.deleting


def _lost(item: Expected) -> Ending:
    message = "the Job is gone and nobody saw how it ended; it is never launched again"
    return Ending(item.job.key, item.job.job_uid, AttemptState.UNKNOWN, Reason.JOB_VANISHED, message)
