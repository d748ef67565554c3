"""A Lease in memory, each candidate with a network of its own to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ticklock.domain.errors import Conflict, Transient
from ticklock.ports import LeaseRecord, LeaseStore


class MemoryLease(LeaseStore):
    """A Lease with versions, seen through one replica's network."""

    def __init__(self, shared: MemoryLease | None = None) -> None:
        self.shared: MemoryLease = shared or self
        self.stored: dict[str, Any] | None = None
        self.version = 0
        self.writes: list[tuple[str, float]] = []
        self.down = False
        self.delay = 0.0
        self.delay_after = 0.0
        self.requests = 0

    async def _pass(self) -> None:
        self.requests += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.down:
            raise Transient("no route to host")

    async def read(self) -> LeaseRecord | None:
        await self._pass()
        stored = self.shared.stored
        return None if stored is None else self._record(stored)

    async def create(self, holder: str, duration: float, now: datetime) -> LeaseRecord:
        await self._pass()
        if self.shared.stored is not None:
            raise Conflict("exists")
        return await self._store(holder, duration, now, 0)

    async def update(
        self, seen: LeaseRecord, holder: str, duration: float, now: datetime, *, transitions: int, acquired: bool
    ) -> LeaseRecord:
        del acquired
        await self._pass()
        if self.shared.stored is None or seen.raw["version"] != self.shared.version:
            raise Conflict("moved on")
        return await self._store(holder, duration, now, transitions)

    async def _store(self, holder: str, duration: float, at: datetime, transitions: int) -> LeaseRecord:
        shared = self.shared
        shared.version += 1
        spec = {"holder": holder, "duration": duration, "at": at, "transitions": transitions}
        shared.stored = {"version": shared.version, "spec": spec}
        shared.writes.append((holder, asyncio.get_running_loop().time()))
        record = self._record(shared.stored)
        if self.delay_after:
            await asyncio.sleep(self.delay_after)
        return record

    @staticmethod
    def _record(stored: Mapping[str, Any]) -> LeaseRecord:
        spec = stored["spec"]
        return LeaseRecord(spec["holder"], spec["duration"], spec["transitions"], stored)
