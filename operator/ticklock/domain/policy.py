"""May this attempt start now? Facts are gathered beforehand; the answer is a value.

The chain is read from the top: the first objection counts. It is asked twice: before a Job is staged, so that no Job is
made for nothing, and in the transaction that binds, where the answer is final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ticklock.domain.backlog import GRACE, beyond_limit, judge_late, refusal
from ticklock.domain.catch_up import AFTER_OUTAGES, CatchUp, CatchUpPolicy
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
    """False for a trigger and for a backfill: a person asked for it, the timetable does not call for it now."""
    deleted: bool
    suspended: bool
    deadline: timedelta | None
    policy: ConcurrencyPolicy
    newest_due: datetime | None
    """The newest tick of the schedule that is due and not bound, this one included."""
    blocked_by: str | None
    """The run that holds the schedule's lock, where the policy takes one."""
    catch_up: CatchUp = AFTER_OUTAGES
    free_since: datetime | None = None
    """When the last run of the schedule ended, where the policy lets it be waited for."""
    newer_missed: int = 0
    """Newer ticks of the schedule that are made up for, or are to be. Counted where catchUp is All."""
    oldest_due: datetime | None = None
    """The oldest tick of the schedule that is due and not bound. Looked for where catchUp is All."""
    under_way: int = 0
    """How many runs of the same backfill are bound or launched."""
    max_parallel: int | None = None
    """How many of them may be; None: it is of no backfill."""

    @property
    def missed(self) -> bool:
        """Whether it is later than happens by itself, and not because it had to wait for a run."""
        return self.is_tick and self.late_by > GRACE

    @property
    def late_by(self) -> timedelta:
        """For how long it could have run."""
        if self.blocked_by is not None:
            return timedelta(0)
        since = max(self.tick, self.due_at)
        return self.now - (since if self.free_since is None else max(since, self.free_since))

    @property
    def all_run(self) -> bool:
        """Whether each due tick is to run, not the latest alone; under Replace each would end the one before."""
        return self.catch_up.policy is CatchUpPolicy.ALL and self.policy is not ConcurrencyPolicy.REPLACE


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


def _not_made_up_for(at: Situation) -> Judge | None:
    if not at.missed:
        return None
    lost = refusal(at.tick, at.now, late_by=at.late_by, deadline=at.deadline, catch_up=at.catch_up)
    return None if lost is None else Judge(AttemptState.MISSED, lost.reason, lost.message)


def _beyond_limit(at: Situation) -> Judge | None:
    if not (at.is_tick and at.all_run) or at.newer_missed < at.catch_up.limit:
        return None
    lost = beyond_limit(at.tick, at.now, at.catch_up)
    return Judge(AttemptState.MISSED, lost.reason, lost.message)


def _superseded(at: Situation) -> Judge | None:
    if not at.is_tick or at.newest_due is None or at.newest_due <= at.tick or at.all_run:
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


def _crowded(at: Situation) -> Defer | None:
    if at.max_parallel is None or at.under_way < at.max_parallel:
        return None
    message = f"{at.under_way} runs of its backfill are under way, and {at.max_parallel} may be at a time"
    return Defer(at.now + RETRY_BLOCKED, Reason.WAITING_FOR_TURN, message)


def _out_of_turn(at: Situation) -> Defer | None:
    """Under Forbid, missed ticks run one after another, the oldest first."""
    if not (at.is_tick and at.all_run) or at.policy is not ConcurrencyPolicy.FORBID:
        return None
    if at.oldest_due is None or at.oldest_due >= at.tick:
        return None
    until = at.due_at if at.now < at.due_at else at.now + RETRY_BLOCKED
    return Defer(until, Reason.WAITING_FOR_RUN, f"waiting for the run of {at.oldest_due:%FT%TZ}")


CHAIN: tuple[Check, ...] = (
    _deleted,
    _suspended,
    _deadline,
    _not_made_up_for,
    _beyond_limit,
    _superseded,
    _crowded,
    _blocked,
    _out_of_turn,
)
