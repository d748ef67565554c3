"""Stager: creates the suspended Jobs ahead of their ticks.

Nothing here can start anything: a Job comes into being suspended, and whether it is the attempt is decided later, in
the database. So a create that was lost, repeated, or delivered late does no harm.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from ticklock.domain import names
from ticklock.domain.errors import Conflict, Refused, Transient, Unready
from ticklock.domain.manifest import build_job
from ticklock.domain.model import ClusterId, JobUid, LaunchPolicy
from ticklock.domain.names import job_name
from ticklock.domain.reasons import Reason
from ticklock.engine.lookup import Lookup
from ticklock.engine.loops import timed
from ticklock.engine.unstaging import unstage, unstage_all
from ticklock.failpoints import failpoint
from ticklock.ports import Jobs, JobView, Ledger, Leftover, Meter, StageOrder, Wakeups

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
"""Seconds until a Job is tried again that the API server did not take."""
_NAMES = 3
"""How many further names are tried where others hold ours."""

Staged = tuple[StageOrder, JobUid, str]


@dataclass(slots=True)
class Stager:
    """Steps 2 and 3."""

    ledger: Ledger
    jobs: Jobs
    wakeups: Wakeups
    meter: Meter
    lookup: Lookup
    cluster: ClusterId
    ahead: timedelta
    claim: timedelta
    batch: int
    slots: asyncio.Semaphore
    now: Callable[[], datetime | None]
    """The database's time, estimated."""
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    """A number from 0 to 1, for jitter."""

    async def step(self) -> float:
        """Claim a batch, create its Jobs, store which Job stands for which attempt."""
        with timed(self.meter, "stage", self.monotonic):
            claim = await self.ledger.claim_for_staging(ahead=self.ahead, ttl=self.claim, limit=self.batch)
        if claim.orders:
            await failpoint("after-claim")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._guarded(order)) for order in claim.orders]
        staged = [found for task in tasks if (found := task.result()) is not None]
        lost = await self.ledger.store_staged(staged)
        if staged:
            await failpoint("after-staged")
            self.wakeups.poke("dispatch")
        if claim.leftovers:
            await failpoint("after-verdict")
        await unstage_all(self.jobs, self.ledger, [*claim.leftovers, *lost])
        await self.lookup.look(claim.blockers)
        return 0.0 if len(claim.orders) >= self.batch else POLL_SECONDS

    async def _guarded(self, order: StageOrder) -> Staged | None:
        async with self.slots:
            try:
                return await self._stage(order)
            except (Transient, Unready) as error:
                return await self._postpone(order, error)

    async def _postpone(self, order: StageOrder, error: Transient | Unready) -> Staged | None:
        """Give one order's claim back; where even that fails, it runs out by itself."""
        try:
            return await self._later(order, str(error), getattr(error, "retry_after", None))
        except (Transient, Unready) as lost:
            log.info("claim is left to run out", run=str(order.key.run_id), cause=str(lost))
            return None

    async def _stage(self, order: StageOrder) -> Staged | None:
        name = job_name(
            order.ref.name,
            order.scheduled_time,
            self.cluster,
            order.ref.uid,
            order.run_key,
            order.key.n,
            suffix=order.suffix,
        )
        try:
            zone = None if order.time_zone is None else ZoneInfo(order.time_zone)
            manifest = build_job(order, cluster=self.cluster, job_name=name, zone=zone)
            await failpoint("before-create")
            job = await self.jobs.create(order.ref.namespace, manifest)
            await failpoint("after-create")
        except Conflict:
            return await self._meet(order, name, None)
        except Refused as error:
            return await self._rejected(order, str(error))
        except Transient as error:
            return await self._meet(order, name, error)
        if not job.suspended or _lacks_gate(order, job):
            return await self._refuse_gate(order, job)
        return order, job.uid, name

    async def _rejected(self, order: StageOrder, message: str) -> Staged | None:
        """Give up a Job that is refused for good; until its tick the user may still mend the template."""
        now = self.now()
        early = 0.0 if now is None else (order.due_at - now).total_seconds()
        if early > 0:
            await self.ledger.defer(order, seconds=early, reason=Reason.JOB_REJECTED, message=message)
        else:
            await self.ledger.fail_unstarted(order, Reason.JOB_REJECTED, message)
        return None

    async def _refuse_gate(self, order: StageOrder, job: JobView) -> Staged | None:
        """Give up a Job that the create's own answer shows ungated: somebody changes Jobs on their way in."""
        await self.jobs.delete(job, only_if_unchanged=False)
        message = "the Job came back unsuspended from its creation: a webhook lets Jobs go; it was deleted at once"
        if job.suspended:
            message = f"the Job came back without {names.POD_GATE}: a webhook takes gates off; it was deleted at once"
        await self.ledger.fail_unstarted(order, Reason.GATE_NOT_HONOURED, message)
        await self.jobs.release(job.namespace, job.name, job.uid)
        return None

    async def _meet(self, order: StageOrder, name: str, unknown: Transient | None) -> Staged | None:
        """Read what holds the name, or what an unknown create left, and compare it with what we wanted."""
        found = await self.jobs.read(order.ref.namespace, name)
        if found is None:
            if unknown is not None:
                raise unknown
            return await self._later(order, f"Job {name} came and went", 0.2)
        if found.key != order.key or found.owner_uid != order.ref.uid:
            return await self._next_name(order, name)
        if found.deleting or found.stage < order.stage or (found.suspended and _lacks_gate(order, found)):
            await unstage(self.jobs, self.ledger, Leftover(found.namespace, name, found.uid, order.key))
            return await self._later(order, f"an older Job {name} is going away", 0.2)
        if not found.suspended:
            await self.ledger.rebuild_launched(found)
            return None
        return (order, found.uid, name) if found.stage == order.stage else None

    async def _next_name(self, order: StageOrder, name: str) -> Staged | None:
        message = f"a Job {name} that is not ours holds the name"
        if order.suffix >= _NAMES:
            await self.ledger.fail_unstarted(
                order, Reason.NAME_TAKEN, f"{message}, and so do {_NAMES} others before it"
            )
            return None
        log.warning("name taken", job=name, namespace=order.ref.namespace, run=str(order.key.run_id))
        await self.ledger.defer(order, seconds=0, reason=Reason.NAME_TAKEN, message=message, next_suffix=True)
        self.wakeups.poke("stage")
        return None

    async def _later(self, order: StageOrder, message: str, seconds: float | None) -> Staged | None:
        doubled = min(_FIRST_PAUSE * 2 ** min(order.deferrals, 6), _LONGEST_PAUSE)
        pause = seconds if seconds is not None else doubled * (0.5 + self.chance() / 2)
        await self.ledger.defer(order, seconds=pause, reason=Reason.API_UNAVAILABLE, message=message)
        return None


def _lacks_gate(order: StageOrder, job: JobView) -> bool:
    """Tell whether the pods of a StrictPod Job would start by themselves."""
    return order.launch_policy is LaunchPolicy.STRICT_POD and not job.gated
