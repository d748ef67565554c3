"""May this attempt start now? Facts are gathered beforehand; the answer is a value.

The chain is read from the top: the first objection counts. It is asked twice: before a Job is staged, so that no Job is
made for nothing, and in the transaction that binds, where the answer is final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ticklock.domain.backlog import GRACE, judge_late
from ticklock.domain.model import AttemptState, ConcurrencyPolicy
from ticklock.domain.reasons import Reason

RETRY_BLOCKED = timedelta(seconds=1)
"""How soon a blocked tick is looked at again if nobody wakes it."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a check may look at."""

    tick: datetime
    due_at: datetime
    now: datetime
    is_tick: bool
    """False for a trigger: it has no place in the timetable."""
    deleted: bool
    suspended: bool
    deadline: timedelta | None
    policy: ConcurrencyPolicy
    newest_due: datetime | None
    """The newest tick of the schedule that is due and not bound, this one included."""
    blocked_by: str | None
    """The run that holds the schedule's lock, where the policy takes one."""


@dataclass(frozen=True, slots=True)
class Go:
    """It may start."""


@dataclass(frozen=True, slots=True)
class Judge:
    """It never starts: the verdict."""

    state: AttemptState
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Defer:
    """Decide again later."""

    until: datetime
    reason: Reason
    message: str


Decision = Go | Judge | Defer
Check = Callable[[Situation], Judge | Defer | None]


def decide(at: Situation) -> Decision:
    """Return the first objection, or permission to start."""
    return next((objection for check in CHAIN if (objection := check(at)) is not None), Go())


def _deleted(at: Situation) -> Judge | None:
    if not at.deleted:
        return None
    message = "the ScheduledJob was deleted before this run was bound"
    return Judge(AttemptState.STOPPED, Reason.SCHEDULE_DELETED, message)


def _suspended(at: Situation) -> Judge | None:
    if not (at.suspended and at.is_tick):
        return None
    message = "the schedule was suspended before this run was bound"
    return Judge(AttemptState.SKIPPED, Reason.SCHEDULE_SUSPENDED, message)


def _deadline(at: Situation) -> Judge | None:
    if not at.is_tick or at.deadline is None or at.now <= at.tick + at.deadline:
        return None
    lost = judge_late(at.tick, at.now, at.deadline)
    return Judge(AttemptState.MISSED, lost.reason, lost.message)


def _superseded(at: Situation) -> Judge | None:
    if not at.is_tick or at.newest_due is None or at.newest_due <= at.tick:
        return None
    newer = f"{at.newest_due:%FT%TZ}"
    match at.policy:
        case ConcurrencyPolicy.ALLOW:
            if at.now - max(at.tick, at.due_at) <= GRACE:
                return None
            lost = judge_late(at.tick, at.now, at.deadline)
            return Judge(AttemptState.MISSED, lost.reason, lost.message)
        case ConcurrencyPolicy.FORBID:
            message = f"it had to wait, and the tick {newer} took its place: under Forbid only the latest one runs"
            return Judge(AttemptState.SKIPPED, Reason.CONCURRENCY_FORBIDDEN, message)
        case ConcurrencyPolicy.REPLACE:
            return Judge(AttemptState.SKIPPED, Reason.REPLACED, f"the tick {newer} took this one's place")


def _blocked(at: Situation) -> Defer | None:
    if at.blocked_by is None:
        return None
    until = at.due_at if at.now < at.due_at else at.now + RETRY_BLOCKED
    return Defer(until, Reason.WAITING_FOR_RUN, f"waiting for run {at.blocked_by}")


CHAIN: tuple[Check, ...] = (_deleted, _suspended, _deadline, _superseded, _blocked)
