"""What a replica tells Prometheus, the kubelet, and people who read logs."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.place import RARELY
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place
    from tests.support.stack import Stack
    from tools.devcluster.replica import Replica

EVERYWHERE = {
    "ticklock_launches_total",
    "ticklock_run_lag_seconds_count",
    "ticklock_planned",
    "ticklock_due",
    "ticklock_overdue_seconds",
    "ticklock_can_launch",
    "ticklock_quarantine",
    "ticklock_clock_step",
    "ticklock_claim_seconds_count",
    "ticklock_api_request_seconds_count",
    "ticklock_duty_last_success_timestamp_seconds",
    "ticklock_leader",
    "ticklock_build_info",
    "ticklock_duplicates_total",
}
ON_THE_LEADER = {
    "ticklock_objects",
    "ticklock_reconciled_total",
    "ticklock_status_writes_total",
    "ticklock_events_posted_total",
    "ticklock_finalizers_held",
    "ticklock_spec_lag_seconds_count",
}


@pytest.mark.field("schedule", check="metric")
def test_runs_by_outcome_are_counted(stack: Stack, place: Place) -> None:
    good, bad = place.plant("counted", RARELY), place.plant("failing", RARELY, simulate={"simulate": "fail"})
    for planted in (good, bad):
        planted.trigger("once")
        planted.wait_launched()

    def ended(name: str, state: str, reason: str) -> float:
        labels = {"namespace": place.namespace, "name": name, "state": state, "reason": reason}
        return sum(replica.metrics().value("ticklock_runs_total", **labels) for replica in stack.replicas)

    eventually(lambda: ended("counted", "Completed", "JobCompleted") == 1, what="the good run is counted once")
    eventually(lambda: ended("failing", "Failed", "JobFailed") == 1, what="the bad run is counted once")


@pytest.mark.field("schedule", check="metric")
def test_each_schedule_has_its_times(stack: Stack, place: Place) -> None:
    planted = place.plant("timed", "@every 6s")
    planted.wait_status(lambda now: "lastSuccessfulTime" in now, what="it has run")
    labels = {"namespace": place.namespace, "name": "timed"}
    leader = stack.leader()
    for name in ("last_success", "last_schedule", "next_schedule"):
        full = f"ticklock_{name}_timestamp_seconds"
        eventually(partial(_value, leader, full, labels), what=f"{full} is there")
        assert abs(_value(leader, full, labels) - planted.tick(1)) < 30


def _value(replica: Replica, name: str, labels: dict[str, str]) -> float:
    return replica.metrics().value(name, **labels)


def test_every_replica_tells_the_same_set_of_things(stack: Stack, place: Place) -> None:
    place.plant("told", "@every 2s").wait_launched()
    leader = stack.leader()
    for replica in stack.replicas:
        found = replica.metrics()
        expected = EVERYWHERE | (ON_THE_LEADER if replica is leader else set())
        assert expected <= found.names, f"{replica.pod} lacks {sorted(expected - found.names)}"
        assert found.value("ticklock_can_launch") == 1
        assert found.value("ticklock_duplicates_total") == 0
        assert found.value("ticklock_leader") == float(replica is leader)


def test_api_calls_and_decisions_are_timed(stack: Stack, place: Place) -> None:
    place.plant("measured", "@every 2s").wait_launched(2)
    total = {"launch": 0.0, "create": 0.0, "bind": 0.0}
    for replica in stack.replicas:
        found = replica.metrics()
        total["launch"] += found.value("ticklock_api_request_seconds_count", verb="PATCH", resource="jobs", code="200")
        total["create"] += found.value("ticklock_api_request_seconds_count", verb="POST", resource="jobs", code="201")
        total["bind"] += found.value("ticklock_claim_seconds_count", operation="bind")
    assert min(total.values()) >= 1, total


def test_health_tells_its_causes(stack: Stack) -> None:
    leader = stack.leader()
    for replica in stack.replicas:
        status, body = replica.get("/healthz")
        alive = json.loads(body)
        assert (status, alive["alive"], alive["stuck"]) == (200, True, [])
        assert {"planner", "stager", "dispatcher", "heart"} <= alive["ages"].keys()
        status, body = replica.get("/readyz")
        ready = json.loads(body)
        assert (status, ready["ready"], ready["leading"]) == (200, True, replica is leader)
        assert ready["leader"] == leader.pod
        assert ready["launching"] == {"able": True, "cause": ""}


def test_logs_are_json_without_a_password(stack: Stack, place: Place) -> None:
    planted = place.plant("logged", RARELY)
    planted.trigger("once")
    job = planted.wait_launched()
    facts = eventually(
        lambda: [fact for fact in stack.facts("run launched") if fact["job"] == job.name], what="the launch is logged"
    )
    assert len(facts) == 1
    assert {"timestamp", "level", "pod", "run", "schedule", "tick", "lag_s"} <= facts[0].keys()
    password = stack.installation.database_url.split(":")[2].split("@")[0]
    for replica in stack.replicas:
        text = replica.log.read_text()
        assert password not in text
        assert "Bearer ey" not in text
