"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_INTERVAL = 0.05


def eventually(question: Callable[[], T], *, what: str, seconds: float = 30, interval: float = _INTERVAL) -> T:
    """Ask until the answer is true; return it. Fails with the last answer after the given seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; the last answer was {answer!r}")
        time.sleep(interval)
    return answer


async def eventually_async(
    question: Callable[[], Awaitable[T]], *, what: str, seconds: float = 30, interval: float = _INTERVAL
) -> T:
    """Ask until the answer is true; return it. Fails with the last answer after the given seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := await question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; the last answer was {answer!r}")
        await asyncio.sleep(interval)
    return answer
