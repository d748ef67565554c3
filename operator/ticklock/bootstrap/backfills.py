"""What `ticklock backfill` needs of the database: one connection, and no replica."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

from ticklock.bootstrap.allowed import limits_of
from ticklock.bootstrap.asked import settings_of
from ticklock.domain.model import ClusterId, ReplicaId
from ticklock.ports import BackfillAnswer, BackfillOrder, Schedule
from ticklock.settings import Settings
from ticklock.store import backfilling
from ticklock.store.connections import connect
from ticklock.store.session import Database
from ticklock.telemetry import configure_logging

T = TypeVar("T")

_NOBODY = ClusterId(UUID(int=0))


class Backfills:
    """The ledger of these settings. Raises Transient, Refused, Conflict or Unready as the store does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def named(self, namespace: str, name: str) -> list[Schedule]:
        """Return the schedules of that name, one for each cluster that has it."""
        return asyncio.run(self._with(_NOBODY, lambda db: backfilling.named(db, namespace, name)))

    def order(self, schedule: Schedule, order: BackfillOrder) -> BackfillAnswer:
        """Have past ticks run, or say what would."""
        return asyncio.run(self._with(schedule.cluster, lambda db: backfilling.backfill(db, schedule.ref, order)))

    def cancel(self, schedule: Schedule, *, by: str) -> int:
        """Take back what is not bound yet; return how many runs that are."""
        return asyncio.run(self._with(schedule.cluster, lambda db: backfilling.cancel(db, schedule.ref, by=by)))

    async def _with(self, cluster: ClusterId, do: Callable[[Database], Awaitable[T]]) -> T:
        engine, host = connect(self._settings.sqlalchemy_url, pool_size=1), socket.gethostname()
        try:
            return await do(
                Database(
                    engine,
                    cluster,
                    ReplicaId(uuid4()),
                    host,
                    lambda: datetime.now(UTC),
                    limits=limits_of(self._settings),
                )
            )
        finally:
            await engine.dispose()


def backfills_of(argv: Sequence[str], prog: str) -> Backfills | None:
    """Return the ledger of these settings; None, after the problem was told, where they cannot be used."""
    settings = settings_of(argv, prog)
    if settings is None:
        return None
    configure_logging("console", "error")  # what is done is the command's answer, not its log
    return Backfills(settings)
