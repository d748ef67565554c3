"""What a failpoint costs where none is armed: `python -m tests.chaos.failpoint_cost`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ticklock.failpoints import failpoint

_CALLS = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Nanoseconds a call, the loop around it not counted."""

    failpoint_ns: float
    empty_ns: float


async def _empty(_: str) -> None:
    pass


def measure(*, calls: int = _CALLS, rounds: int = 5) -> Cost:
    """Time awaited calls; of several rounds the fastest counts, since the machine is shared."""
    return asyncio.run(_measure(calls, rounds))


async def _measure(calls: int, rounds: int) -> Cost:
    loop = min([await _bare(calls) for _ in range(rounds)])
    point = min([await _timed(failpoint, calls) for _ in range(rounds)])
    empty = min([await _timed(_empty, calls) for _ in range(rounds)])
    return Cost((point - loop) / calls, (empty - loop) / calls)


async def _bare(calls: int) -> int:
    began = time.perf_counter_ns()
    for _ in range(calls):
        pass
    return time.perf_counter_ns() - began


async def _timed(function: Callable[[str], Awaitable[None]], calls: int) -> int:
    began = time.perf_counter_ns()
    for _ in range(calls):
        await function("after-bind")
    return time.perf_counter_ns() - began


def main() -> None:
    """Print it."""
    cost = measure()
    print(f"a failpoint that is not armed: {cost.failpoint_ns:.0f} ns; an empty function: {cost.empty_ns:.0f} ns")  # noqa: T201 - the command's answer


if __name__ == "__main__":
    main()
