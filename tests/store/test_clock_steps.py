"""The clock of PostgreSQL's machine is set while the server runs. Nothing starts early, nothing is repeated."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from tests.store.makers import declared, seconds
from tests.store.test_clock import DECISIONS
from tests.store.world import TTL, World, ending
from ticklock.domain.clock import STEP
from ticklock.domain.errors import Unready
from ticklock.domain.model import Declared
from ticklock.domain.reasons import Reason
from ticklock.ports import Person
from ticklock.store import gate
from ticklock.store.candidates import TO_BIND, candidates
from ticklock.store.ledger import PostgresLedger
from ticklock.store.migrate import migrate
from tools.devcluster.faketime import HOW_TO_GET_IT, library
from tools.devcluster.pgharm import HarmablePostgres, Prepared

HOUR = 3600.0
AGREED = 31.0
"""Seconds of even running after which a clock is believed again."""


class Times:
    """All clocks there are. Time passes for all of them; the database's may be set, and so may those of replicas."""

    def __init__(self, server: HarmablePostgres) -> None:
        self._server = server
        self._passed = 0.0
        self._off = 0.0
        self.machines_off = 0.0
        self._apply()

    def go_by(self, passed: float) -> None:
        """Let time pass, without waiting for it."""
        self._passed += passed
        self._apply()

    def set_database(self, off: float) -> None:
        """Set the database's clock so far from the true time."""
        self._off = off
        self._apply()

    def _apply(self) -> None:
        self._server.clock.step(self._passed + self._off)

    def true(self) -> datetime:
        return datetime.now(UTC) + seconds(self._passed)

    def wall(self) -> datetime:
        return self.true() + seconds(self.machines_off)

    def monotonic(self) -> float:
        return time.monotonic() + self._passed


@pytest.fixture(scope="module")
def settable() -> Iterator[HarmablePostgres]:
    if library() is None:
        pytest.skip(HOW_TO_GET_IT)
    with HarmablePostgres(Prepared(clock=True)) as server:
        yield server


@pytest.fixture
def times(settable: HarmablePostgres) -> Times:
    return Times(settable)


@pytest.fixture
async def ticking(settable: HarmablePostgres, times: Times) -> AsyncIterator[World]:
    """Give a world on that server, whose replicas go by those clocks."""
    name = settable.create_database()
    migrate(settable.url_of(name))
    made = World(settable.url_of(name))
    made.db.monotonic, made.db.wall = times.monotonic, times.wall
    await made.open()
    yield made
    await made.close()


def another(ticking: World, times: Times) -> PostgresLedger:
    """Return a replica that has just started."""
    return ticking.replica("fresh", monotonic=times.monotonic, wall=times.wall)


async def settle(ticking: World, times: Times, *others: PostgresLedger) -> None:
    """Let half a minute pass in which all look at the clock."""
    for _ in range(4):
        for ledger in (ticking.ledger, *others):
            await ledger.pulse(leading=ledger is ticking.ledger)
        times.go_by(AGREED / 3)
    for ledger in (ticking.ledger, *others):
        await ledger.pulse(leading=ledger is ticking.ledger)


async def launch_due(ticking: World) -> int:
    """Take every step that a replica takes for what is due; return how many runs it launched."""
    await ticking.ledger.pulse(leading=True)
    await ticking.plan()
    await ticking.stage()
    bound = (await ticking.bind()).bound
    await ticking.launch(bound)
    await ticking.ledger.record([ending(one) for one in bound])
    return len(bound)


async def ticks(ticking: World, item: Declared) -> list[datetime]:
    """Return the ticks that have a run, oldest first."""
    return [row.scheduled_time for row in await ticking.attempts(item)]


@pytest.mark.parametrize("method", DECISIONS)
@pytest.mark.parametrize("step", [HOUR, 5.0, -5.0, -HOUR])
async def test_a_step_stops_every_decision(ticking: World, times: Times, method: str, step: float) -> None:
    await DECISIONS[method](ticking.ledger)
    times.set_database(step)
    with pytest.raises(Unready, match="ClockStep"):
        await DECISIONS[method](ticking.ledger)


async def test_a_small_step_stops_nothing(ticking: World, times: Times) -> None:
    await ticking.plan()
    times.set_database(STEP.total_seconds() / 2)
    await ticking.plan()


class TestAnHourAhead:
    async def test_nothing_of_the_next_hour_is_planned_or_launched(self, ticking: World, times: Times) -> None:
        item = declared(expression="@every 10s")
        await ticking.store(item)
        await ticking.plan()
        await ticking.stage()
        before = await ticks(ticking, item)
        times.set_database(HOUR)
        for ledger in (ticking.ledger, another(ticking, times)):
            for decide in DECISIONS.values():
                with pytest.raises(Unready, match="ClockStep"):
                    await decide(ledger)
        assert await ticks(ticking, item) == before
        assert {state for state, _ in await ticking.verdicts(item)} == {"planned"}
        times.set_database(0)
        await settle(ticking, times)
        launched = await launch_due(ticking)
        assert launched >= 1
        rows = await ticking.attempts(item)
        assert all(row.bound_at >= row.due_at and row.due_at <= times.true() for row in rows if row.bound_at)
        assert len({row.run_id for row in rows}) == len(rows)

    async def test_it_lasts_while_the_replicas_know_better(self, ticking: World, times: Times) -> None:
        await ticking.plan()
        times.set_database(HOUR)
        await settle(ticking, times)
        with pytest.raises(Unready):
            await ticking.plan()

    async def test_a_step_between_the_gate_and_the_bind_makes_nothing_due(self, ticking: World, times: Times) -> None:
        item = declared(expression="@every 5s")
        await ticking.store(item)
        await ticking.plan(seconds(60))
        await ticking.stage()
        async with ticking.db.decision() as (connection, now):
            times.set_database(HOUR)
            found = await candidates(connection, ticking.db, TO_BIND, now=now, limit=100)
        assert all(one.row["due_at"] <= now + STEP for one in found)

    async def test_the_highest_time_gone_by_is_not_raised_by_it(self, ticking: World, times: Times) -> None:
        times.set_database(HOUR)
        await ticking.ledger.pulse(leading=True)
        assert await ticking.value("SELECT highest_time FROM clusters") < times.true() + seconds(60)

    async def test_a_replica_that_starts_is_not_taken_in_by_a_step_that_others_have_seen(
        self, ticking: World, times: Times
    ) -> None:
        # less than a minute: by its own clock alone it would believe that
        times.set_database(45)
        await ticking.ledger.pulse(leading=True)
        fresh = another(ticking, times)
        with pytest.raises(Unready, match=r"stepped by 4[45]"):
            await fresh.plan(horizon=seconds(3), limit=10)
        await settle(ticking, times, fresh)
        await fresh.plan(horizon=seconds(3), limit=10)

    async def test_the_leader_writes_it_down_and_tells_it_once(self, ticking: World, times: Times) -> None:
        times.set_database(HOUR)
        for _ in range(3):
            await ticking.ledger.pulse(leading=True)
            await ticking.ledger.tend_gate(ticking.epoch)
        times.set_database(0)
        await settle(ticking, times)
        await ticking.ledger.tend_gate(ticking.epoch)
        queued = [item.reason for item in await ticking.ledger.outbox(ticking.epoch, limit=100) if item.ref is None]
        assert queued == [Reason.CLOCK_STEP, Reason.CLOCK_SETTLED]


class TestAnHourBack:
    async def began(self, ticking: World, times: Times) -> tuple[Declared, int]:
        """Launch a few ticks of a schedule; return it with how many."""
        item = declared(expression="@every 10s", created_at=times.true().replace(microsecond=0))
        await ticking.store(item)
        launched = 0
        for _ in range(4):
            times.go_by(10)
            launched += await launch_due(ticking)
        assert launched >= 3
        return item, launched

    @pytest.mark.parametrize("by", ["a person", "the clocks of the replicas"])
    async def test_nothing_is_repeated(self, ticking: World, times: Times, by: str) -> None:
        item, launched = await self.began(ticking, times)
        runs = await ticks(ticking, item)
        times.set_database(-HOUR)
        for decide in DECISIONS.values():
            with pytest.raises(Unready, match="ClockStep"):
                await decide(ticking.ledger)
        if by == "a person":
            await settle(ticking, times)
            with pytest.raises(Unready):
                await ticking.plan()
            assert await gate.release(ticking.db, Person("ada", "the former time was wrong")) == [Reason.CLOCK_STEP]
            await ticking.ledger.pulse(leading=True)
        else:
            times.machines_off = -HOUR  # as where time itself was wrong, and is now set right everywhere
            await settle(ticking, times)
        for _ in range(5):
            times.go_by(600)
            assert await launch_due(ticking) <= len(runs) - launched, "but what was planned before"
        assert [tick for tick in await ticks(ticking, item) if tick <= max(runs)] == runs
        times.go_by(1200)
        await launch_due(ticking)
        rows = await ticking.attempts(item)
        assert max(row.scheduled_time for row in rows) > max(runs)
        assert len({row.scheduled_time for row in rows}) == len(rows)

    async def test_a_replica_that_starts_sees_that_others_have_gone_by_a_later_time(
        self, ticking: World, times: Times
    ) -> None:
        await ticking.ledger.pulse(leading=True)
        times.set_database(-30)
        with pytest.raises(Unready, match="stepped by -"):
            await another(ticking, times).claim_stranded(ttl=TTL, limit=10)


async def test_after_an_outage_of_all_replicas_a_sensible_clock_is_believed_at_once(
    ticking: World, times: Times
) -> None:
    await ticking.ledger.pulse(leading=True)
    times.go_by(3 * HOUR)
    await another(ticking, times).plan(horizon=seconds(3), limit=10)


async def test_after_an_outage_a_clock_that_nobody_vouches_for_is_watched_first(ticking: World, times: Times) -> None:
    await ticking.ledger.pulse(leading=True)
    times.go_by(3 * HOUR)
    times.machines_off = 20
    fresh = another(ticking, times)
    with pytest.raises(Unready, match="ClockStep"):
        await fresh.plan(horizon=seconds(3), limit=10)
    for _ in range(3):
        await fresh.pulse(leading=False)
        times.go_by(AGREED / 2)
    await fresh.plan(horizon=seconds(3), limit=10)
