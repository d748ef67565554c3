"""The API server goes away in the middle and comes back: what had to run has run once, or is accounted for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once, on_time
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place, Planted
    from tests.support.stack import Stack

KEEP = 1000
"""So that nothing goes while the bystander's watch is broken too."""
AGAIN = 30.0


@pytest.mark.timeout(180)
def test_the_api_server_killed_and_started_during_ticks(own_stack: Stack, own_place: Place) -> None:
    schedules = [
        own_place.plant(f"steady-{number}", f"@every {1 + number % 4}s", successfulJobsHistoryLimit=KEEP)
        for number in range(20)
    ]
    schedules[-1].wait_launched()
    own_stack.cluster.kill_apiserver()
    killed = time.time()
    eventually(lambda: time.time() > killed + 3, what="it was away for some ticks")
    own_stack.cluster.start_apiserver()
    _go_on(schedules, time.time())
    own_stack.leader()
    allowed = {("Missed", "Outage"), ("Missed", "DeadlineExceeded")}
    tally = every_tick_once(own_stack, schedules, until=time.time() + 4, allowed=allowed)
    assert all(name.tick > killed - 2 for name in tally.verdicts), "a verdict on a tick before the outage"
    later = [lag for name, lag in tally.lags.items() if name.tick > time.time() - 3]
    assert later
    assert max(later) <= on_time()


def _go_on(schedules: list[Planted], back: float) -> None:
    """Wait for a launch of a tick that was due after the API server came back."""
    eventually(
        lambda: any((job.tick or 0) > back for planted in schedules for job in planted.launched()),
        what="launches go on",
        seconds=AGAIN,
    )


@pytest.mark.timeout(180)
def test_the_api_server_restarted_politely_during_ticks(own_stack: Stack, own_place: Place) -> None:
    schedules = [
        own_place.plant(f"calm-{number}", "@every 2s", successfulJobsHistoryLimit=KEEP) for number in range(10)
    ]
    schedules[-1].wait_launched()
    own_stack.cluster.restart_apiserver()
    _go_on(schedules, time.time())
    own_stack.leader()
    every_tick_once(own_stack, schedules, until=time.time() + 3, allowed={("Missed", "Outage")})
