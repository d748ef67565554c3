"""A run as it is about to be inserted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ticklock.domain.model import AttemptState, ObjectRef
from ticklock.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be inserted, pending or already judged."""

    ref: ObjectRef
    run_key: str
    scheduled_time: datetime
    is_tick: bool
    priority: int
    generation: int
    state: AttemptState = AttemptState.PLANNED
    reason: Reason | None = None
    message: str = ""
    delay: timedelta = timedelta(0)
    """How long after its scheduled time it is due."""
    first_tick: datetime | None = None
    """Of a range of ticks that ends with its scheduled time: the first of them."""
    ticks: int = 1
    """How many ticks it tells of."""
