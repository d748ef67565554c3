"""What says the same many times over is told as one Event, and each tick of it is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from ticklock.domain.errors import Transient
from ticklock.domain.model import ObjectRef, RunState, ScheduleUid
from ticklock.domain.reasons import Reason
from ticklock.engine.courtesy import Courtesy
from ticklock.engine.notices import FEW, gathered
from ticklock.engine.reporter import Reporter
from ticklock.ports import ObjectEvent
from ticklock.telemetry import PrometheusMeter

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
A, B = (ObjectRef("shop", name, ScheduleUid(f"uid-{name}")) for name in ("a", "b"))
MISSED, SKIPPED, COMPLETED = RunState.MISSED, RunState.SKIPPED, RunState.COMPLETED


def event(
    number: int, ref: ObjectRef | None = A, state: RunState | None = MISSED, reason: Reason = Reason.OUTAGE, **more: Any
) -> ObjectEvent:
    at = NOON + timedelta(seconds=number)
    return ObjectEvent(number, ref, "Warning", reason, "Run", f"run {number}", at, state=state, **more)


def numbered(count: int, **more: Any) -> list[ObjectEvent]:
    return [event(number, **more) for number in range(count)]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(numbered(FEW), [(0,), (1,), (2,)], id="a few, one by one"),
        pytest.param(numbered(FEW + 1), [(0, 1, 2, 3)], id="more, as one"),
        pytest.param(numbered(9, state=SKIPPED), [tuple(range(9))], id="skipped ones too"),
        pytest.param(numbered(5, state=COMPLETED), [(0,), (1,), (2,), (3,), (4,)], id="runs that ran, one by one"),
        pytest.param(numbered(5, state=None), [(0,), (1,), (2,), (3,), (4,)], id="what ends no run, one by one"),
        pytest.param(numbered(5, ref=None), [(0,), (1,), (2,), (3,), (4,)], id="the installation's, one by one"),
        pytest.param(
            [event(number, B if number % 2 else A) for number in range(8)],
            [(0, 2, 4, 6), (1, 3, 5, 7)],
            id="of each schedule by itself",
        ),
        pytest.param(
            [*numbered(4), *(event(number, reason=Reason.DEADLINE_EXCEEDED) for number in (4, 5))],
            [(0, 1, 2, 3), (4,), (5,)],
            id="each reason by itself",
        ),
    ],
)
def test_what_is_told_together(events: list[ObjectEvent], told: list[tuple[int, ...]]) -> None:
    assert [tuple(part.id for part in notice.parts) for notice in gathered(events)] == told


def test_it_says_how_many_and_has_the_name_of_the_last() -> None:
    (notice,) = gathered([*numbered(3), event(3, ticks=1440)])
    assert notice.event.note == "1443 ticks did not run; the last of them: run 3"
    assert (notice.event.id, notice.event.at) == (3, NOON + timedelta(seconds=3))


class World:
    """An outbox, and where its Events go."""

    def __init__(self, events: Sequence[ObjectEvent]) -> None:
        self.waiting = list(events)
        self.notes: list[str] = []
        self.away = False

    async def outbox(self, _: int, *, limit: int) -> list[ObjectEvent]:
        return self.waiting[:limit]

    async def posted(self, _: int, ids: Sequence[int]) -> None:
        self.waiting = [one for one in self.waiting if one.id not in ids]

    async def post(self, one: ObjectEvent) -> None:
        if self.away:
            raise Transient("the API server is away")
        self.notes.append(one.note)


def reporter_of(world: World) -> tuple[Reporter, PrometheusMeter]:
    meter, anything = PrometheusMeter(version="test", strict=True), cast("Any", world)
    courtesy = Courtesy(lambda: False, longest=1)
    slots = asyncio.Semaphore(4)
    return Reporter(anything, anything, anything, anything, meter, 1, slots, 0.1, courtesy), meter


async def test_a_hundred_missed_ticks_are_one_event_and_a_hundred_in_the_metrics() -> None:
    world = World(numbered(100))
    reporter, meter = reporter_of(world)
    await reporter.post()
    assert world.notes == ["100 ticks did not run; the last of them: run 99"]
    assert world.waiting == []
    text = meter.expose().decode()
    assert 'ticklock_missed_ticks_total{namespace="shop",name="a",reason="Outage"} 100.0' in text
    assert 'ticklock_runs_total{namespace="shop",name="a",state="Missed",reason="Outage"} 100.0' in text


async def test_a_range_counts_each_of_its_ticks_and_is_one_run() -> None:
    world = World([event(1, ticks=5000)])
    reporter, meter = reporter_of(world)
    await reporter.post()
    text = meter.expose().decode()
    assert 'ticklock_missed_ticks_total{namespace="shop",name="a",reason="Outage"} 5000.0' in text
    assert 'ticklock_runs_total{namespace="shop",name="a",state="Missed",reason="Outage"} 1.0' in text


async def test_what_cannot_be_posted_waits_and_is_not_counted() -> None:
    world = World(numbered(10))
    reporter, meter = reporter_of(world)
    world.away = True
    await reporter.post()
    assert len(world.waiting) == 10
    assert "missed_ticks_total{" not in meter.expose().decode()
    world.away = False
    await reporter.post()
    assert (len(world.waiting), len(world.notes)) == (0, 1)
