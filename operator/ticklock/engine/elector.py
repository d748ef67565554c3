"""The elector: who does what only one replica should do.

The algorithm is client-go's (tools/leaderelection), with its defaults: candidates look at the Lease, and take it when
it was not renewed for its whole duration *since they themselves last saw it change*; no clock is ever compared with
another machine's. The holder trusts each successful write for the renew deadline, counted from when it was sent.

Promise: the leading task is cancelled, and awaited, when trust ends; the Lease is released only after it has stopped.
Not promised: that there is only one leader. A paused process acts late; its writes are refused by the term's epoch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from random import random

from ticklock.domain.errors import Conflict, Refused, Transient
from ticklock.domain.lease import LeaseTimes, Sighting, Trust
from ticklock.ports import LeaseRecord, LeaseStore

_log = logging.getLogger(__name__)
_RELEASED_SECONDS = 1.0
_RELEASE_TRIES = 3
_FAILURES = (Transient, Refused, Conflict, TimeoutError)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where the elector takes its time from."""

    monotonic: Callable[[], float]
    """Seconds; decides. The event loop's own clock, so that time-outs agree with it."""
    wall: Callable[[], datetime]
    """Only written into the Lease, for people."""
    chance: Callable[[], float] = random
    """A number from 0 to 1, for jitter."""


class Term:
    """One uninterrupted holding of the Lease."""

    def __init__(self, holder: str, trust: Trust) -> None:
        self.holder = holder
        self._trust = trust

    @property
    def until(self) -> float:
        """Monotonic time at which trust ends, as far as is known now."""
        return self._trust.until

    def valid(self, now: float) -> bool:
        """Whether the holder may still act as the leader at this monotonic time."""
        return self._trust.valid(now)

    def renewed(self, trust: Trust) -> None:
        """Go on, on the strength of another successful write."""
        self._trust = trust

    def end(self) -> None:
        """Trust it no longer."""
        self._trust = Trust(float("-inf"))


class Elector:
    """A candidate. `identity` is unique to this start of the process: the pod's name, `_`, and a UUID."""

    def __init__(
        self,
        store: LeaseStore,
        *,
        identity: str,
        clocks: Clocks,
        times: LeaseTimes | None = None,
    ) -> None:
        self._store = store
        self._identity = identity
        self._clocks = clocks
        self._times = times or LeaseTimes()
        self._written: LeaseRecord | None = None
        self._seen: tuple[object, Sighting] | None = None
        self._term: Term | None = None
        self.problem: str | None = None
        """Why the last attempt gave no answer; None where it gave one."""

    @property
    def leader(self) -> str | None:
        """The holder as last seen; None where there is none or nothing was seen yet."""
        return (self._seen[1].holder or None) if self._seen else None

    @property
    def leading(self) -> bool:
        """Whether this replica may act as the leader now."""
        return self._term is not None and self._term.valid(self._clocks.monotonic())

    async def run(self, lead: Callable[[Term], Awaitable[None]], *, done: Callable[[], bool] = lambda: False) -> None:
        """Compete until `done`; while leading, run `lead`. Where `lead` returns, resign and compete again.

        An error of `lead` ends the run, as an ExceptionGroup, after the Lease was released; cancellation does too.
        """
        while not done():
            try:
                trust = await self._acquire()
                self._term = Term(self._identity, trust)
                _log.info("leadership acquired", extra={"identity": self._identity})
                await self._hold(self._term, lead)
            finally:
                self._term = None
                await self._release()
            if not done():
                await asyncio.sleep(self._times.pause(self._clocks.chance()))

    async def _acquire(self) -> Trust:
        while True:
            trust = await self._attempt(self._times.attempt_timeout)
            if trust is not None:
                return trust
            await asyncio.sleep(self._wait())

    def _wait(self) -> float:
        """Return a candidate's pause: jittered where others want the Lease too, else not longer than it may last."""
        if self._seen is None or not self._seen[1].holder or self.problem:
            return self._times.pause(self._clocks.chance())
        left = self._seen[1].seen_at + self._seen[1].duration - self._clocks.monotonic()
        return max(0.0, min(self._times.retry_period, left))

    async def _hold(self, term: Term, lead: Callable[[Term], Awaitable[None]]) -> None:
        """Lead and renew, until trust ends, the Lease is another's, or `lead` is done; then stop `lead`."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(_call(lead, term), name="lead")
            try:
                await self._renew(term, work)
            finally:
                term.end()
                work.cancel()

    async def _renew(self, term: Term, work: asyncio.Task[None]) -> None:
        clock = self._clocks.monotonic
        while True:
            left = term.until - clock()
            await asyncio.wait({work}, timeout=max(0.0, min(self._times.retry_period, left)))
            if work.done():
                return
            left = term.until - clock()
            trust = await self._attempt(min(self._times.attempt_timeout, left)) if left > 0 else None
            if trust is not None:
                term.renewed(trust)
            elif self.leader not in {None, self._identity} or not term.valid(clock()):
                _log.warning("leadership lost", extra={"identity": self._identity, "leader": self.leader})
                return

    async def _attempt(self, seconds: float) -> Trust | None:
        """Try once to get or renew the Lease; None where it is another's, or no answer came in time."""
        try:
            async with asyncio.timeout(seconds):
                asked_at = await self._write() if self._written is None else await self._rewrite(self._written)
        except _FAILURES as failure:
            self._failed(str(failure) or type(failure).__name__)
            return None
        self.problem = None
        return None if asked_at is None else Trust.granted(asked_at=asked_at, times=self._times)

    def _failed(self, problem: str) -> None:
        self._written = None
        if problem != self.problem:
            _log.warning("lease attempt failed", extra={"identity": self._identity, "cause": problem})
        self.problem = problem

    async def _rewrite(self, written: LeaseRecord) -> float | None:
        """Renew on the version that we wrote last, without a read before; the usual case of a leader."""
        asked_at = self._clocks.monotonic()
        try:
            await self._put(written, transitions=written.transitions, acquired=False)
        except Conflict:
            return await self._write()
        return asked_at

    async def _write(self) -> float | None:
        """Read, and write where the Lease is ours, free or run out; return when the write was asked for."""
        self._written = None
        record = await self._store.read()
        asked_at = self._clocks.monotonic()
        if record is None:
            self._written = await self._store.create(self._identity, self._times.duration, self._clocks.wall())
            self._observe(self._written)
            return asked_at
        ours = record.holder == self._identity
        if not self._observe(record).expired(asked_at) and not ours:
            return None
        await self._put(record, transitions=record.transitions + (not ours), acquired=not ours)
        return asked_at

    async def _put(self, seen: LeaseRecord, *, transitions: int, acquired: bool) -> None:
        duration, now = self._times.duration, self._clocks.wall()
        put = self._store.update
        self._written = await put(seen, self._identity, duration, now, transitions=transitions, acquired=acquired)
        self._observe(self._written)

    def _observe(self, record: LeaseRecord) -> Sighting:
        """Note when the Lease was first seen as it is; only a change of its spec counts as a renewal."""
        content = record.raw.get("spec", record.raw)
        if self._seen is None or self._seen[0] != content:
            # A holder with a longer duration than ours is given its own; a shorter one may be garbage.
            duration = max(record.duration, self._times.duration)
            self._seen = content, Sighting(record.holder, duration, self._clocks.monotonic())
        return self._seen[1]

    async def _release(self) -> None:
        """Give the Lease back where it is ours; what fails here only makes the others wait."""
        self._written = None
        for _ in range(_RELEASE_TRIES):
            try:
                async with asyncio.timeout(self._times.attempt_timeout):
                    record = await self._store.read()
                    if record is None or record.holder != self._identity:
                        return
                    now, transitions = self._clocks.wall(), record.transitions
                    put = self._store.update
                    given = await put(record, "", _RELEASED_SECONDS, now, transitions=transitions, acquired=False)
                    self._observe(given)
            except Conflict:
                continue
            except _FAILURES as failure:
                _log.info("lease could not be released", extra={"cause": str(failure) or type(failure).__name__})
                return
            else:
                _log.info("leadership released", extra={"identity": self._identity})
                return


async def _call(lead: Callable[[Term], Awaitable[None]], term: Term) -> None:
    await lead(term)
