"""Whose turn it is, how many go at a time, and who waits after a 429."""

import asyncio

import pytest

from ticklock.kube.pressure import Pressure, Urgency

LAUNCH, STAGE, REPORT = Urgency


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Requests:
    """Requests that wait for their turn, hold it until told otherwise, and note when they got it."""

    def __init__(self, most: int) -> None:
        self.clock = Clock()
        self.pressure = Pressure(most, clock=self.clock, chance=lambda: 0.0)
        self.order: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def ask(self, group: asyncio.TaskGroup, *names: str) -> None:
        """Ask for turns; the name's first letter is the urgency."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = group.create_task(self._one(name))

    async def _one(self, name: str) -> None:
        urgency = {"l": LAUNCH, "s": STAGE, "r": REPORT}[name[0]]
        await self.pressure.enter(urgency)
        self.order.append(name)
        await self._ends[name].wait()
        self.pressure.leave()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self.settle()

    async def end_all(self) -> None:
        for event in self._ends.values():
            event.set()
        await self.settle()


async def test_the_more_urgent_go_first_and_each_kind_in_its_order() -> None:
    requests = Requests(1)
    async with asyncio.TaskGroup() as group:
        requests.ask(group, "s0")
        await requests.settle()
        requests.ask(group, "r1", "s1", "l1", "r2", "l2", "s2")
        await requests.settle()
        assert requests.order == ["s0"]
        await requests.end_all()
    assert requests.order == ["s0", "l1", "l2", "s1", "s2", "r1", "r2"]


async def test_no_more_than_the_limit_are_under_way() -> None:
    requests = Requests(2)
    async with asyncio.TaskGroup() as group:
        requests.ask(group, "s1", "s2", "s3")
        await requests.settle()
        assert requests.order == ["s1", "s2"]
        await requests.end("s2")
        assert requests.order == ["s1", "s2", "s3"]
        await requests.end_all()


async def test_one_that_gives_up_waiting_does_not_take_a_turn_with_it() -> None:
    requests = Requests(1)
    async with asyncio.TaskGroup() as group:
        requests.ask(group, "s1", "s2", "s3")
        await requests.settle()
        requests.tasks["s2"].cancel()
        await requests.end("s1")
        assert requests.order == ["s1", "s3"]
        requests.ask(group, "s4")
        await requests.settle()
        requests.tasks["s4"].cancel()
        requests._ends["s3"].set()  # at the same moment
        requests.ask(group, "s5")
        await requests.settle()
        assert requests.order[-1] == "s5"
        await requests.end_all()


def halved(pressure: Pressure, clock: Clock, refusals: int, apart: float) -> int:
    for _ in range(refusals):
        pressure.refused(STAGE, None)
        clock.now += apart
    return pressure.limit


@pytest.mark.parametrize(
    ("refusals", "apart", "limit"),
    [
        pytest.param(1, 0.0, 32, id="one refusal halves it"),
        pytest.param(30, 0.001, 32, id="thirty that come together halve it once"),
        pytest.param(3, 1.0, 8, id="each later one halves it again"),
        pytest.param(20, 1.0, 1, id="one request at a time there always is"),
    ],
)
def test_refusals_reduce_how_many_go_at_a_time(refusals: int, apart: float, limit: int) -> None:
    clock = Clock()
    assert halved(Pressure(64, clock=clock), clock, refusals, apart) == limit


def test_answers_raise_it_again_one_by_one_and_not_beyond_where_it_was() -> None:
    pressure = Pressure(64, clock=Clock())
    pressure.refused(STAGE, None)
    for _ in range(33):
        pressure.answered()
    assert pressure.limit in {32, 33}
    for _ in range(10_000):
        pressure.answered()
    assert pressure.limit == 64


@pytest.mark.parametrize(
    ("refused", "goes"),
    [
        pytest.param(REPORT, ["l", "s"], id="a status"),
        pytest.param(STAGE, ["l"], id="a create"),
        pytest.param(LAUNCH, [], id="a launch"),
    ],
)
async def test_a_retry_after_holds_back_its_own_kind_and_what_is_less_urgent(refused: Urgency, goes: list[str]) -> None:
    requests = Requests(8)
    requests.pressure.refused(refused, 7.0)
    async with asyncio.TaskGroup() as group:
        requests.ask(group, "r", "s", "l")
        await requests.settle()
        assert sorted(requests.order) == goes
        requests.clock.now += 6.9
        requests.pressure._admit()
        await requests.settle()
        assert sorted(requests.order) == goes
        requests.clock.now += 0.2
        requests.pressure._admit()
        await requests.settle()
        assert sorted(requests.order) == ["l", "r", "s"]
        await requests.end_all()


async def test_they_go_on_by_themselves_when_the_time_is_over() -> None:
    loop = asyncio.get_running_loop()
    pressure = Pressure(8, clock=loop.time)
    asked = loop.time()
    pressure.refused(LAUNCH, 0.2)
    async with asyncio.timeout(5):
        await pressure.enter(LAUNCH)
    assert loop.time() - asked >= 0.2


def test_nobody_is_held_back_for_ever() -> None:
    clock = Clock()
    pressure = Pressure(8, clock=clock, chance=lambda: 0.0)
    pressure.refused(STAGE, 86_400.0)
    assert pressure._closed[STAGE] - clock.now == 60.0
