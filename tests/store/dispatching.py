"""A dispatcher on a real ledger whose Jobs are only noted, not made."""

import asyncio
from datetime import datetime
from typing import Any, cast

from tests.store.world import TTL
from ticklock.domain.model import JobUid
from ticklock.engine.dispatcher import Dispatcher
from ticklock.engine.lookup import Lookup
from ticklock.ports import Jobs, JobView, Objects, Wakeups
from ticklock.store.ledger import PostgresLedger
from ticklock.telemetry import PrometheusMeter


class _Pad:
    """Takes launches, and nothing else."""

    def __init__(self, launched: list[JobUid]) -> None:
        self._launched = launched

    async def launch(self, namespace: str, name: str, uid: JobUid) -> JobView | None:
        self._launched.append(uid)
        return None


class _Quiet:
    def poke(self, channel: str) -> None: ...


class Launchpad:
    """One replica's dispatcher, and which Jobs it let go."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self.launched: list[JobUid] = []
        jobs = cast("Jobs", _Pad(self.launched))
        nothing: Any = None
        self.dispatcher = Dispatcher(
            ledger=ledger,
            jobs=jobs,
            objects=cast("Objects", nothing),
            wakeups=cast("Wakeups", _Quiet()),
            meter=PrometheusMeter(version="test", strict=True),
            lookup=Lookup(ledger, jobs),
            claim=TTL,
            batch=10,
            launchers=2,
            now=_no_time,
            next_due=lambda: 1.0,
        )

    async def finish(self) -> None:
        """Let everything go that was handed to the launchers, then stop them."""
        self.dispatcher.closing.set()
        await asyncio.wait_for(self.dispatcher.run_launchers(), 10)


def _no_time() -> datetime | None:
    return None
