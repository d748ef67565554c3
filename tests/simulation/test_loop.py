"""The loop on which everything else stands: time, order, death and standstill."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.simulation.loop import Process, SimLoop, sim_loop


def run(main: Coroutine[Any, Any, Any], *, seed: int = 0, disorder: float = 1.0) -> SimLoop:
    loop = sim_loop(random.Random(seed), disorder=disorder)
    loop.run(main)
    return loop


def order_of(seed: int) -> list[int]:
    said: list[int] = []

    async def say(number: int) -> None:
        await asyncio.sleep(0)
        said.append(number)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(say(number))

    run(main(), seed=seed)
    return said


def test_time_passes_only_where_all_wait() -> None:
    async def main() -> None:
        await asyncio.sleep(3_600)

    loop = run(main())
    assert loop.time() == 4_600.0


def test_a_time_out_ends_a_wait_at_its_time() -> None:
    ended: list[float] = []

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        ended.append(asyncio.get_running_loop().time())

    run(main())
    assert ended == [1_002.0]


def test_a_wait_for_nothing_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="never happen"):
        run(main())


def test_the_order_of_what_is_ready_is_the_seeds() -> None:
    assert order_of(1) == order_of(1)
    assert len({tuple(order_of(seed)) for seed in range(20)}) > 10


def test_without_disorder_it_is_the_order_of_asyncio() -> None:
    said: list[int] = []

    async def main() -> None:
        for number in range(5):
            asyncio.get_running_loop().call_soon(said.append, number)
        await asyncio.sleep(1)

    run(main(), disorder=0.0)
    assert said == [0, 1, 2, 3, 4]


def test_a_process_that_stands_still_goes_on_where_it_was() -> None:
    beats: list[float] = []

    async def beat() -> None:
        while True:
            await asyncio.sleep(1)
            beats.append(asyncio.get_running_loop().time() - 1_000)

    async def main() -> None:
        loop, process = asyncio.get_running_loop(), Process("replica")
        assert isinstance(loop, SimLoop)
        loop.spawn(process, beat())
        loop.after(2.5, loop.halt, process)
        loop.after(7.25, loop.resume, process)
        await asyncio.sleep(9)
        loop.kill(process)

    run(main())
    assert beats == [1.0, 2.0, 7.25, 8.25]


def test_nothing_of_a_dead_process_reaches_anybody() -> None:
    effects: list[str] = []

    async def live(process: Process) -> None:
        try:
            await asyncio.sleep(10)
        finally:
            process.check()
            effects.append("a last word")

    async def main() -> None:
        loop, process = asyncio.get_running_loop(), Process("replica")
        assert isinstance(loop, SimLoop)
        loop.spawn(process, live(process))
        loop.after(1, loop.kill, process)
        await asyncio.sleep(20)
        assert process.root is not None
        assert process.root.done()

    run(main())
    assert effects == []
