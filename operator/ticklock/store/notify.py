"""Hints by NOTIFY, on a connection of its own. May be absent: every duty looks by itself now and then."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

import psycopg
import structlog

from ticklock.store.connections import PEER

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0


class NotifyWakeups:
    """Wakes duties when a NOTIFY arrives, or a sibling in this process pokes them."""

    def __init__(self, conninfo: str) -> None:
        """`conninfo`: a libpq connection string that leads to the server itself, not to a transaction pooler."""
        self._conninfo = conninfo
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def wait(self, channel: str, seconds: float) -> None:
        """Return when hinted or when the time has passed."""
        event = self._events[channel]
        # Not wait_for, which may swallow a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await event.wait()
        event.clear()

    def poke(self, channel: str) -> None:
        """Hint within this process."""
        self._events[channel].set()

    async def run(self) -> None:
        """Listen until cancelled; without a connection there are simply no hints."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                log.info("no hints for now", error=str(error).partition("\n")[0])
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, **PEER)
        async with connection:
            await connection.execute("LISTEN ticklock")
            async for notice in connection.notifies():
                self.poke(notice.payload)
