"""What a schedule may have been at each moment: which specs can have been in force, and whether it existed.

An operation counts at the earliest from when it was asked for, and at the latest from when the object's own status says
that its generation was taken in. In between either is possible, and nothing that depends on it is demanded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tests.chaos.cron import NotUnderstoodError, ticks
from tests.chaos.evidence import Evidence, moment
from tests.chaos.history import Action, Change, ScheduleSight, Spec
from tests.chaos.operations import NEVER, Operation
from tests.chaos.trouble import Troubles

_DOUBT = 60.0
"""How long an operation may still be at work whose answer the client did not wait for."""
_OF_SPECS = frozenset({Action.CREATE, Action.EDIT, Action.SUSPEND, Action.RESUME})


@dataclass(frozen=True, slots=True)
class Version:
    """One generation of a spec."""

    generation: int
    spec: Spec
    possible_from: float
    """When it was asked for."""
    surely_from: float
    """When it was first seen to be taken in; never, if nobody saw that."""
    acknowledged_at: float | None


@dataclass(frozen=True)
class Life:
    """One ScheduledJob, from its creation to its end."""

    uid: str
    created_at: float
    versions: tuple[Version, ...]
    unclear: tuple[tuple[float, float], ...]
    """While an operation on it had no answer."""
    gone_from: float
    """From when on it may be gone."""
    gone_by: float
    """From when on nothing of it may start."""
    forgotten_from: float
    """From when on older versions may be back, because the cluster was set back."""
    ops: tuple[Operation, ...]

    @cached_property
    def taken_in_at(self) -> float:
        """When it was first seen to be taken in at all."""
        return min((one.surely_from for one in self.versions), default=NEVER)

    def superseded_at(self, version: Version) -> float:
        """From when on a version cannot be in force any more."""
        later = [one.surely_from for one in self.versions if one.generation > version.generation]
        end = min(later, default=NEVER)
        return NEVER if end >= self.forgotten_from else end

    def possible(self, begin: float, end: float) -> list[Version]:
        """The versions that may have been in force at some moment of [begin, end]."""
        return [one for one in self.versions if one.possible_from <= end and self.superseded_at(one) >= begin]

    def in_doubt(self, at: float) -> bool:
        """Whether an operation without an answer may be at work."""
        return any(begin <= at <= end for begin, end in self.unclear)

    def ticks(self, version: Version, until: float) -> Sequence[int]:
        """The ticks of a version while it may be in force; none where its spec means nothing."""
        first = max(int(self.created_at) + 1, int(version.possible_from))
        last = min(until, self.superseded_at(version), self.gone_by)
        if version.spec.suspend or last < first:
            return ()
        return _ticks(version.spec, anchor=int(self.created_at), first=first, last=int(last))


def lives(evidence: Evidence, troubles: Troubles) -> dict[str, Life]:
    """Every ScheduledJob that anything tells of."""
    uids = sorted(set(evidence.ops_on) | set(evidence.schedules))
    return {uid: life for uid in uids if (life := _life(uid, evidence, troubles)) is not None}


def followable(spec: Spec) -> bool:
    """Whether expression and zone mean something."""
    try:
        ticks(spec.schedule, spec.time_zone, anchor=0, first=1, last=0)
    except NotUnderstoodError:
        return False
    return True


@lru_cache(maxsize=4096)
def _ticks(spec: Spec, *, anchor: int, first: int, last: int) -> tuple[int, ...]:
    try:
        return tuple(ticks(spec.schedule, spec.time_zone, anchor=anchor, first=first, last=last))
    except NotUnderstoodError:
        return ()


def _life(uid: str, evidence: Evidence, troubles: Troubles) -> Life | None:
    sights = sorted(evidence.schedules.get(uid, ()), key=lambda sight: sight.at)
    ops = tuple(evidence.ops_on.get(uid, ()))
    created_at = _created_at(sights, ops)
    if created_at is None:
        return None
    set_back = min((one.begin for one in troubles.all if one.lost_objects and one.heal >= created_at), default=NEVER)
    gone_from, gone_by = _end(uid, sights, evidence, troubles)
    if _missing_at_the_end(uid, evidence):
        gone_from = min(gone_from, set_back)
    return Life(
        uid=uid,
        created_at=created_at,
        versions=_versions(sights, ops, created_at),
        unclear=tuple((op.at, min(op.answered_at, op.at + _DOUBT)) for op in ops if not op.acknowledged),
        gone_from=gone_from,
        gone_by=gone_by if set_back == NEVER else NEVER,
        forgotten_from=set_back,
        ops=ops,
    )


def _created_at(sights: Iterable[ScheduleSight], ops: Iterable[Operation]) -> float | None:
    answers = [op.answer for op in ops if op.action is Action.CREATE and op.acknowledged]
    seen = [sight.created_at for sight in sights] + [one.created_at for one in answers if one is not None]
    return next((at for at in seen if at is not None), None)


def _versions(sights: list[ScheduleSight], ops: tuple[Operation, ...], created_at: float) -> tuple[Version, ...]:
    specs: dict[int, Spec] = {}
    acknowledged: dict[int, Operation] = {}
    for op in ops:
        generation = op.answer.generation if op.answer is not None and op.acknowledged else None
        if op.action in _OF_SPECS and generation is not None and op.asked.spec is not None:
            specs.setdefault(generation, op.asked.spec)
            acknowledged.setdefault(generation, op)
    specs |= {sight.generation: sight.spec for sight in sights}
    return tuple(
        Version(
            generation,
            specs[generation],
            possible_from=created_at
            if generation == min(specs)
            else _asked_at(generation, specs[generation], op=acknowledged.get(generation), sights=sights, ops=ops),
            surely_from=_taken_in_at(generation, sights),
            acknowledged_at=acknowledged[generation].answered_at if generation in acknowledged else None,
        )
        for generation in sorted(specs)
    )


def _asked_at(
    generation: int, spec: Spec, *, op: Operation | None, sights: list[ScheduleSight], ops: tuple[Operation, ...]
) -> float:
    """The earliest moment at which a generation can have come to be."""
    if op is not None:
        return op.at
    seen_at = min((one.at for one in sights if one.generation == generation), default=NEVER)
    silent = [one.at for one in ops if not one.acknowledged and one.asked.spec == spec and one.at <= seen_at]
    before = [one.at for one in sights if one.generation < generation]
    return min(silent, default=max((at for at in before if at <= seen_at), default=seen_at))


def _taken_in_at(generation: int, sights: list[ScheduleSight]) -> float:
    seen = (one.at for one in sights if one.observed_generation is not None and one.observed_generation >= generation)
    return min(seen, default=NEVER)


def _end(uid: str, sights: list[ScheduleSight], evidence: Evidence, troubles: Troubles) -> tuple[float, float]:
    """From when on the object may be gone, and from when on nothing of it may start."""
    deletes = [op for op in evidence.ops_on.get(uid, ()) if op.action is Action.DELETE]
    sure = [op.answered_at for op in deletes if op.acknowledged]
    sure += [one.at for one in sights if one.change is Change.DELETED]
    if not sure and not (deletes and _missing_at_the_end(uid, evidence)):
        return NEVER, NEVER
    last_alive = max((one.at for one in sights if one.change is not Change.DELETED), default=-NEVER)
    asked = min((op.at for op in deletes), default=last_alive)
    known = min(sure, default=evidence.final.at if evidence.final else NEVER)
    buried = [moment(row.get("deleted_at")) for row in evidence.rows("schedules") if str(row["uid"]) == uid]
    tombstone = next((at for at in buried if at is not None), NEVER)
    return asked, min(troubles.deadline(known, evidence.meta.bounds.taken_in), max(tombstone, asked))


def _missing_at_the_end(uid: str, evidence: Evidence) -> bool:
    return evidence.final is not None and all(one.uid != uid for one in evidence.final.schedules)
