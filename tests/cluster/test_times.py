"""The further fields of time, from an object to its launches."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.support.place import Place, Planted, manifest
from tests.support.waiting import eventually
from ticklock.domain.spread import seed_of
from ticklock.domain.times import Times


def plant(place: Place, name: str, **spec: Any) -> Planted:
    body = manifest(name, "", **spec)
    del body["spec"]["schedule"]
    return place.plant_manifest(body)


def launched_ticks(planted: Planted) -> list[int]:
    return sorted(job.tick for job in planted.launched() if job.tick is not None)


@pytest.mark.timeout(240)
@pytest.mark.field("schedules", "exclude", "schedule: 6 fields", check="semantics")
def test_several_expressions_without_their_exclusions_each_moment_once(place: Place) -> None:
    planted = plant(
        place, "several", schedules=["*/4 * * * * *", "*/6 * * * * *"], exclude=["12 * * * * *", "36 * * * * *"]
    )
    created = int(planted.created.timestamp())
    wanted = [
        moment
        for moment in range(created + 1, created + 31)
        if (moment % 4 == 0 or moment % 6 == 0) and moment % 60 not in {12, 36}
    ]
    eventually(lambda: launched_ticks(planted)[-1:] >= wanted[-1:], what="half a minute is launched", seconds=150)
    assert [tick for tick in launched_ticks(planted) if tick <= wanted[-1]] == wanted
    runs = [row["run_key"] for row in planted.runs() if row["scheduled_time"].timestamp() <= wanted[-1]]
    assert runs == [f"tick:{tick}" for tick in wanted]


@pytest.mark.field("jitterSeconds", "everySeconds", check="semantics")
@pytest.mark.field("jitterSeconds", check="status")
def test_jitter_moves_each_launch_alike_and_the_tick_not_at_all(place: Place) -> None:
    jitter = Times(jitter_seconds=3)
    name = next(f"late-{n}" for n in count() if jitter.delay(seed_of(place.namespace, f"late-{n}")).seconds == 3)
    planted = plant(place, name, everySeconds=9, jitterSeconds=3)
    job = planted.wait_launched(seconds=60)
    tick = int(planted.created.timestamp()) + 9
    assert job.tick == tick
    assert job.let_go_at is not None
    assert job.let_go_at - tick > 2.9, "not before its jitter is over"
    annotation = job.last["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert datetime.fromisoformat(annotation) == datetime.fromtimestamp(tick, UTC)
    at = f"{datetime.fromtimestamp(tick, UTC):%Y-%m-%dT%H:%M:%SZ}"
    status = planted.wait_status(
        lambda now: now.get("lastRun", {}).get("scheduledTime") == at and "lagSeconds" in now["lastRun"],
        what="the lag of the first run is told",
    )
    launched = planted.run(tick)["launched_at"].timestamp()
    assert status["lastRun"]["lagSeconds"] == pytest.approx(launched - tick - 3, abs=0.01), "jitter is no lag"


@pytest.mark.field("startAt", "endAt", "everySeconds", check="semantics")
@pytest.mark.field("endAt", check="status")
def test_nothing_runs_before_the_start_and_after_the_end(place: Place) -> None:
    now = int(time.time())
    begin, end = (datetime.fromtimestamp(now + seconds, UTC).isoformat() for seconds in (16, 20))
    planted = plant(place, "window", everySeconds=2, startAt=begin, endAt=end)
    planted.wait_launched(3, seconds=60)
    planted.wait_status(lambda now: "nextScheduleTime" not in now, what="there is no tick to come")
    assert launched_ticks(planted) == [now + 16, now + 18, now + 20]
    assert [row["run_key"] for row in planted.runs()] == [f"tick:{tick}" for tick in launched_ticks(planted)]
    assert planted.condition("Ready")["status"] == "True"


def test_without_any_field_that_says_when_only_a_trigger_runs(place: Place) -> None:
    planted = plant(place, "on-demand")
    planted.wait_status(lambda now: "observedGeneration" in now, what="it is known")
    assert planted.condition("Ready")["status"] == "True"
    planted.trigger("now")
    assert planted.wait_launched().tick is None


SPELLINGS = {
    "macro": "@yearly",
    "names": "30 2 * FEB MON-FRI",
    "any": "30 2 1 2 ?",
    "last-day": "30 2 L 2 *",
    "second-monday": "30 2 * 2 MON#2",
    "hash": "H H 1 2 *",
}


@pytest.mark.field("schedule: macros", "schedule: names", "schedule: ?", check="semantics")
@pytest.mark.field("schedule: L", "schedule: #", "schedule: H", check="semantics")
def test_each_spelling_is_taken_and_promises_its_next_tick(place: Place) -> None:
    planted = {name: place.plant(name, expression) for name, expression in SPELLINGS.items()}
    promised = {
        name: datetime.fromisoformat(
            one.wait_status(lambda now: "nextScheduleTime" in now, what=name)["nextScheduleTime"]
        )
        for name, one in planted.items()
    }
    created = planted["macro"].created
    year = created.year + 1

    def in_february(day: int, **more: int) -> datetime:
        return datetime(year, 2, day, **{"hour": 2, "minute": 30, **more}, tzinfo=UTC)

    begin = in_february(1)
    first_monday = 1 + (7 - begin.weekday()) % 7
    wanted = {
        "macro": datetime(year, 1, 1, tzinfo=UTC),
        "names": in_february(1 if begin.weekday() < 5 else first_monday),
        "any": begin,
        "last-day": begin.replace(month=3) - timedelta(days=1),
        "second-monday": in_february(first_monday + 7),
    }
    if created.month <= 2:  # then some of them lie in this year, and that is for the unit tests
        wanted = {"macro": wanted["macro"]}
    assert {name: promised[name] for name in wanted} == wanted
    assert (promised["hash"].month, promised["hash"].day) == (2, 1)
