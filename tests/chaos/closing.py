"""The closing table of a soak: what there was to do and what was broken. The checker's report follows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.chaos.findings import Judgement
from tests.chaos.history import Action, ClientOp, Fault, FaultPhase, History, NodePhase, NodeSight, Target

_WIDTH = 34


def closing(history: History, judgement: Judgement) -> Iterator[str]:
    """Yield the table."""
    figures = judgement.figures
    created = {entry.schedule_uid for entry in history.each(ClientOp) if entry.action is Action.CREATE} - {None}
    begun = [one for one in history.each(Fault) if one.phase is FaultPhase.BEGIN]
    starts = sum(sight.phase is NodePhase.START for sight in history.each(NodeSight))
    yield _row("schedules", str(len(created)))
    yield _row("ticks and triggers", f"{figures.owed} owed, {figures.optional} in doubt, {starts} pods started")
    yield from _several("faults", Counter(one.name for one in begun if one.target is not Target.PEOPLE))
    yield from _several("what people did", Counter(one.name for one in begun if one.target is Target.PEOPLE))
    yield _row("two Jobs for one tick", str(figures.doubled))
    yield _row("lost without a word", str(figures.lost))
    yield _row("verdict", "FAILED" if judgement.failures else "nothing double, nothing lost, nothing left over")


def _row(name: str, value: str) -> str:
    return f"  {name:<{_WIDTH}} {value}"


def _several(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield _row(name, str(sum(counts.values())))
    for what, count in sorted(counts.items()):
        yield f"    {what:<{_WIDTH - 2}} {count}"
