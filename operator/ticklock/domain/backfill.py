"""Which ticks of a past range run because a person asks for them. Facts are gathered before; the answer is a value.

Promise: a tick that was bound to a Job is left alone, and so is one of which nobody can tell any more. Only the ledger
can tell; where its rows were pruned, its audit trail does, as far back as that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ticklock.domain.model import RunState

_MAY_RUN = frozenset({RunState.MISSED, RunState.SKIPPED})
"""Verdicts over runs that never had a Job."""


class Why(StrEnum):
    """Why a tick without an open run is left alone; where a run decides, its state says it."""

    DECIDED = "Decided"
    """It was bound to a Job, as the audit trail says."""
    OWED = "Owed"
    """The timetable itself is about to make a run of it."""
    PRUNED = "Pruned"
    """It is so old that neither row nor audit trail would be left of its run."""
    DOUBTED = "Doubted"
    """The database has lost commits since: it may have run."""
    BEFORE_CREATION = "BeforeCreation"
    """It lies before the object was made."""


_TOLD = {
    Why.DECIDED: "the audit trail says that it was bound to a Job",
    Why.OWED: "the timetable is about to make a run of it",
    Why.PRUNED: "it is so old that nothing would be left of its run: nobody can tell that it did not run",
    Why.DOUBTED: "the database has lost commits since, so it may have run; if it has not, use a trigger",
    Why.BEFORE_CREATION: "it lies before the object was made; say --before-creation if nothing else has run it",
}


@dataclass(frozen=True, slots=True)
class Known:
    """The run that the ledger has for a tick."""

    state: RunState
    reason: str | None
    message: str
    bound: bool
    """Whether an attempt of it was ever bound to a Job."""


@dataclass(frozen=True, slots=True)
class Memory:
    """How far back the ledger can be believed, and what it is about to do by itself."""

    created_at: datetime
    pruned_through: datetime | None
    """Up to here a missing row means nothing."""
    audit_from: datetime | None
    """From here on the audit trail is whole; None: nowhere."""
    doubted_through: datetime | None
    """Up to here neither rows nor audit trail say what ran: commits were lost."""
    next_tick: datetime | None
    """The next tick that the timetable makes a run of."""
    before_creation: bool = False
    """Whether the person vouches for the time before the object was made."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tick that will run."""

    tick: datetime
    former: Known | None = None
    """The verdict that it has now, which is taken back."""


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A tick that will not."""

    tick: datetime
    why: str
    """The state of its run, or one of `Why`."""
    message: str


def sort_out(
    ticks: Iterable[datetime], known: Mapping[datetime, Known], bound: frozenset[datetime], memory: Memory
) -> tuple[Sequence[Wanted], Sequence[LeftAlone]]:
    """Say of each tick whether it runs. `bound`: ticks whose runs were bound to a Job, as the audit trail says."""
    wanted, left = list[Wanted](), list[LeftAlone]()
    for tick in ticks:
        run = known.get(tick)
        objection = _objection(tick, run, memory, bound=tick in bound)
        if objection is None:
            wanted.append(Wanted(tick, run))
        else:
            left.append(LeftAlone(tick, *objection))
    return wanted, left


def _objection(tick: datetime, run: Known | None, memory: Memory, *, bound: bool) -> tuple[str, str] | None:
    if run is not None and (run.bound or run.state not in _MAY_RUN):
        return run.state.value, _word_for(run)
    why = _why_not(tick, memory, bound=bound, known=run is not None)
    return None if why is None else (why.value, _TOLD[why])


def _why_not(tick: datetime, memory: Memory, *, bound: bool, known: bool) -> Why | None:
    if bound:
        return Why.DECIDED
    if memory.doubted_through is not None and tick <= memory.doubted_through:
        return Why.DOUBTED
    if known:
        return None
    if memory.next_tick is not None and tick >= memory.next_tick:
        return Why.OWED
    if tick <= memory.created_at and not memory.before_creation:
        return Why.BEFORE_CREATION
    return Why.PRUNED if _forgotten(tick, memory) else None


def _forgotten(tick: datetime, memory: Memory) -> bool:
    """Tell whether a run of this tick could have been bound and left no trace.

    None of this object's can have been bound before its tick, nor before the object was made.
    """
    if memory.pruned_through is None or tick > memory.pruned_through:
        return False
    return memory.audit_from is None or max(tick, memory.created_at) < memory.audit_from


def _word_for(run: Known) -> str:
    match run.state:
        case RunState.PENDING:
            return "its run is planned already"
        case RunState.RUNNING:
            return "it runs now"
        case _:
            return "its run was decided; a trigger starts one more"
