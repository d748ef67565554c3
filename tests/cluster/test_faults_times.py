"""Every field of time while one replica after the other is killed: what is due is launched once, and nothing else."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.accounting import DEAD_SECONDS, EARLY_SECONDS
from tests.support.place import manifest
from tests.support.waiting import eventually
from ticklock.domain.parse import declared
from ticklock.domain.timing import declared_delay, declared_timetable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.place import Place, Planted
    from tests.support.stack import Stack
    from ticklock.domain.model import Declared

KEEP = 1000
FEW = 2
WINDOW = range(6, 45)
"""Seconds from now: it opens before the first is killed, and closes after the other is."""
WATCHED = 62
"""Seconds at least: a full minute lies in them, whenever they begin."""

CASES: dict[str, dict[str, Any]] = {
    "minutes": {"schedule": "* * * * *"},
    "seconds": {"schedule": "*/5 * * * * *"},
    "names": {"schedule": "*/6 * * * JAN-DEC SUN-SAT"},
    "any": {"schedule": "*/7 * * ? * ?"},
    "last-day": {"schedule": "*/8 * * 1-31,L * *"},
    "first-monday": {"schedule": "*/9 * * * * 0-6,MON#1"},
    "hash": {"schedule": "H/8 * * * * *"},
    "every": {"schedule": "@every 4s", "startingDeadlineSeconds": 60},
    "merged": {"schedules": ["*/4 * * * * *", "*/6 * * * * *"], "exclude": ["12 * * * * *", "36 * * * * *"]},
    "distance": {"everySeconds": 5, "jitterSeconds": 3},
    "zone": {
        "schedule": "*/5 * * * * *",
        "timeZone": "Australia/Lord_Howe",
        "dst": {"nonexistent": "Skip", "ambiguous": "Both"},
    },
    "paused": {"everySeconds": 1, "suspend": True},
}


def plant(place: Place) -> dict[str, Planted]:
    now = int(time.time())
    begin, end = (datetime.fromtimestamp(now + edge, UTC).isoformat() for edge in (WINDOW.start, WINDOW.stop))
    window = {"everySeconds": 3, "startAt": begin, "endAt": end}
    return {name: plant_one(place, name, spec) for name, spec in {**CASES, "window": window}.items()}


def plant_one(place: Place, name: str, spec: dict[str, Any], **simulate: str) -> Planted:
    body = manifest(name, "", simulate=simulate)
    del body["spec"]["schedule"]
    body["spec"] |= {"successfulJobsHistoryLimit": KEEP, "failedJobsHistoryLimit": KEEP, **spec}
    return place.plant_manifest(body)


def killed_and_back(stack: Stack) -> Iterator[float]:
    """Kill the leader, and start it; then the other. Yield when each was killed, once it is back."""
    for victim in (stack.leader(), stack.other()):
        victim.kill9()
        killed = time.time()
        pass_by(killed + 3)
        victim.start()
        victim.wait_ready()
        stack.leader()
        yield killed


def pass_by(moment: float) -> None:
    eventually(lambda: time.time() > moment, what="the moment has passed", seconds=90)


def read(planted: Planted) -> Declared:
    item = declared(planted.object())
    assert item is not None
    return item


def horizon(planted: Planted, until: float) -> datetime:
    """The last moment whose tick is due by then: launches come as much later as the jitter says."""
    return datetime.fromtimestamp(until, UTC) - declared_delay(read(planted))


def wanted(planted: Planted, until: float) -> list[int]:
    """The ticks up to its horizon, by the timetable: its tests compare it with an enumeration second by second."""
    item = read(planted)
    assert item.rule is not None
    if item.rule.suspend:
        return []
    ticks = declared_timetable(item, item.rule).ticks(after=planted.created, until=horizon(planted, until))
    return [int(tick.timestamp()) for tick in ticks]


def launched(planted: Planted, until: float) -> list[int]:
    last = horizon(planted, until).timestamp()
    return sorted(job.tick for job in planted.launched() if job.tick is not None and job.tick <= last)


@pytest.mark.timeout(300)
@pytest.mark.field("schedule", "schedules", "everySeconds", "startAt", "endAt", "exclude", check="SIGKILL")
@pytest.mark.field("timeZone", "dst", "jitterSeconds", "suspend", "startingDeadlineSeconds", check="SIGKILL")
@pytest.mark.field("schedule: 6 fields", "schedule: @every", "schedule: names", "schedule: ?", check="SIGKILL")
@pytest.mark.field("schedule: L", "schedule: #", "schedule: H", check="SIGKILL")
@pytest.mark.field("successfulJobsHistoryLimit", "failedJobsHistoryLimit", check="SIGKILL")
def test_each_tick_is_launched_once_though_both_replicas_are_killed(stack: Stack, place: Place) -> None:
    planted = plant(place)
    good = plant_one(place, "good", {"everySeconds": 2, "successfulJobsHistoryLimit": FEW})
    bad = plant_one(place, "bad", {"everySeconds": 2, "failedJobsHistoryLimit": FEW}, simulate="fail")
    planted["window"].wait_launched()
    *_, last = killed_and_back(stack)
    until = max(last + DEAD_SECONDS + 2, planted["window"].created.timestamp() + WATCHED)
    pass_by(until)
    due = {name: wanted(one, until) for name, one in planted.items()}
    eventually(
        lambda: all(launched(one, until)[-1:] == due[name][-1:] for name, one in planted.items()),
        what="the last tick of each is launched",
        seconds=DEAD_SECONDS * 2,
    )
    assert {name: launched(one, until) for name, one in planted.items()} == due
    assert [name for name, ticks in due.items() if not ticks] == ["paused"]
    for one in planted.values():
        in_time(one)
    for one in (good, bad):
        one.edit(suspend=True)
        tidied(one)


def in_time(planted: Planted) -> None:
    """Fail on a launch before its time, and on one later than a dead replica's claim explains."""
    delay = declared_delay(read(planted)).total_seconds()
    lags = {job.tick: (job.let_go_at or 0) - job.tick - delay for job in planted.launched() if job.tick is not None}
    assert not {tick: lag for tick, lag in lags.items() if not -EARLY_SECONDS <= lag <= DEAD_SECONDS}, planted.name


def tidied(planted: Planted) -> None:
    """Wait until as many Jobs are left as the spec says."""

    def kept() -> int:
        jobs = planted.place.jobs()
        return sum(job["metadata"]["ownerReferences"][0]["uid"] == planted.uid for job in jobs)

    eventually(lambda: kept() == FEW, what=f"{FEW} Jobs of {planted.name} are kept", seconds=60)
