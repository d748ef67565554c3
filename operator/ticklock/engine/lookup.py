"""What stands in the way of a waiting tick: its Job is looked up, by whoever waits for it.

So a tick under Forbid or Replace does not depend on a leader: if the Job in the way has ended, the waiting replica
records that itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from ticklock.domain.errors import Conflict, Transient
from ticklock.domain.model import AttemptState
from ticklock.engine.endings import ending_of
from ticklock.ports import Blocker, Jobs, JobView, Ledger

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lookup:
    """Looks up blockers, records their ends, stops those to be replaced, frees locks nobody needs."""

    ledger: Ledger
    jobs: Jobs

    async def look(self, blockers: Sequence[Blocker]) -> None:
        """Look at each once; one that cannot be reached is looked at again with the next deferral."""
        for blocker in {blocker.key: blocker for blocker in blockers}.values():
            try:
                await self._look(blocker)
            except (Transient, Conflict) as error:
                log.info("blocking run cannot be looked up", run=str(blocker.key.run_id), cause=str(error))

    async def _look(self, blocker: Blocker) -> None:
        if blocker.job_name is None or blocker.job_uid is None:
            return
        job = await self.jobs.read(blocker.ref.namespace, blocker.job_name)
        if job is not None and job.uid != blocker.job_uid:
            job = None
        if blocker.state.is_open:
            await self._end_open(blocker, job)
        elif job is None and await self.jobs.live_pods(blocker.ref.namespace, blocker.job_uid) == 0:
            await self.ledger.free_lock(blocker.key)

    async def _end_open(self, blocker: Blocker, job: JobView | None) -> None:
        """Record the end of a blocker, or bring it about where the policy is Replace."""
        if job is None:
            return  # The observer and the janitor decide what became of it.
        ending = ending_of(job)
        if ending is not None:
            await self.ledger.record([ending])
        elif blocker.replace and blocker.state is AttemptState.LAUNCHED:
            log.info("run is replaced", run=str(blocker.key.run_id), job=job.name, namespace=job.namespace)
            after = await self.jobs.delete(job, only_if_unchanged=False)
            if after is not None and (ended := ending_of(after)) is not None:
                await self.ledger.record([ended])
