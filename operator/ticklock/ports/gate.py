"""The gate, as people see it: open or closed, since when and why, what was settled and what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ticklock.domain.model import ClusterId
from ticklock.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Person:
    """Who opened the gate by hand, and why: that person answers for what is launched then."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Closure:
    """One time in which nothing was decided."""

    reason: Reason
    cause: str
    incarnation: str | None
    """Of the database when it began."""
    closed_at: datetime
    opened_at: datetime | None
    opened_how: Reason | None
    person: Person | None
    settled: Mapping[str, int]
    """Attempts, by what became of them."""
    unstaging: int
    """Jobs that are still to be taken away."""


@dataclass(frozen=True, slots=True)
class GateStatus:
    """The gate of one cluster."""

    cluster: ClusterId
    now: datetime
    """By the database's clock."""
    causes: Mapping[Reason, str]
    """Why it is closed now; nothing: it is open."""
    incarnation: str
    """Of the database as it runs."""
    reconciled: str | None
    """The incarnation that was compared with the cluster last."""
    closures: Sequence[Closure]
    """Those that last, then the latest of those that are over."""
    planned: int
    due: int
    overdue_seconds: float
    leader: str | None
    leaderless_seconds: float | None
