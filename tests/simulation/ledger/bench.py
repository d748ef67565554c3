"""The simulated ledger with the handles of tests/store/world.py, so that one test can ask both the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from tests.simulation.ledger.book import Book
from tests.simulation.ledger.rows import AttemptRow
from tests.simulation.ledger.sim_ledger import SimLedger, Straight
from tests.store.world import World
from ticklock.domain.model import AttemptKey, AttemptState, ClusterId, Declared
from ticklock.store.ledger import PostgresLedger


def _wall() -> datetime:
    return datetime.now(UTC)


class SimWorld(World):
    """A `World` whose rows are those of a `Book`. Nothing in it knows SQL."""

    def __init__(self) -> None:
        self.cluster = ClusterId(uuid4())
        self.epoch = 0
        self.book = Book(self.cluster, _wall)
        self.ledger = self.replica("first")

    def replica(self, pod: str = "other", *, pool_size: int = 2, **options: Any) -> PostgresLedger:
        replica: UUID = uuid4()
        made = SimLedger(self.book, replica, pod, Straight(), monotonic=time.monotonic, wall=_wall)
        return cast("PostgresLedger", made)  # It has the same methods; the attribute `db` is used by no contract.

    async def close(self) -> None:
        return None

    async def sql(self, statement: str, **parameters: Any) -> Sequence[Any]:
        raise AssertionError("a contract must not look at tables")

    async def attempts(self, item: Declared | None = None) -> Sequence[Any]:
        rows = self.book.attempts.rows.values()
        mine = [row for row in rows if item is None or row.uid == item.ref.uid]
        return sorted(mine, key=lambda row: (row.scheduled_time, str(row.key)))

    async def uids(self) -> frozenset[str]:
        return frozenset(self.book.schedules.rows)

    async def attempt(self, key: AttemptKey) -> Any:
        return self.book.attempts[key]

    async def run_of(self, key: AttemptKey) -> Any:
        return self.book.runs[key.run_id]

    async def log_of(self, key: AttemptKey) -> tuple[str, str]:
        row = self.book.logs[key]
        return row.status, row.remark

    async def locks(self) -> dict[str, bool]:
        return {name: lock.suspect for (_, _, name), lock in self.book.locks.rows.items()}

    async def state_of(self, item: Declared) -> Any:
        return self.book.states[item.ref.uid]

    async def lose_incarnation(self) -> None:
        self.book.restart()

    # ------------------------------------------------------------------------------------------------------------- time

    async def make_due(self, *, seconds: float = 0.01, item: Declared | None = None) -> None:
        at = _wall() - timedelta(seconds=seconds)
        for row in self._planned():
            if item is None or row.uid == item.ref.uid:
                self._put(replace(row, due_at=at, not_before=None))

    async def expire_claims(self) -> None:
        for row in list(self.book.attempts.rows.values()):
            if row.claimed_until is not None:
                self._put(replace(row, claimed_until=_wall() - timedelta(seconds=1)))

    async def set_cursor(self, item: Declared, cursor: datetime) -> None:
        with self.book.transaction():
            state = self.book.states[item.ref.uid]
            self.book.states.put(item.ref.uid, replace(state, cursor=cursor, next_tick=cursor))
            schedule = self.book.schedules[item.ref.uid]
            older = replace(schedule, created_at=min(schedule.created_at, cursor))
            self.book.schedules.put(item.ref.uid, older)

    async def _due_now(self, key: AttemptKey) -> None:
        self._put(replace(self.book.attempts[key], due_at=_wall(), claimed_until=None))

    async def _unclaim(self) -> None:
        for row in self._planned():
            self._put(replace(row, claimed_until=None))

    def _planned(self) -> list[AttemptRow]:
        return [row for row in self.book.attempts.rows.values() if row.state is AttemptState.PLANNED]

    def _put(self, row: AttemptRow) -> None:
        with self.book.transaction():
            self.book.attempts.put(row.key, row)
