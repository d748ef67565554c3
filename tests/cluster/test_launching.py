"""Every tick becomes one Job, at its time, whichever replica makes it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.support.accounting import every_tick_once
from tests.support.place import manifest
from tests.support.waiting import eventually
from ticklock.domain.model import ClusterId, ScheduleUid, tick_key
from ticklock.domain.names import job_name

if TYPE_CHECKING:
    from tests.support.place import Place, Planted
    from tests.support.stack import Stack

FOREIGN = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox:1.37"}]}


@pytest.mark.timeout(180)
@pytest.mark.field("schedule: @every", check="semantics")
def test_a_hundred_schedules_on_two_replicas_each_tick_once(stack: Stack, place: Place) -> None:
    before = {replica.pod: replica.metrics().value("ticklock_launches_total") for replica in stack.replicas}
    schedules = [place.plant(f"many-{number}", f"@every {5 + number % 10}s") for number in range(100)]
    tally = every_tick_once(stack, schedules, until=time.time() + 30)
    assert len(tally.lags) == len(tally.due) > 300
    assert not tally.late()
    for replica in stack.replicas:
        launched = replica.metrics().value("ticklock_launches_total") - before[replica.pod]
        assert launched > 0, f"{replica.pod} launched none of {len(tally.due)}"


def test_a_job_waits_suspended_before_its_tick_and_starts_at_it(stack: Stack, place: Place) -> None:
    ahead = place.plant("ahead", "@every 7s")
    staged = ahead.wait_seen()
    assert staged.let_go_at is None
    assert staged.last["spec"]["suspend"] is True
    assert staged.seen_at < ahead.tick(1) - 1
    tally = every_tick_once(stack, [ahead], until=ahead.tick(1))
    assert not tally.late()
    assert staged.uid == ahead.launched()[0].uid
    assert stack.rows.trail(ahead.run(ahead.tick(1))["id"])[:3] == ["Planned", "Staged", "Bound"]


@pytest.mark.field("schedule: 6 fields", check="semantics")
def test_seconds_in_the_expression_are_obeyed(stack: Stack, place: Place) -> None:
    tally = every_tick_once(stack, [place.plant("seconds", "*/2 * * * * *")], until=time.time() + 7)
    assert len(tally.lags) >= 3
    assert not tally.late()


def test_a_tick_that_never_ends_does_not_hold_the_next_ones_up(stack: Stack, place: Place) -> None:
    hanging = place.plant("hanging", "@every 3s", simulate={"simulate": "hang"})
    tally = every_tick_once(stack, [hanging], until=hanging.tick(3))
    assert len(tally.lags) == 3


def test_a_run_whose_job_the_api_server_refuses_for_good_fails_and_says_why(stack: Stack, place: Place) -> None:
    body = manifest("refused", "@every 7s")
    container = body["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    container["volumeMounts"] = [{"name": "nowhere", "mountPath": "/data"}]
    planted = place.plant_manifest(body)
    tally = every_tick_once(stack, [planted], until=planted.tick(1), allowed={("Failed", "JobRejected")})
    assert tally.counted() == {("Failed", "JobRejected"): 1}
    row = planted.run(planted.tick(1))
    assert "volumeMounts[0].name" in row["message"]
    assert row["log"] == "Exited"
    planted.wait_status(lambda now: now.get("lastRun", {}).get("reason") == "JobRejected", what="the status shows it")
    assert "volumeMounts[0].name" in planted.condition("LastRunSucceeded")["message"]
    assert not planted.seen()


# -------------------------------------------------------------------------------------------------------- taken names


def names_of(stack: Stack, planted: Planted, tick: int) -> list[str]:
    """The names that a tick's Job may have, in the order in which they are tried."""
    cluster, uid = ClusterId(UUID(stack.cluster.uid)), ScheduleUid(planted.uid)
    at = datetime.fromtimestamp(tick, UTC)
    return [job_name(planted.name, at, cluster, uid, tick_key(at), 1, suffix=suffix) for suffix in range(4)]


def occupy(place: Place, name: str) -> dict[str, Any]:
    spec = {"suspend": True, "template": {"spec": FOREIGN}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    return place.stack.cluster.api.post(place.jobs_path, body)


@pytest.mark.parametrize("taken", [pytest.param(1, id="its name"), pytest.param(3, id="its name and two more")])
def test_a_run_takes_another_name_where_a_stranger_has(stack: Stack, place: Place, taken: int) -> None:
    planted = place.plant("named", "@every 7s")
    names = names_of(stack, planted, planted.tick(1))
    strangers = [occupy(place, name) for name in names[:taken]]
    every_tick_once(stack, [planted], until=planted.tick(1))
    assert planted.launched()[0].name == names[taken]
    for stranger in strangers:
        after = place.job(stranger["metadata"]["name"])
        assert after is not None
        assert (after["metadata"]["uid"], after["spec"]["suspend"]) == (stranger["metadata"]["uid"], True)


def test_a_run_fails_where_strangers_have_all_its_names(stack: Stack, place: Place) -> None:
    planted = place.plant("nameless", "@every 7s")
    for name in names_of(stack, planted, planted.tick(1)):
        occupy(place, name)
    tally = every_tick_once(stack, [planted], until=planted.tick(1), allowed={("Failed", "NameTaken")})
    assert tally.counted() == {("Failed", "NameTaken"): 1}
    assert planted.run(planted.tick(1))["log"] == "Exited"
    eventually(
        lambda: [event for event in planted.events() if event["reason"] == "NameTaken" and event["type"] == "Warning"],
        what="an Event tells that the name is taken",
    )
    planted.wait_launched()  # the next tick has a name of its own
