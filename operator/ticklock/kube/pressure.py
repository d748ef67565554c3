"""How hard we press on the API server: how many requests at a time, whose turn it is, and when to wait.

Promise: at most `limit` requests are under way; of those that wait, the more urgent go first. A 429 halves the limit,
answers raise it again one by one (additive increase, multiplicative decrease); a Retry-After holds back requests of the
refused one's urgency and of lesser ones, while the more urgent find out for themselves.
Not promised: fairness. While launches take all there is, statuses wait.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from enum import IntEnum

HALVE_SECONDS = 1.0
"""The limit is halved once for all refusals that come together."""
LONGEST_PAUSE = 60.0
"""Whatever is asked for, after so long it is tried again."""


class Urgency(IntEnum):
    """Who goes first where not all can."""

    LAUNCH = 0
    STAGE = 1
    """Staging, and everything else that a run waits for."""
    REPORT = 2
    """Statuses, Events and releases: nobody waits for them."""


class Pressure:
    """The requests of one client. Belongs to one event loop."""

    def __init__(self, most: int, *, clock: Callable[[], float], chance: Callable[[], float] = random.random) -> None:
        self._most = most
        self._clock, self._chance = clock, chance
        self._limit = float(most)
        self._halved_at = float("-inf")
        self._busy = 0
        self._closed = dict.fromkeys(Urgency, float("-inf"))
        self._waiting: list[tuple[Urgency, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """How many requests may be under way."""
        return int(self._limit)

    def enter_now(self, urgency: Urgency) -> bool:
        """Take a turn where nobody waits and there is one; who takes one gives it back by `leave`."""
        free = not self._waiting and self._busy < self.limit and self._clock() >= self._closed[urgency]
        self._busy += free
        return free

    async def enter(self, urgency: Urgency) -> None:
        """Wait for one's turn, and take it."""
        if self.enter_now(urgency):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._numbers), turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # it was given in the moment in which it was given up
            raise

    def leave(self) -> None:
        """Give one's turn back."""
        self._busy -= 1
        self._admit()

    def refused(self, urgency: Urgency, retry_after: float | None) -> None:
        """Note a 429."""
        now = self._clock()
        if now - self._halved_at >= HALVE_SECONDS:
            self._halved_at = now
            self._limit = max(self._limit / 2, 1.0)
        if retry_after:
            # A little longer, so that not all replicas come back at the same moment.
            until = now + min(retry_after, LONGEST_PAUSE) * (1 + self._chance() / 10)
            for other in Urgency:
                if other >= urgency:
                    self._closed[other] = max(self._closed[other], until)

    def answered(self) -> None:
        """Note an answer other than a 429."""
        self._limit = min(self._limit + 1 / self._limit, float(self._most))

    def _admit(self) -> None:
        """Give turns away; what is held back is held back for all that are less urgent too, so the first one tells."""
        while self._waiting and self._busy < self.limit:
            urgency, _, turn = self._waiting[0]
            if not turn.done():
                if (left := self._closed[urgency] - self._clock()) > 0:
                    self._look_again(left)
                    return
                self._busy += 1
                turn.set_result(None)
            heapq.heappop(self._waiting)

    def _look_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._admit)
