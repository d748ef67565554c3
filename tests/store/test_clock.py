"""The database's clock decides, as long as it is to be believed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.store.makers import declared, seconds
from tests.store.world import TTL, World, wall
from ticklock.domain.clock import SETTLE_SECONDS, ClockWatch
from ticklock.domain.errors import Unready
from ticklock.store.ledger import PostgresLedger


class Clocks:
    """The monotonic clock and the wall clock of a replica, as a test sets them."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.off = timedelta(0)

    def monotonic(self) -> float:
        return self.elapsed

    def wall(self) -> datetime:
        return wall() + self.off


DECISIONS: dict[str, Callable[[PostgresLedger], Awaitable[object]]] = {
    "plan": lambda ledger: ledger.plan(horizon=seconds(3), limit=10),
    "claim for staging": lambda ledger: ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10),
    "bind": lambda ledger: ledger.bind(ttl=TTL, limit=10, verified=frozenset()),
    "claim stranded": lambda ledger: ledger.claim_stranded(ttl=TTL, limit=10),
}


def watching(world: World, clocks: Clocks) -> PostgresLedger:
    return world.replica("watching", monotonic=clocks.monotonic, wall=clocks.wall)


@pytest.mark.parametrize("method", DECISIONS)
async def test_a_step_stops_decisions(world: World, method: str) -> None:
    clocks = Clocks()
    replica = watching(world, clocks)
    await DECISIONS[method](replica)
    clocks.elapsed -= 100.0  # the same as a database that is suddenly a hundred seconds ahead
    with pytest.raises(Unready, match="ClockStep: the database's clock stepped by 100"):
        await DECISIONS[method](replica)


async def test_the_pulse_sees_it_and_says_so(world: World) -> None:
    clocks = Clocks()
    replica = watching(world, clocks)
    assert (await replica.pulse(leading=False)).quarantined is None
    clocks.elapsed += 100.0
    assert (await replica.pulse(leading=False)).quarantined == "ClockStep: the database's clock stepped by -100.0 s"
    with pytest.raises(Unready):
        await replica.plan(horizon=seconds(3), limit=10)


async def test_other_replicas_go_on(world: World) -> None:
    clocks = Clocks()
    replica = watching(world, clocks)
    await replica.pulse(leading=False)
    clocks.elapsed += 100.0
    await replica.pulse(leading=False)
    await world.store(declared())
    assert await world.plan() == 1


async def test_decisions_resume_after_thirty_seconds_of_agreement(world: World) -> None:
    clocks = Clocks()
    replica = watching(world, clocks)
    await replica.pulse(leading=False)
    clocks.elapsed += 100.0
    await replica.pulse(leading=False)
    alarm = replica.db.watch.alarm_since
    assert alarm is not None
    replica.db.watch = shifted(replica, SETTLE_SECONDS - 5)
    with pytest.raises(Unready):
        await replica.plan(horizon=seconds(3), limit=10)
    replica.db.watch = shifted(replica, 6)
    await replica.plan(horizon=seconds(3), limit=10)
    assert not replica.db.watch.alarmed


def shifted(replica: PostgresLedger, seconds_passed: float) -> ClockWatch:
    """Let the alarm have been so many seconds longer ago."""
    watch = replica.db.watch
    assert watch.alarm_since is not None
    return replace(watch, alarm_since=watch.alarm_since - seconds_passed)


async def test_a_replica_that_starts_beside_a_clock_far_off_its_own_decides_nothing(world: World) -> None:
    clocks = Clocks()
    clocks.off = -timedelta(hours=1)
    replica = watching(world, clocks)
    with pytest.raises(Unready, match="stepped by 36"):
        await replica.plan(horizon=seconds(3), limit=10)


async def test_the_time_is_estimated_between_two_looks(world: World) -> None:
    clocks = Clocks()
    replica = watching(world, clocks)
    assert replica.db.now() is None
    pulse = await replica.pulse(leading=False)
    clocks.elapsed += 1.5
    assert replica.db.now() == pulse.db_now + seconds(1.5)
