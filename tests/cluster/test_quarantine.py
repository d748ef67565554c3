"""PostgreSQL goes away: nothing is launched meanwhile, everybody is told, and it goes on by itself when it is back."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once, on_time
from tests.support.place import RARELY
from tests.support.stack import can_launch, cannot_launch
from tests.support.waiting import eventually
from tools.devcluster.manifests import HOME
from tools.devcluster.postgres import Shutdown

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.place import Place, Planted
    from tests.support.stack import Stack
    from tools.devcluster.postgres import Postgres

KEEP = 1000
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{HOME}/events"
SECONDS = 15.0
"""In which a quarantine is over."""


def busy(place: Place, number: int = 12) -> list[Planted]:
    schedules = [
        place.plant(f"steady-{at}", f"@every {1 + at % 3}s", successfulJobsHistoryLimit=KEEP) for at in range(number)
    ]
    for planted in schedules:
        planted.wait_launched()
    return schedules


def database(stack: Stack) -> Postgres:
    assert stack.installation.postgres is not None
    return stack.installation.postgres


def installation_events(stack: Stack) -> list[tuple[str, str]]:
    """The (type, reason) of the Events about the Lease, oldest first, also where the database's clock was set."""
    found = [one for one in stack.cluster.api.get(EVENTS)["items"] if one["regarding"]["kind"] == "Lease"]
    found.sort(key=lambda one: (str(one["metadata"]["creationTimestamp"]), str(one["eventTime"])))
    return [(one["type"], one["reason"]) for one in found]


def kill(server: Postgres) -> None:
    server.kill9()
    server.start()


def restart(server: Postgres) -> None:
    server.restart(Shutdown.FAST)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("harm", [pytest.param(restart, id="restarted"), pytest.param(kill, id="killed and started")])
def test_the_database_restarts_in_the_middle(
    own_stack: Stack, own_place: Place, harm: Callable[[Postgres], None]
) -> None:
    schedules = busy(own_place)
    ended = len(own_stack.facts("quarantine is over"))
    told = installation_events(own_stack)
    harm(database(own_stack))
    back = time.time()
    eventually(
        lambda: any((job.let_go_at or 0) > back for one in schedules for job in one.launched()),
        what="launches go on by themselves",
        seconds=SECONDS,
    )
    tally = every_tick_once(own_stack, schedules, until=time.time() + 5, allowed={("Missed", "Outage")})
    assert all(name.tick > back - 20 for name in tally.verdicts), "a verdict on a tick long before the outage"
    late = [lag for name, lag in tally.lags.items() if name.tick > back + SECONDS]
    assert all(lag <= on_time() for lag in late)
    assert len(own_stack.facts("quarantine is over")) > ended
    assert own_stack.facts("quarantine begins")
    for planted in schedules:
        assert {row["state"] for row in planted.runs()} <= {"Completed", "Running", "Pending", "Missed"}
    news = eventually(lambda: installation_events(own_stack)[len(told) :], what="it is told, and that it is over")
    eventually(lambda: len(installation_events(own_stack)) >= len(told) + 2, what=f"both are told, not only {news}")
    assert installation_events(own_stack)[len(told) :] == [("Warning", "Quarantine"), ("Normal", "Reconciled")]


@pytest.mark.timeout(180)
def test_everybody_is_told_while_the_database_is_away(own_stack: Stack, own_place: Place) -> None:
    planted = own_place.plant("waiting", "@every 1s", successfulJobsHistoryLimit=KEEP)
    planted.wait_launched(2)
    server = database(own_stack)
    server.stop()
    stopped = time.time()
    try:
        for replica in own_stack.replicas:
            eventually(partial(cannot_launch, replica), what=f"{replica.pod} says it cannot launch")
            assert replica.metrics().value("ticklock_can_launch", reason="DatabaseUnavailable") == 0
            assert any(sample == "DatabaseUnavailable" for sample in _reasons(replica.get("/metrics")[1])), (
                "the metric does not say why"
            )
            status, body = replica.get("/readyz")
            ready = json.loads(body)
            assert (status, ready["ready"], ready["launching"]["able"]) == (200, True, False)
            assert ready["launching"]["cause"]
            assert replica.get("/healthz")[0] == 200
        eventually(lambda: time.time() > stopped + 5, what="it was away for a while")
        assert not [job for job in planted.launched() if (job.let_go_at or 0) > stopped + 1]
    finally:
        server.start()
    eventually(lambda: all(map(can_launch, own_stack.replicas)), what="all can launch again", seconds=SECONDS)
    every_tick_once(own_stack, [planted], until=time.time() + 2, allowed={("Missed", "Outage")})


def _reasons(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("ticklock_can_launch{")]
    return [line.split('reason="')[1].split('"')[0] for line in lines]


@pytest.mark.timeout(180)
def test_runs_that_end_while_the_database_is_away_are_recorded_afterwards(own_stack: Stack, own_place: Place) -> None:
    planted = own_place.plant("long", RARELY, simulate={"simulate-seconds": "2"})
    planted.trigger("once")
    job = planted.wait_launched()
    planted.wait_run(lambda row: row["state"] == "Running", what="it runs")
    server = database(own_stack)
    server.stop(Shutdown.IMMEDIATE)
    try:
        eventually(lambda: job.ended_at is not None, what="the Job ends without the ledger")
    finally:
        server.start()
    planted.wait_run(lambda row: row["state"] == "Completed", what="its end is recorded", seconds=SECONDS)
    status = planted.wait_status(
        lambda now: now.get("lastRun", {}).get("state") == "Completed", what="and told", seconds=SECONDS
    )
    assert status["lastRun"]["jobName"] == job.name
    assert len(planted.launched()) == 1


@pytest.mark.timeout(180)
def test_triggers_and_edits_made_while_the_database_is_away_count_afterwards(
    own_stack: Stack, own_place: Place
) -> None:
    planted = own_place.plant("asked", RARELY)
    planted.wait_status(lambda now: now.get("observedGeneration") == 1, what="it is known")
    server = database(own_stack)
    server.stop()
    try:
        planted.edit(schedule="0 0 1 2 *")
        planted.trigger("meanwhile")
    finally:
        server.start()
    planted.wait_launched(seconds=SECONDS)
    planted.wait_status(
        lambda now: (now["observedGeneration"], now.get("lastTrigger")) == (2, "meanwhile"), what="both are in force"
    )
    assert len(planted.launched()) == 1
