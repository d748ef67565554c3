"""Dispatcher: at the tick, binds a batch in the database and lets the bound Jobs go.

Every replica dispatches. Binding never waits for launching: bound Jobs go into a queue that a fixed number of launchers
empties, and their marks are written in batches.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ticklock.domain.errors import Transient
from ticklock.domain.model import AttemptState, JobUid, ObjectRef
from ticklock.domain.reasons import Reason
from ticklock.engine.endings import ending_of
from ticklock.engine.lookup import Lookup
from ticklock.engine.loops import timed
from ticklock.engine.unstaging import Fate, unstage, unstage_all
from ticklock.failpoints import failpoint
from ticklock.ports import Bound, Ending, Jobs, JobView, Launch, Ledger, Leftover, Meter, Objects, Wakeups

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.25
IDLE_SECONDS = 1.0
STRANDED_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
"""Seconds until a launch is tried again: doubled each time, and shortened by chance, so that they do not keep step."""
_MARK_SECONDS, _BUSY_MARK_SECONDS = 0.05, 0.3
"""Pause between marks; longer while launches wait, which need the processor more."""
_MARGIN_SECONDS = 1.0
"""A launch is no longer tried so close to the end of its claim: somebody else is about to take it."""


@dataclass(slots=True)
class Dispatcher:
    """Steps 4 to 6."""

    ledger: Ledger
    jobs: Jobs
    objects: Objects
    wakeups: Wakeups
    meter: Meter
    lookup: Lookup
    claim: timedelta
    batch: int
    launchers: int
    now: Callable[[], datetime | None]
    """The database's time, estimated."""
    next_due: Callable[[], float]
    """Seconds until the next planned attempt is due, as far as known."""
    expect: Callable[[JobUid], None] = lambda _: None
    """Called before a Job is let go: its pods are coming."""
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    """A number from 0 to 1, for jitter."""
    queue: asyncio.Queue[tuple[Bound, float]] = field(default_factory=asyncio.Queue)
    launches: list[Launch] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    busy: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more will be bound here."""
    verified: frozenset[str] = frozenset()

    async def step(self) -> float:
        """Bind a batch and hand it to the launchers."""
        if self.queue.qsize() > self.batch:
            return 0.005  # The launchers are behind: what is not bound here another replica may bind.
        with timed(self.meter, "bind", self.monotonic):
            outcome = await self.ledger.bind(ttl=self.claim, limit=self.batch, verified=self.verified)
        if outcome.bound:
            await failpoint("after-bind")
        for bound in outcome.bound:
            self._enqueue(bound)
        if outcome.unverified:
            await self._verify(outcome.unverified)
        if outcome.leftovers:
            await failpoint("after-verdict")
        await unstage_all(self.jobs, self.ledger, list(outcome.leftovers))
        await self.lookup.look(outcome.blockers)
        if outcome.candidates:
            return 0.0
        left = self.next_due()
        return min(left, IDLE_SECONDS if left > IDLE_SECONDS else POLL_SECONDS)

    async def rescue(self) -> float:
        """Take over bound attempts whose replica did not finish them in time."""
        with timed(self.meter, "stranded", self.monotonic):
            stranded = await self.ledger.claim_stranded(ttl=self.claim, limit=self.batch)
        if stranded:
            await failpoint("after-rescue")
        for bound in stranded:
            log.warning(
                "stranded run taken over", run=str(bound.key.run_id), job=bound.job_name, namespace=bound.ref.namespace
            )
            self._enqueue(bound)
        return 0.0 if len(stranded) >= self.batch else STRANDED_SECONDS

    def _enqueue(self, bound: Bound) -> None:
        until = self.monotonic() + self.claim.total_seconds() - _MARGIN_SECONDS
        self.queue.put_nowait((bound, until))

    async def _verify(self, refs: Sequence[ObjectRef]) -> None:
        """Nobody leads, so nobody stores edits: read the objects themselves before their first launch."""
        checked = set()
        for ref in {ref.uid: ref for ref in refs}.values():
            standing = await self.objects.standing(ref.namespace, ref.name)
            if standing is None or standing.deleting or standing.suspended or standing.uid != ref.uid:
                leftovers = await self.ledger.obey(ref, standing)
                await unstage_all(self.jobs, self.ledger, list(leftovers))
            checked.add(ref.uid)
        self.verified |= checked

    def leader_returned(self) -> None:
        """Edits are stored again: forget what was read in between."""
        self.verified = frozenset()

    # -- launching

    async def run_launchers(self) -> None:
        """Run the launchers until nothing more will be bound here, then finish what is."""
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(), name=f"launcher-{i}") for i in range(self.launchers)]
            await self.closing.wait()
            await self.queue.join()
            for worker in workers:
                worker.cancel()

    async def _work(self) -> None:
        while True:
            bound, until = await self.queue.get()
            self.busy += 1
            try:
                await self._launch(bound, until)
            finally:
                self.busy -= 1
                self.queue.task_done()

    async def _launch(self, bound: Bound, until: float) -> None:
        pause = _FIRST_PAUSE
        while self.monotonic() < until:
            if self._too_late(bound):
                await self._miss(bound)
                return
            self.expect(bound.job_uid)
            try:
                await failpoint("before-launch")
                job = await self.jobs.launch(bound.ref.namespace, bound.job_name, bound.job_uid)
                await failpoint("after-launch")
            except Transient as error:
                log.info("launch is repeated", run=str(bound.key.run_id), cause=str(error))
                await asyncio.sleep(max(pause * (0.5 + self.chance() / 2), error.retry_after or 0.0))
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            self._landed(bound, job)
            return
        log.warning("launch given up for now", run=str(bound.key.run_id), job=bound.job_name)

    def _too_late(self, bound: Bound) -> bool:
        now = self.now()
        return bound.deadline_at is not None and now is not None and now > bound.deadline_at

    async def _miss(self, bound: Bound) -> None:
        """Take the Job of a run away whose deadline has passed; that shows whether it ever started."""
        leftover = Leftover(bound.ref.namespace, bound.job_name, bound.job_uid, bound.key)
        try:
            fate = await unstage(self.jobs, self.ledger, leftover)
        except Transient as error:
            log.info("late run is not settled yet", run=str(bound.key.run_id), cause=str(error))
            return
        match fate:
            case Fate.NEVER_STARTED:
                message = "startingDeadlineSeconds passed before the bound Job could be launched"
                ending = Ending(bound.key, bound.job_uid, AttemptState.MISSED, Reason.DEADLINE_EXCEEDED, message)
                self.endings.append(ending)
            case Fate.GONE:
                self.endings.append(_vanished(bound))
            case Fate.LAUNCHED:
                self._launched(bound)
        self.wakeups.poke("mark")

    def _landed(self, bound: Bound, job: JobView | None) -> None:
        """Note what the API server's answer means."""
        if job is None:
            self.endings.append(_vanished(bound))
        elif (ending := ending_of(job)) is not None:
            self.endings.append(ending)
        else:
            self._launched(bound, job)
        self.wakeups.poke("mark")

    def _launched(self, bound: Bound, job: JobView | None = None) -> None:
        at = self.now() or bound.scheduled_time
        if bound.stranded and job is not None and job.started_at is not None:
            at = max(job.started_at, bound.scheduled_time)  # Its first replica had let it go; only the mark is late.
        lag = (at - bound.scheduled_time - bound.delay).total_seconds()
        self.launches.append(Launch(bound.key, bound.job_uid, at))
        self.meter.count("launches_total", stranded=str(bound.stranded).lower())
        self.meter.observe("run_lag_seconds", max(lag, 0.0))
        log.info(
            "run launched",
            run=str(bound.key.run_id),
            schedule=f"{bound.ref.namespace}/{bound.ref.name}",
            job=bound.job_name,
            tick=bound.scheduled_time.isoformat(),
            lag_s=round(lag, 3),
            stranded=bound.stranded,
        )

    async def mark(self) -> float:
        """Write the marks and ends that have gathered; they stay until written."""
        launches, endings = self.launches[:500], self.endings[:500]
        if launches:
            await self.ledger.mark_launched(launches)
            await failpoint("after-mark")
            del self.launches[: len(launches)]
            self.wakeups.poke("report")
        if endings:
            await self.ledger.record(endings)
            del self.endings[: len(endings)]
        return _BUSY_MARK_SECONDS if self.queue.qsize() else _MARK_SECONDS

    @property
    def idle(self) -> bool:
        """Whether nothing bound by this replica waits to be launched or marked."""
        return not (self.queue.qsize() or self.busy or self.launches or self.endings)


def _vanished(bound: Bound) -> Ending:
    message = "the bound Job was gone before its launch was acknowledged; it is never launched again"
    return Ending(bound.key, bound.job_uid, AttemptState.UNKNOWN, Reason.JOB_VANISHED, message)
