"""PostgreSQL hangs: it takes connections and answers nothing. Everybody is told in time, and it goes on by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once
from tests.support.stack import can_launch, cannot_launch
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place
    from tests.support.stack import Stack

KEEP = 1000
TOLD = 20.0
"""A heartbeat is given up after 5 s, and its connection after another 10 s at the latest."""
BACK = 45.0
"""A transaction is given up after 30 s, and then its connection; steps that hang meanwhile are tried again."""


@pytest.mark.timeout(240)
def test_a_database_that_hangs_and_comes_back(own_stack: Stack, own_place: Place) -> None:
    schedules = [own_place.plant(f"steady-{at}", f"@every {2 + at}s", successfulJobsHistoryLimit=KEEP) for at in (0, 1)]
    for planted in schedules:
        planted.wait_launched()
    server = own_stack.installation.postgres
    assert server is not None
    quarantines = len(own_stack.facts("quarantine begins"))
    server.pause()
    paused = time.time()
    try:
        for replica in own_stack.replicas:
            eventually(lambda replica=replica: cannot_launch(replica), what="it says so", seconds=TOLD)  # type: ignore[misc]  # bound now
            assert replica.ready(), "it can serve all the same"
    finally:
        server.resume()
    back = time.time()
    for replica in own_stack.replicas:
        eventually(lambda replica=replica: can_launch(replica), what="it says so", seconds=BACK)  # type: ignore[misc]  # bound now
    eventually(
        lambda: any((job.tick or 0) > back for one in schedules for job in one.launched()),
        what="launches go on by themselves",
        seconds=BACK,
    )
    tally = every_tick_once(own_stack, schedules, until=time.time() + 3, allowed={("Missed", "Outage")})
    assert all(name.tick > paused - 15 for name in tally.verdicts), "a verdict on a tick long before the outage"
    assert len(own_stack.facts("quarantine begins")) == quarantines, "nothing was lost, so nothing is compared"
    assert all(replica.alive for replica in own_stack.replicas)
