"""A watch is one connection: what it carries is late, never out of order."""

import asyncio
import random
from collections import Counter

import pytest

from tests.simulation.apiclient import Watches
from tests.simulation.apiserver import ApiServer, where
from tests.simulation.loop import sim_loop
from ticklock.kube.resources import LEASES


@pytest.mark.parametrize("seed", range(8))
def test_events_arrive_in_the_order_of_the_changes(seed: int) -> None:
    chance = random.Random(seed)
    loop = sim_loop(chance)
    server = ApiServer(now=lambda: "2026-03-01T12:00:00Z")
    watches = Watches(server, loop, chance, Counter())
    watches.weather.delay = 2.0
    watch = watches.open("leases", 0)

    async def main() -> None:
        for number in range(12):
            body = {"metadata": {"name": f"lease-{number}", "namespace": "ns"}}
            server.create("somebody", where(LEASES.within("ns").path), body)
            await asyncio.sleep(0.1)
        await asyncio.sleep(10)

    loop.run(main())
    names = [event["object"]["metadata"]["name"] for event in watch.news if event is not None]
    assert names == [f"lease-{number}" for number in range(12)]
