"""A budget of retries: what fails must not be asked for so often that it goes on failing.

Promise: of the requests that repeat one which has just failed, no more are sent than a share of those that succeeded,
plus a floor for each second, plus what had been saved. One that succeeds gives its token back, so the budget of a
server that answers again grows by itself. A part is kept for launches.
Not promised: that first tries are held back; there are only as many as there is work.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

SHARE = 0.2
"""Tokens for each success."""
FLOOR = 10.0
"""Tokens for each second."""
MOST = 100.0
RESERVE = 25.0
"""Tokens that only launches may take."""
REMEMBERED_SECONDS = 60.0
"""A request that comes so long after its failure is a new one."""
_REMEMBERED = 20_000


@dataclass(slots=True)
class RetryBudget:
    """The budget of one client. `now` is any monotonic time in seconds."""

    share: float = SHARE
    floor: float = FLOOR
    most: float = MOST
    reserve: float = RESERVE
    chance: Callable[[], float] = random.random
    tokens: float = field(init=False)
    _filled_at: float | None = None
    _failed: dict[Hashable, float] = field(default_factory=dict)
    """When what failed did so, oldest first."""

    def __post_init__(self) -> None:
        self.tokens = self.most

    def repeats(self, request: Hashable, now: float) -> bool:
        """Tell whether this request has failed a short time ago."""
        failed_at = self._failed.get(request)
        return failed_at is not None and now - failed_at < REMEMBERED_SECONDS

    def withdraw(self, now: float, *, urgent: bool) -> float:
        """Take a token for a retry; return 0, or how many seconds to wait where there is none."""
        self._fill(now)
        wanted = 1.0 if urgent else 1.0 + self.reserve
        if self.tokens >= wanted:
            self.tokens -= 1.0
            return 0.0
        return (wanted - self.tokens) / self.floor + self.chance()

    def failed(self, request: Hashable, now: float) -> None:
        """Note that the server did not answer, or is too busy."""
        self._failed.pop(request, None)
        self._failed[request] = now
        while len(self._failed) > _REMEMBERED:
            del self._failed[next(iter(self._failed))]

    def succeeded(self, request: Hashable, *, retried: bool) -> None:
        """Note that the server answered, whatever it said."""
        self._failed.pop(request, None)
        self.tokens = min(self.tokens + self.share + float(retried), self.most)

    def _fill(self, now: float) -> None:
        passed = 0.0 if self._filled_at is None else now - self._filled_at
        self.tokens = min(self.tokens + passed * self.floor, self.most)
        self._filled_at = now
