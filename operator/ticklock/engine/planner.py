"""Planner: turns ticks into rows a little ahead of their time. Every replica plans; rows lock rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ticklock.engine.loops import timed
from ticklock.failpoints import failpoint
from ticklock.ports import Ledger, Meter, Wakeups

POLL_SECONDS = 1.0
_BATCH = 500


@dataclass(slots=True)
class Planner:
    """Step 1."""

    ledger: Ledger
    wakeups: Wakeups
    meter: Meter
    ahead: timedelta
    monotonic: Callable[[], float] = time.monotonic

    async def step(self) -> float:
        """Plan a batch; come back at once if it was full, and wake the stager if it held anything."""
        with timed(self.meter, "plan", self.monotonic):
            planned = await self.ledger.plan(horizon=self.ahead + timedelta(seconds=POLL_SECONDS), limit=_BATCH)
        if planned:
            await failpoint("after-plan")
            self.wakeups.poke("stage")
        return 0.0 if planned == _BATCH else POLL_SECONDS
