"""What the status of an object says of its ticks only ever grows, and in the end it is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.case import Case
from tests.chaos.evidence import Run, RunName
from tests.chaos.findings import Findings
from tests.chaos.history import ScheduleSight
from tests.chaos.operations import NEVER, clock

_NEVER_LAUNCHED = frozenset({"Skipped", "Missed", "Pending"})


class _Number(NamedTuple):
    """A field of the status that only grows."""

    field: str
    of: Callable[[ScheduleSight], int | None]


_GROWS = (
    _Number("lastScheduleTime", lambda sight: sight.last_schedule_time),
    _Number("ledgerSeq", lambda sight: sight.ledger_seq),
    _Number("observedGeneration", lambda sight: sight.observed_generation),
)


def statuses(case: Case, found: Findings) -> None:
    """Find a status that went back, runs ahead of its spec, or forgets a run that started."""
    for uid, sights in case.evidence.schedules.items():
        ordered = _ordered(case, uid, sights)
        for number in _GROWS:
            _growing(case, number, ordered, found)
        for sight in ordered:
            if (sight.observed_generation or 0) > sight.generation:
                label = case.evidence.label(uid)
                sentence = f"{label} has observed generation {sight.observed_generation} of {sight.generation}"
                # What the ledger had observed went with the objects; the number may not go back, and waits for edits.
                tell = found.note if any(one.lost_objects for one in case.troubles.before(sight.at)) else found.fail
                tell(sentence, at=sight.at, evidence=(sight,))
    for sight in case.evidence.final.schedules if case.evidence.final else ():
        _at_the_end(case, sight, found)


def _ordered(case: Case, uid: str, sights: Sequence[ScheduleSight]) -> list[ScheduleSight]:
    """By version: watches and lists may cross. Only a cluster that was set back counts versions anew."""
    life = case.lives.get(uid)
    by_time = life is not None and life.forgotten_from < NEVER
    return sorted(sights, key=lambda one: (one.at if by_time else one.resource_version, one.at))


def _growing(case: Case, number: _Number, sights: Sequence[ScheduleSight], found: Findings) -> None:
    for before, after in pairwise(sights):
        was, now = number.of(before), number.of(after)
        if was is None or (now is not None and now >= was):
            continue
        if any(one.lost_objects and one.begin <= after.at and one.heal >= before.at for one in case.troubles.all):
            continue
        label = case.evidence.label(after.uid)
        sentence = f"status.{number.field} of {label} went from {was} back to {now}"
        found.fail(sentence, at=after.at, evidence=(before, after))


def _at_the_end(case: Case, sight: ScheduleSight, found: Findings) -> None:
    runs = [run for _, run in case.started.get(sight.uid, ()) if run.name.tick is not None]
    ticks = [run.name.tick for run in runs if run.name.tick is not None and run.name.tick <= case.evidence.horizon]
    label, shown = case.evidence.label(sight.uid), sight.last_schedule_time
    if ticks and (shown is None or shown < max(ticks)):
        sentence = f"status.lastScheduleTime of {label} is {_shown(shown)}, but the tick {clock(max(ticks))} started"
        found.fail(sentence, at=sight.at, evidence=(sight,))
    if shown is not None and _never_launched(case.run(RunName(sight.uid, f"tick:{shown}"))):
        sentence = f"status.lastScheduleTime of {label} is {_shown(shown)}, a tick that never started"
        found.fail(sentence, at=sight.at, evidence=(sight,))


def _never_launched(run: Run) -> bool:
    return run.started_at is None and (run.row is None or run.state in _NEVER_LAUNCHED)


def _shown(tick: int | None) -> str:
    return "empty" if tick is None else clock(tick)
