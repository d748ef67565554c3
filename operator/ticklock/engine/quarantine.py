"""Quarantine: the leader's first duty. Compares the ledger with the cluster before anything else is decided.

It also keeps the book of when the gate was closed, for whatever reason, and tells it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ticklock.domain.errors import Transient
from ticklock.engine.unstaging import unstage
from ticklock.failpoints import failpoint
from ticklock.ports import JobFeed, Jobs, Ledger, Meter, Objects

log = structlog.get_logger(__name__)

_ROUNDS = 20
CHECK_SECONDS = 0.5


@dataclass(slots=True)
class Quarantine:
    """Opens the gate again after a restart, a failover or a restore of the database."""

    ledger: Ledger
    jobs: Jobs
    feed: JobFeed
    objects: Objects
    meter: Meter
    epoch: int
    cause: Callable[[], str | None]
    """Why the gate is closed, as the last heartbeat saw it."""

    async def step(self) -> float:
        """Look; where the gate is closed for fear of lost commits, reconcile until it is open."""
        await self._tend()
        if (cause := self.cause()) is not None:
            log.warning("quarantine begins", cause=cause)
            await self.lift()
            await self._tend()
        return CHECK_SECONDS

    async def _tend(self) -> None:
        """Keep the book. It tells what is; where it cannot be written just now, nothing waits for it."""
        try:
            over = await self.ledger.tend_gate(self.epoch)
        except Transient as error:
            log.info("book of the gate waits", cause=str(error))
            return
        for opened in over:
            for outcome, number in opened.settled.items():
                self.meter.count("quarantine_settled_total", number, outcome=outcome)

    async def lift(self) -> None:
        """List Jobs, then objects; apply the rules; take away what may not stay; until nothing is left."""
        for _ in range(_ROUNDS):
            life = await self.ledger.begin_to_reconcile(self.epoch)
            jobs, _ = await self.feed.list_all()
            objects, _ = await self.objects.list_all()
            await failpoint("quarantine-listed")
            leftovers = await self.ledger.reconcile_incarnation(self.epoch, jobs, objects, life=life)
            if not leftovers:
                return
            await failpoint("between-quarantine-rounds")
            for leftover in leftovers:
                await unstage(self.jobs, self.ledger, leftover)
        log.error("quarantine does not end", rounds=_ROUNDS)
