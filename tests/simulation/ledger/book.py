"""The simulated database: tables in memory, atomic transactions, and a past to which it can be set back.

Promise: a transaction happens whole, at one instant of the simulated time, or not at all; `lose` gives exactly the
state before the last commits, under a new incarnation, as a restore or a failover to a lagging standby would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from tests.simulation.ledger.rows import (
    AttemptRow,
    ClosureRow,
    ClusterRow,
    LockName,
    LockRow,
    LogRow,
    ReplicaRow,
    RunRow,
    ScheduleRow,
    StateRow,
    TermRow,
)
from ticklock.domain.model import AttemptKey, ClusterId, RunId, ScheduleUid
from ticklock.ports import ObjectEvent

K = TypeVar("K")
V = TypeVar("V")
_KEPT_COMMITS = 2_000


@dataclass(frozen=True, slots=True)
class Period:
    """From this moment on the ledger followed this expression; None: none."""

    at: datetime
    expression: str | None


Change = tuple["Table[Any, Any]", Any, Any]
"""Table, key, former row; None where there was none."""


class Table(Generic[K, V]):
    """Rows by key, in the order of their first insertion. Every change is noted, so that it can be undone."""

    def __init__(self, journal: list[Change]) -> None:
        self.rows: dict[K, V] = {}
        self._journal = journal

    def get(self, key: K) -> V | None:
        return self.rows.get(key)

    def __getitem__(self, key: K) -> V:
        return self.rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self.rows

    def put(self, key: K, row: V) -> None:
        self._journal.append((self, key, self.rows.get(key)))
        self.set(key, row)

    def drop(self, key: K) -> None:
        self._journal.append((self, key, self.rows.get(key)))
        self.set(key, None)

    def set(self, key: K, row: V | None) -> None:
        """Change a row without noting it."""
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row


class Attempts(Table[AttemptKey, AttemptRow]):
    """Knows its open ones, which are what most statements look for."""

    def __init__(self, journal: list[Change]) -> None:
        super().__init__(journal)
        self.open: dict[AttemptKey, AttemptRow] = {}

    def set(self, key: AttemptKey, row: AttemptRow | None) -> None:
        super().set(key, row)
        if row is not None and row.state.is_open:
            self.open[key] = row
        else:
            self.open.pop(key, None)

    def of(self, uid: str) -> list[AttemptRow]:
        """The open attempts of a schedule."""
        return [row for row in self.open.values() if row.uid == uid]


class Book:
    """One database with one cluster's rows in it."""

    def __init__(self, cluster: ClusterId, clock: Callable[[], datetime]) -> None:
        self.cluster = cluster
        self.clock = clock
        self.lives = 1
        self.token = 0
        self.event_id = 0
        self._journal: list[Change] = []
        self._past: list[tuple[list[Change], int, datetime]] = []
        journal = self._journal
        self.clusters: Table[ClusterId, ClusterRow] = Table(journal)
        self.terms: Table[ClusterId, TermRow] = Table(journal)
        self.replicas: Table[UUID, ReplicaRow] = Table(journal)
        self.schedules: Table[ScheduleUid, ScheduleRow] = Table(journal)
        self.states: Table[ScheduleUid, StateRow] = Table(journal)
        self.runs: Table[RunId, RunRow] = Table(journal)
        self.attempts = Attempts(journal)
        self.locks: Table[LockName, LockRow] = Table(journal)
        self.logs: Table[AttemptKey, LogRow] = Table(journal)
        self.trail: Table[RunId, tuple[str, ...]] = Table(journal)
        self.outbox: Table[int, ObjectEvent] = Table(journal)
        self.closures: Table[int, ClosureRow] = Table(journal)
        self.commits = 0
        self.in_force: dict[ScheduleUid, list[Period]] = {}
        """Which expression was in force from when on; for the checker alone, and never undone."""
        self.ever_bound: set[str] = set()
        """Job UIDs that a bind named, also where that was lost since; for the checker alone, and never undone."""
        self.stored_anew: dict[ScheduleUid, datetime] = {}
        """Objects that a loss had made unknown: what their status bears witness of up to there has no rows."""

    @property
    def incarnation(self) -> str:
        return f"sim/{self.lives}"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        try:
            yield
        except BaseException:
            self._undo(self._journal)
            self._journal.clear()
            raise
        if self._journal:
            self._past.append((list(self._journal), self.token, self.clock()))
            self._journal.clear()
            self.commits += 1
            if len(self._past) > 2 * _KEPT_COMMITS:
                del self._past[:_KEPT_COMMITS]

    def follow(self, uid: ScheduleUid, at: datetime, expression: str | None) -> None:
        """Note what is in force from a moment on."""
        periods = self.in_force.setdefault(uid, [])
        if not periods or periods[-1].expression != expression:
            periods.append(Period(at, expression))

    def next_token(self) -> int:
        self.token += 1
        return self.token

    def next_event(self) -> int:
        self.event_id += 1
        return self.event_id

    def restart(self) -> None:
        """Come back with everything, as after a crash with fsync: nobody else can know that."""
        self.lives += 1

    def lose(self, commits: int) -> int:
        """Come back without the last commits; return how many that were."""
        self.lives += 1
        lost = min(commits, len(self._past))
        for _ in range(lost):
            changes, token, _ = self._past.pop()
            self._undo(changes)
            self.token = min(self.token, token)
        return lost

    def commits_since(self, moment: datetime) -> int:
        return sum(at >= moment for *_, at in self._past)

    @staticmethod
    def _undo(changes: list[Change]) -> None:
        for table, key, former in reversed(changes):
            table.set(key, former)
