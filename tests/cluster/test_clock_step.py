"""The clock of the database's machine is set an hour ahead, and back: everybody is told, and nothing starts early."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.test_quarantine import installation_events
from tests.support.accounting import every_tick_once
from tests.support.stack import Stack, can_launch
from tests.support.waiting import eventually
from tools.devcluster.faketime import HOW_TO_GET_IT, library
from tools.devcluster.installation import Shape
from tools.devcluster.pgharm import HarmablePostgres, Prepared
from tools.devcluster.replica import PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600.0
PERIOD = 2


@pytest.fixture
def server() -> Iterator[HarmablePostgres]:
    if library() is None:
        pytest.skip(HOW_TO_GET_IT)
    with HarmablePostgres(Prepared(clock=True)) as started:
        yield started


@pytest.fixture
def clocked(server: HarmablePostgres) -> Iterator[Stack]:
    with Stack(Shape(), database_url=server.url) as stack:
        yield stack


def ticklock(stack: Stack, *words: str) -> Any:
    """Type a command that answers with JSON."""
    done = subprocess.run(
        [PROGRAM, *words, "-o", "json"],
        env=environment(stack.installation.settings()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(240)
def test_an_hour_ahead_and_back(clocked: Stack, server: HarmablePostgres) -> None:
    place = clocked.place()
    planted = place.plant("steady", f"@every {PERIOD}s", successfulJobsHistoryLimit=1000)
    planted.wait_launched(2)
    eventually(lambda: planted.condition("CanLaunch").get("status") == "True", what="its status says that all is well")
    told = len(installation_events(clocked))
    server.clock.step(HOUR)
    stepped = time.time()
    for replica in clocked.replicas:
        eventually(
            lambda replica=replica: replica.metrics().value("ticklock_clock_step") == 1,  # type: ignore[misc]
            what=f"{replica.pod} sees the step",
        )
        assert replica.metrics().value("ticklock_can_launch", reason="ClockStep") == 0
    eventually(lambda: len(installation_events(clocked)) > told, what="an Event tells it")
    eventually(
        lambda: planted.condition("CanLaunch").get("reason") == "ClockStep", what="its status says so", seconds=40
    )
    assert planted.condition("Ready")["status"] == "True"
    assert planted.condition("Stalled")["status"] == "False"
    (shown,) = ticklock(clocked, "quarantine", "status")
    assert shown["gate"] == "closed"
    assert "stepped by 3600" in shown["causes"]["ClockStep"]
    # what was bound when the clock was set is launched; by then it was due
    assert not [job for job in planted.launched() if (job.let_go_at or 0) > stepped + 5]
    assert max(int(row["run_key"].removeprefix("tick:")) for row in planted.runs()) < stepped + 60

    server.clock.step(0)
    eventually(
        lambda: "stepped by -3600" in ticklock(clocked, "quarantine", "status")[0]["causes"].get("ClockStep", ""),
        what="the step back is seen too",
    )
    released = ticklock(clocked, "quarantine", "release", "--reason", "the clock is right again", "--yes")
    assert released["released"] == ["ClockStep"]
    back = time.time()
    eventually(lambda: all(map(can_launch, clocked.replicas)), what="all can launch again")
    every_tick_once(clocked, [planted], until=time.time() + 5, allowed={("Missed", "Outage")})
    assert [job for job in planted.launched() if (job.let_go_at or 0) > back]
    eventually(lambda: planted.condition("CanLaunch").get("status") == "True", what="its status says so", seconds=40)
    assert installation_events(clocked)[told:] == [("Warning", "ClockStep"), ("Warning", "Released")]
    place.remove()
    assert not clocked.errors()
