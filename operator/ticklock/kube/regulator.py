"""What holds a client's requests back: the budget of retries, and the pressure on the API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ticklock.domain.errors import Transient
from ticklock.kube.budget import RetryBudget
from ticklock.kube.pressure import Pressure, Urgency
from ticklock.ports import Meter

TOO_MANY = 429
_BROKEN = 500


@dataclass(frozen=True, slots=True)
class Sending:
    """One request, as far as it matters here."""

    identity: Hashable
    """What makes a later request a repetition of this one."""
    name: str
    """For messages."""
    urgency: Urgency
    patience: float
    """Seconds that it may wait for its turn."""


@dataclass(slots=True)
class Fate:
    """What came of a request; 0 where no answer did."""

    status: int = 0
    retry_after: float | None = None

    @property
    def failed(self) -> bool:
        """Whether the server was not there, or was too busy; a refusal is an answer."""
        return self.status in {0, TOO_MANY} or self.status >= _BROKEN


@dataclass(slots=True)
class Regulator:
    """The requests of one client. Raises Transient instead of letting one through; that one was not sent."""

    pressure: Pressure
    meter: Meter | None = None
    budget: RetryBudget = field(default_factory=RetryBudget)
    clock: Callable[[], float] = time.monotonic
    _told: tuple[int, int] = (0, 0)

    @asynccontextmanager
    async def through(self, sending: Sending) -> AsyncIterator[Fate]:
        """Let a request through in its turn; the caller writes down what came of it."""
        retried = self.budget.repeats(sending.identity, self.clock())
        if retried:
            self._take_token(sending)
        if not self.pressure.enter_now(sending.urgency):
            await self._wait(sending)
        fate = Fate()
        try:
            yield fate
        finally:
            self.pressure.leave()
            self._learn(sending, fate, retried=retried)

    def _take_token(self, sending: Sending) -> None:
        wait = self.budget.withdraw(self.clock(), urgent=sending.urgency is Urgency.LAUNCH)
        if self.meter is not None:
            self.meter.count("api_retries_total", outcome="held_back" if wait else "sent")
        if wait:
            raise Transient(f"{sending.name}: held back, since too many requests fail already", retry_after=wait)

    async def _wait(self, sending: Sending) -> None:
        """Wait for the request's turn, and take it."""
        try:
            async with asyncio.timeout(sending.patience):
                await self.pressure.enter(sending.urgency)
        except TimeoutError as error:
            raise Transient(f"{sending.name}: held back, since the API server is busy") from error

    def _learn(self, sending: Sending, fate: Fate, *, retried: bool) -> None:
        """Note what came of a request, for those that follow."""
        if fate.failed:
            self.budget.failed(sending.identity, self.clock())
        else:
            self.budget.succeeded(sending.identity, retried=retried)
            self.pressure.answered()
        if fate.status == TOO_MANY:
            self.pressure.refused(sending.urgency, fate.retry_after)
        if self.meter is not None:
            self._tell(self.meter, fate)

    def _tell(self, meter: Meter, fate: Fate) -> None:
        """Tell what has changed; most requests change nothing."""
        if fate.status == TOO_MANY:
            meter.count("api_throttled_total")
        now = self.pressure.limit, int(self.budget.tokens)
        if now != self._told:
            self._told = now
            meter.gauge("api_concurrency", now[0])
            meter.gauge("api_retry_budget", now[1])
