"""Two candidates and a Lease in memory, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.support.memory_lease import MemoryLease
from tests.support.virtual_time import run_virtual
from ticklock.domain.lease import LeaseTimes
from ticklock.engine.elector import Clocks, Elector, Term

TIMES = LeaseTimes()
START = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)


def now() -> float:
    return asyncio.get_running_loop().time()


class Replica:
    """One candidate with a network of its own, and what it did while leading."""

    def __init__(self, name: str, lease: MemoryLease, everybodys_terms: list[Term]) -> None:
        self.network = MemoryLease(lease)
        self.everybodys_terms = everybodys_terms
        random = Random(name)  # the same chances in every run
        clocks = Clocks(now, lambda: START + timedelta(seconds=now()), random.random)
        self.elector = Elector(self.network, identity=name, clocks=clocks, times=TIMES)
        self.terms: list[Term] = []
        self.begun: list[float] = []
        self.ended: list[float] = []
        self.stopping_seconds = 0.0
        self.task: asyncio.Task[None] | None = None

    async def lead(self, term: Term) -> None:
        assert not any(other.valid(now()) for other in self.everybodys_terms)
        self.everybodys_terms.append(term)
        self.terms.append(term)
        self.begun.append(now())
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self.stopping_seconds)
            self.ended.append(now())

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def electing(*replicas: Replica) -> Any:
    async with asyncio.TaskGroup() as group:
        for replica in replicas:
            replica.task = group.create_task(replica.elector.run(replica.lead))
        yield
        for replica in replicas:
            if replica.task is not None:
                replica.task.cancel()


@dataclass(frozen=True)
class Cast:
    """The Lease, who leads when the scene begins, and who does not."""

    lease: MemoryLease
    first: Replica
    second: Replica


Scene = Callable[[Cast], Awaitable[None]]


def play(scene: Scene) -> None:
    async def main() -> None:
        lease, terms = MemoryLease(), list[Term]()
        first, second = Replica("first", lease, terms), Replica("second", lease, terms)
        context: AbstractAsyncContextManager[None] = electing(first, second)
        async with context:
            await until(lambda: first.elector.leading or second.elector.leading)
            await scene(Cast(lease, first, second) if first.elector.leading else Cast(lease, second, first))

    run_virtual(main)


async def until(question: Callable[[], bool], *, seconds: float = 60) -> float:
    """Wait for it in steps of 10 ms; return how long it took."""
    started = now()
    while not question():
        assert now() - started < seconds
        await asyncio.sleep(0.01)
    return now() - started


def test_one_leads_and_goes_on_leading() -> None:
    async def scene(cast: Cast) -> None:
        await asyncio.sleep(600)
        assert cast.first.elector.leading
        assert not cast.second.begun
        assert cast.first.elector.leader == cast.second.elector.leader == cast.first.terms[0].holder
        assert {holder for holder, _ in cast.lease.writes} == {cast.first.terms[0].holder}

    play(scene)


def test_a_leader_renews_with_one_request_each_two_seconds() -> None:
    async def scene(cast: Cast) -> None:
        await asyncio.sleep(10)
        before, candidate_before = cast.first.network.requests, cast.second.network.requests
        await asyncio.sleep(100)
        assert cast.first.network.requests - before == pytest.approx(50, abs=1)
        assert cast.second.network.requests - candidate_before <= 51

    play(scene)


def test_a_leader_that_is_cut_off_stops_before_another_begins() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.network.down = True
        cut_off = now()
        await until(lambda: bool(cast.second.begun))
        assert cast.first.ended
        assert cast.first.ended[0] - cut_off <= TIMES.renew_deadline
        assert cast.first.ended[0] < cast.second.begun[0]
        assert not cast.first.terms[0].valid(now())

    play(scene)


def test_another_takes_over_from_one_that_died_when_the_lease_has_run_out() -> None:
    async def scene(cast: Cast) -> None:
        await asyncio.sleep(31.7)
        cast.first.network.down = True
        last_renewal = cast.lease.writes[-1][1]
        await until(lambda: bool(cast.second.begun))
        gap = cast.second.begun[0] - last_renewal
        assert TIMES.duration <= gap <= TIMES.duration + TIMES.retry_period + 0.1

    play(scene)


def test_a_leader_that_is_stopped_hands_over_at_once() -> None:
    async def scene(cast: Cast) -> None:
        await cast.first.stop()
        assert cast.lease.stored is not None
        assert cast.lease.stored["spec"]["holder"] == ""
        assert cast.lease.stored["spec"]["duration"] == 1
        assert await until(lambda: cast.second.elector.leading) <= TIMES.retry_period + 0.1
        assert cast.lease.stored["spec"]["transitions"] == 1

    play(scene)


def test_the_lease_is_released_only_after_the_work_has_stopped() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.stopping_seconds = 5
        await cast.first.stop()
        released = next(at for holder, at in cast.lease.writes if holder == "")
        assert cast.first.ended[0] <= released
        await until(lambda: bool(cast.second.begun))
        assert cast.first.ended[0] < cast.second.begun[0]

    play(scene)


@pytest.mark.parametrize(
    "outage",
    [
        pytest.param(7.0, id="shorter than the renew deadline"),
        pytest.param(2.0, id="one request"),
    ],
)
def test_a_short_outage_ends_no_term(outage: float) -> None:
    async def scene(cast: Cast) -> None:
        for network in (cast.first.network, cast.second.network):
            network.down = True
        await asyncio.sleep(outage)
        assert cast.first.elector.problem == "no route to host"
        for network in (cast.first.network, cast.second.network):
            network.down = False
        await asyncio.sleep(30)
        assert len(cast.first.begun) == 1
        assert not cast.first.ended
        assert not cast.second.begun

    play(scene)


def test_requests_that_hang_end_the_term_in_time() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.network.delay = 3600
        hung = now()
        await until(lambda: bool(cast.first.ended))
        assert cast.first.ended[0] - hung <= TIMES.renew_deadline
        await until(lambda: bool(cast.second.begun))
        assert cast.first.ended[0] < cast.second.begun[0]

    play(scene)


def test_requests_that_are_slow_but_in_time_end_no_term() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.network.delay = 3.0
        await asyncio.sleep(120)
        assert not cast.first.ended
        assert not cast.second.begun

    play(scene)


def test_trust_is_anchored_to_the_question_and_not_to_the_answer() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.network.delay_after = 3.0
        count = len(cast.lease.writes)
        await until(lambda: len(cast.lease.writes) > count)
        asked, before = now(), cast.first.terms[0].until
        await until(lambda: cast.first.terms[0].until != before)
        assert cast.first.terms[0].until == pytest.approx(asked + TIMES.renew_deadline, abs=0.02)

    play(scene)


def test_a_write_whose_answer_is_lost_is_found_to_be_ours() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.network.delay_after = 3600
        count = len(cast.lease.writes)
        await until(lambda: len(cast.lease.writes) > count)
        cast.first.network.delay_after = 0.0
        await asyncio.sleep(30)
        assert not cast.first.ended
        assert not cast.second.begun

    play(scene)


def test_a_lease_that_somebody_deletes_is_made_again_by_its_holder() -> None:
    async def scene(cast: Cast) -> None:
        await asyncio.sleep(0.5)
        cast.lease.stored = None
        await asyncio.sleep(10)
        leading = [replica for replica in (cast.first, cast.second) if replica.elector.leading]
        assert len(leading) == 1
        assert cast.lease.stored is not None

    play(scene)


def test_a_lease_that_somebody_else_took_ends_the_term_at_the_next_renewal() -> None:
    async def scene(cast: Cast) -> None:
        assert cast.lease.stored is not None
        stolen = {**cast.lease.stored["spec"], "holder": "thief"}
        cast.lease.version += 1
        cast.lease.stored = {"version": cast.lease.version, "spec": stolen}
        await until(lambda: bool(cast.first.ended), seconds=TIMES.retry_period + 0.1)
        assert cast.first.elector.leader == "thief"
        assert cast.lease.stored["spec"]["holder"] == "thief"

    play(scene)


def test_a_note_on_the_lease_is_no_renewal() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.network.down = True
        last_renewal = cast.lease.writes[-1][1]
        for _ in range(10):
            await asyncio.sleep(1)
            assert cast.lease.stored is not None
            cast.lease.version += 1
            cast.lease.stored = {**cast.lease.stored, "version": cast.lease.version}
        await until(lambda: bool(cast.second.begun))
        assert cast.second.begun[0] - last_renewal <= TIMES.duration + TIMES.retry_period + 0.1

    play(scene)


def test_an_error_of_the_work_ends_the_run_after_the_release() -> None:
    async def main() -> None:
        lease = MemoryLease()
        replica = Replica("only", lease, [])

        async def lead(_: Term) -> None:
            await asyncio.sleep(1)
            raise RuntimeError("broken")

        with pytest.raises(ExceptionGroup) as group:
            await replica.elector.run(lead)
        assert group.group_contains(RuntimeError, match="broken")
        assert lease.stored is not None
        assert lease.stored["spec"]["holder"] == ""
        assert not replica.elector.leading

    run_virtual(main)


def test_a_leader_whose_work_is_done_resigns_and_competes_again() -> None:
    async def main() -> None:
        lease = MemoryLease()
        replica, begun = Replica("only", lease, []), []

        async def lead(_: Term) -> None:
            begun.append(now())
            await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            run = group.create_task(replica.elector.run(lead))
            await until(lambda: len(begun) == 3)
            run.cancel()
        assert [holder for holder, _ in lease.writes if holder == ""]

    run_virtual(main)


@pytest.mark.parametrize("seed", range(12))
def test_in_any_weather_no_two_trust_themselves_at_once(seed: int) -> None:
    async def main() -> None:
        lease, random, terms = MemoryLease(), Random(seed), list[Term]()
        replicas = [Replica(f"{seed}-{at}", lease, terms) for at in range(3)]

        async def weather() -> None:
            for _ in range(60):
                network = random.choice(replicas).network
                network.down = random.random() < 0.5
                network.delay = random.choice([0.0, 0.0, 0.5, 3.0, 8.0, 30.0])
                network.delay_after = random.choice([0.0, 0.0, 2.0, 5.0])
                await asyncio.sleep(random.random() * 20)
            for replica in replicas:
                replica.network.down, replica.network.delay, replica.network.delay_after = False, 0.0, 0.0

        async def watch() -> None:
            while True:
                await asyncio.sleep(0.25)
                believers = [replica for replica in replicas if replica.elector.leading]
                assert len(believers) <= 1
                assert sum(len(replica.begun) - len(replica.ended) for replica in replicas) <= 1

        async with electing(*replicas), asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            await weather()
            await until(lambda: any(replica.elector.leading for replica in replicas), seconds=60)
            watching.cancel()
        assert sum(len(replica.begun) for replica in replicas) > 1

    run_virtual(main)
