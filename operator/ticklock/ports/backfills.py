"""A backfill, as people ask for it and as it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ticklock.domain.backfill import LeftAlone, Wanted
from ticklock.domain.model import ClusterId, ObjectRef


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that a name stands for, in one of the clusters that use the database."""

    cluster: ClusterId
    ref: ObjectRef


@dataclass(frozen=True, slots=True)
class BackfillOrder:
    """What a person wants: the ticks of [begin, end], both included."""

    begin: datetime
    end: datetime
    max_parallel: int
    limit: int
    """More ticks than that are refused as a whole."""
    by: str
    before_creation: bool = False
    dry: bool = False
    """Nothing is written."""


@dataclass(frozen=True, slots=True)
class BackfillAnswer:
    """What became of it."""

    ref: ObjectRef
    wanted: Sequence[Wanted]
    left: Sequence[LeftAlone]
    backfill: int | None = None
    """Its number; None where nothing was written: a dry run, nothing to run, or too much."""
    too_many: bool = False
    """More would run than the order allows: nothing was written."""
