"""What was owed: every tick and every trigger that should have, or may have, become a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.chaos.evidence import Evidence, RunName
from tests.chaos.history import Action, Spec
from tests.chaos.lives import Life, followable
from tests.chaos.operations import NEVER, Operation
from tests.chaos.trouble import Troubles

FRESH = 55.0
"""An object that is taken in within a minute of its creation owes its ticks from then on; this is surely within."""
LONGEST_TRIGGER = 128


@dataclass(frozen=True, slots=True)
class Target:
    """One run that must, or may, be there."""

    run: RunName
    since: float
    """Nothing of it may start before: its tick, or the moment at which the trigger was asked for."""
    due: float
    """What its lag counts from: its tick, or the moment at which the trigger was acknowledged."""
    mandatory: bool
    specs: tuple[Spec, ...]
    """What may have been in force then."""


def targets(evidence: Evidence, lives: Iterable[Life], troubles: Troubles) -> dict[RunName, Target]:
    """Every tick and trigger of the history up to its final dump; mandatory up to its horizon at most."""
    found: dict[RunName, Target] = {}
    until = evidence.final.at if evidence.final else max((one.at for one in evidence.history.entries), default=0.0)
    for life in lives:
        for target in (*_ticks(life, until, evidence.horizon, troubles), *_triggers(life, evidence, troubles)):
            found[target.run] = target
    return found


def _ticks(life: Life, until: float, horizon: float, troubles: Troubles) -> Iterator[Target]:
    of: dict[int, set[int]] = defaultdict(set)
    for version in life.versions:
        for tick in life.ticks(version, until):
            of[tick].add(version.generation)
    for tick, generations in sorted(of.items()):
        possible = life.possible(tick, tick)
        certain = {one.generation for one in possible} <= generations and not life.in_doubt(tick)
        settled = troubles.deadline(tick, troubles.bounds.on_time) < life.gone_from
        mandatory = certain and settled and _begun(life, tick) and tick <= horizon
        specs = tuple(one.spec for one in possible if one.generation in generations)
        yield Target(RunName(life.uid, f"tick:{tick}"), tick, tick, mandatory, specs)


def _begun(life: Life, tick: int) -> bool:
    """Whether a tick lies after the moment at which the schedule surely counts: it owes nothing older."""
    return life.taken_in_at <= life.created_at + FRESH or tick > life.taken_in_at


def _triggers(life: Life, evidence: Evidence, troubles: Troubles) -> Iterator[Target]:
    asked: dict[str, list[Operation]] = defaultdict(list)
    for op in life.ops:
        if op.action is Action.TRIGGER and op.asked.trigger is not None and len(op.asked.trigger) <= LONGEST_TRIGGER:
            asked[op.asked.trigger].append(op)
    for value, ops in asked.items():
        answered = min((op.answered_at for op in ops if op.acknowledged), default=NEVER)
        due = answered if answered < NEVER else ops[0].at
        versions = life.possible(ops[0].at, due)
        quiet = troubles.bounds.taken_in + troubles.bounds.on_time
        mandatory = (
            answered <= evidence.horizon
            and troubles.deadline(due, quiet) < life.gone_from
            and not _overwritten(value, ops[0].at, life, evidence)
            and all(followable(one.spec) for one in versions)
        )
        yield Target(
            RunName(life.uid, f"trigger:{value}"), ops[0].at, due, mandatory, tuple(one.spec for one in versions)
        )


def _overwritten(value: str, at: float, life: Life, evidence: Evidence) -> bool:
    """Whether another value may have taken the place of this one before anybody looked: only the last one counts."""
    sights = evidence.schedules.get(life.uid, ())
    taken_at = min((one.at for one in sights if one.last_trigger == value and one.at >= at), default=NEVER)
    others = (op for op in life.ops if op.action is Action.TRIGGER and op.asked.trigger != value)
    return any(op.answered_at >= at and op.at <= taken_at for op in others)
