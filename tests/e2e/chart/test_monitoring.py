"""The shipped rules and dashboard, evaluated by a Prometheus that reads the replicas' pods.

The rules are as shipped, with their thresholds and windows: whoever is late has been so for minutes when this is asked.
Only that `TicklockMissedRun` goes when its ten minutes are over is asked of the same rules with shorter windows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.chart.planting import Planted
from tests.e2e.chart.prometheus import Prometheus
from tests.support.queries import of_the_dashboard
from tests.support.waiting import eventually
from tools.devcluster.parts import PROMETHEUS

if TYPE_CHECKING:
    from tests.e2e.chart.figures import Figures
    from tests.e2e.chart.monitored import Monitored
    from tests.e2e.chart.release import Release

LATE_AFTER = 300 + 60
"""What `prometheusRule.lateSeconds` and the rule's `for:` add up to."""
QUIET = (
    "TicklockDuplicateDetected",
    "TicklockNoLeader",
    "TicklockDatabaseUnavailable",
    "TicklockQuarantine",
    "TicklockClockStep",
    "TicklockRunningTooLong",
    "TicklockSecondPod",
)
NEVER_HERE = {"dashboard: Duties that fail A": "a duty is counted from its first failure, and none need fail"}
"""Panels that may be empty, and why."""
RAISED = "raised by a schedule in trouble, gone when that was mended"


def test_shorter_windows_are_all_that_differs(monitored: Monitored) -> None:
    shipped, others = (monitored.prometheus.rules(group) for group in ("shipped", "shortened"))
    assert [one["name"] for one in others] == [one["name"] for one in shipped]
    for rule, other in zip(shipped, others, strict=True):
        assert without_lengths(other["query"]) == without_lengths(rule["query"])
        assert other["duration"] * 20 == rule["duration"]


def without_lengths(query: str) -> str:
    return re.sub(r"(\[|offset )\d+[smh]", r"\1", query)


@pytest.fixture
def prometheus_(monitored: Monitored) -> Prometheus:
    return monitored.prometheus


def test_it_reads_every_replica(release: Release, prometheus_: Prometheus) -> None:
    assert prometheus_.version() == PROMETHEUS
    wanted = dict.fromkeys(release.homes(), "up")
    eventually(lambda: prometheus_.targets() == wanted, what="the replicas, and they alone, are read", seconds=60)


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in of_the_dashboard()])
def test_a_query_of_the_dashboard_has_data(prometheus_: Prometheus, query: str, request: pytest.FixtureRequest) -> None:
    found = prometheus_.query(query)
    if request.node.callspec.id not in NEVER_HERE:
        assert found, query
    assert "NaN" not in [one["value"][1] for one in found if "histogram" not in query]


def about(planted: Planted) -> dict[str, str]:
    return {"namespace": planted.room.namespace, "name": planted.name}


def test_a_schedule_that_fails_and_is_mended(monitored: Monitored, figures: Figures) -> None:
    prometheus, planted = monitored.prometheus, monitored.failing
    eventually(lambda: prometheus.firing("TicklockFailing", about(planted)), what="it is raised", seconds=60)
    command(planted, "true")
    eventually(lambda: not prometheus.firing("TicklockFailing", about(planted)), what="it goes", seconds=120)
    figures.alert("TicklockFailing", RAISED)


def test_a_schedule_that_misses_ticks_and_is_mended(monitored: Monitored, figures: Figures) -> None:
    prometheus, planted = monitored.prometheus, monitored.missing
    labels = {**about(planted), "reason": "DeadlineExceeded"}
    eventually(lambda: prometheus.firing("TicklockMissedRun", labels), what="it is raised", seconds=60)
    assert prometheus.firing("TicklockMissedRun", labels, shortened=True)
    command(planted, "true")
    end_what_runs(planted)
    eventually(lambda: not prometheus.firing("TicklockMissedRun", labels, shortened=True), what="it goes", seconds=120)
    figures.alert("TicklockMissedRun", RAISED)


def test_a_run_that_is_late_and_comes(monitored: Monitored, figures: Figures) -> None:
    prometheus, planted = monitored.prometheus, monitored.late
    eventually(lambda: prometheus.firing("TicklockRunLate"), what="it is raised", seconds=LATE_AFTER + 60)
    assert len(planted.launched()) == 1
    end_what_runs(planted)
    eventually(lambda: not prometheus.firing("TicklockRunLate"), what="it goes", seconds=60)
    assert len(planted.launched()) == 2
    figures.alert("TicklockRunLate", RAISED)


def command(planted: Planted, *words: str) -> None:
    """Let its pods do something else."""
    containers = [{"name": "main", "image": "busybox:1.37", "command": list(words)}]
    planted.patch({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": containers}}}}}})


def end_what_runs(planted: Planted) -> None:
    """Delete its Job, as a person does who is tired of waiting."""
    selector = f"--selector=ticklock.dev/schedule={planted.name}"
    planted.room.kubectl("delete", "jobs", selector, "--wait=false")


@pytest.mark.parametrize("name", QUIET)
def test_no_alert_without_a_cause(prometheus_: Prometheus, name: str, figures: Figures) -> None:
    assert not prometheus_.firing(name)
    figures.alert(name, "quiet, as nothing was wrong")
