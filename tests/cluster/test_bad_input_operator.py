"""Objects that cannot be used: each is told what is wrong with it, and none of them holds the others up."""

from __future__ import annotations

import time
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.accounting import every_tick_once
from tests.support.bad_manifests import CASES
from tests.support.place import RARELY, manifest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.bad_manifests import BadManifest
    from tests.support.place import Place, Planted
    from tests.support.stack import Stack

CONDITIONS = [case for case in CASES if case.outcome == "condition"]
EXECUTABLE_GARBAGE = "\u202e\U0001f4a9'; DROP TABLE runs; -- ${jndi:x} %s %(x)s {0} \\u0000"


def under(name: str, body: dict[str, Any]) -> dict[str, Any]:
    named = deepcopy(body)
    named["metadata"]["name"] = name
    return named


def told(planted: Planted, case: BadManifest) -> bool:
    ready, stalled = planted.condition("Ready"), planted.condition("Stalled")
    if (ready.get("status"), stalled.get("status")) != ("False", "True"):
        return False
    notes = [event["note"] for event in planted.events() if event["type"] == "Warning"]
    return case.field in ready["message"] and case.field in stalled["message"] and any(case.field in n for n in notes)


@pytest.mark.field("schedule", "timeZone", check="status")
@pytest.mark.field("schedule", "timeZone", "exclude", check="Event")
@pytest.mark.field("schedule", "timeZone", "exclude", check="validation")
def test_each_bad_object_says_what_is_wrong_while_a_good_one_ticks(stack: Stack, place: Place) -> None:
    good = place.plant("good", "@every 2s")
    planted = {
        number: place.plant_manifest(under(f"bad-{number}", case.manifest)) for number, case in enumerate(CONDITIONS)
    }
    for number, case in enumerate(CONDITIONS):
        question = partial(told, planted[number], case)
        eventually(question, what=f"{case.name}: conditions and Event name {case.field}")
        assert planted[number].status()["observedGeneration"] == 1
    tally = every_tick_once(stack, [good], until=time.time() + 3)
    assert not tally.late()
    assert not [job for one in planted.values() for job in one.seen()]


@pytest.mark.field("timeZone", check="status")
def test_a_mended_object_is_ready_and_ticks(place: Place) -> None:
    broken = place.plant("mended", "@every 2s", timeZone="Europe/Belrin")
    eventually(lambda: broken.condition("Stalled").get("status") == "True", what="it is told to be wrong")
    broken.edit(timeZone="Europe/Berlin")
    broken.wait_launched()
    eventually(lambda: broken.condition("Ready").get("status") == "True", what="it is told to be right")
    assert broken.condition("Stalled")["status"] == "False"


STATUSES: list[dict[str, Any]] = [
    {"lastScheduleTime": "9999-12-31T23:59:59Z", "ledgerSeq": 2**53 - 1},
    {"lastTrigger": EXECUTABLE_GARBAGE, "conditions": []},
    {"lastScheduleTime": "0001-01-01T00:00:00+23:59"},
]


def test_objects_with_a_poisoned_status_stop_nobody_else(stack: Stack, place: Place) -> None:
    for number, status in enumerate(STATUSES):
        poisoned = place.plant(f"poisoned-{number}", "@every 2s", suspend=True)
        stack.cluster.api.merge_patch(f"{poisoned.path}/status", {"status": status})
        poisoned.edit(suspend=False)
    good = place.plant("beside", "@every 2s")
    tally = every_tick_once(stack, [good], until=good.tick(3))
    assert not tally.late()


TRIGGERS = {"garbage": EXECUTABLE_GARBAGE, "as-long-as-may-be": "x" * 200_000, "empty": "", "nul": "a\0b"}


def test_objects_with_a_poisoned_trigger_stop_nobody_else(stack: Stack, place: Place) -> None:
    poisoned = []
    for name, trigger in TRIGGERS.items():
        body = manifest(name, RARELY)
        body["metadata"]["annotations"] = {"ticklock.dev/trigger": trigger}
        poisoned.append(place.plant_manifest(body))
    good = place.plant("beside", "@every 2s")
    tally = every_tick_once(stack, [good], until=good.tick(3))
    assert not tally.late()
    for one in poisoned:
        one.wait_status(lambda now: bool(now.get("conditions")), what=f"{one.name} has a status all the same")
        assert all(len(jobs) == 1 for jobs in stack.sights.launched(one.uid).values())


PRETENDERS = [
    {"ticklock.dev/run-id": "no uuid", "ticklock.dev/attempt": "-1"},
    {"ticklock.dev/run-id": str(uuid4()), "ticklock.dev/attempt": "9" * 40},
    {"ticklock.dev/run-id": str(uuid4()), "ticklock.dev/attempt": "1", "ticklock.dev/scheduled-time": "soon"},
]


@pytest.mark.parametrize("suspend", [pytest.param(False, id="running"), pytest.param(True, id="suspended")])
def test_jobs_that_pretend_to_be_ours_stop_nobody_else(stack: Stack, place: Place, suspend: bool) -> None:  # noqa: FBT001
    spec = {**manifest("x", RARELY)["spec"]["jobTemplate"]["spec"], "suspend": suspend}
    for number, notes in enumerate(PRETENDERS):
        name = f"pretender-{number}"
        metadata = {"name": name, "labels": {"ticklock.dev/schedule": "beside"}, "annotations": notes}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
        stack.cluster.api.post(place.jobs_path, job)
    good = place.plant("beside", "@every 2s")
    tally = every_tick_once(stack, [good], until=good.tick(3))
    assert not tally.late()
