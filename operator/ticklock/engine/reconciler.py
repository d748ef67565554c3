"""Reconciler: brings the ledger's schedules in line with the objects. The leader's duty.

Edges from the watch only say which object to look at; what counts is the object as it stands. A full list now and then
heals what a watch has missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from ticklock.domain.errors import Refused
from ticklock.domain.limits import NO_LIMITS, Limits, within
from ticklock.domain.model import Declared, ObjectRef
from ticklock.domain.parse import declared
from ticklock.engine.unstaging import unstage_all
from ticklock.failpoints import failpoint
from ticklock.ports import Jobs, Ledger, Meter, Objects, Wakeups

log = structlog.get_logger(__name__)

_BATCH = 200
_GATHER_SECONDS = 0.05
_IDLE_SECONDS = 0.5


@dataclass(slots=True)
class Reconciler:
    """Takes objects from the watch and from lists; stores them in batches, the newest version of each."""

    ledger: Ledger
    objects: Objects
    jobs: Jobs
    wakeups: Wakeups
    meter: Meter
    epoch: int
    list_every: float
    monotonic: Callable[[], float] = time.monotonic
    limits: Limits = NO_LIMITS
    pending: dict[str, Declared] = field(default_factory=dict)
    gone: dict[str, ObjectRef] = field(default_factory=dict)
    seen_at: dict[str, float] = field(default_factory=dict)
    """When what is pending was first seen."""
    next_list: float = 0.0
    asked: int = 0
    """How often a list was asked for out of turn."""
    listed: int = -1
    """Which of these was answered last."""
    caught_up: bool = False
    """Whether everything of the first list is stored: until then nobody may rely on the rows alone."""

    def submit(self, kind: str, body: Mapping[str, Any]) -> None:
        """Take one event of the watch. Called in the loop's thread; never raises on an odd object."""
        item = declared(body)
        item = None if item is None else within(item, self.limits)
        if item is None:
            log.warning("object without an identity is ignored", event=kind)
            return
        if kind == "DELETED":
            self.pending.pop(item.ref.uid, None)
            self.gone[item.ref.uid] = item.ref
        else:
            self.pending[item.ref.uid] = item
            self.seen_at.setdefault(item.ref.uid, self.monotonic())
        self.wakeups.poke("reconcile")

    def look_again(self) -> None:
        """Count as behind until another list is stored: this process, or the database, was away for a while."""
        self.asked += 1
        self.caught_up = False
        self.wakeups.poke("reconcile")

    async def step(self) -> float:
        """List when it is time to, then store what has gathered."""
        asked = self.asked
        if asked != self.listed or self.monotonic() >= self.next_list:
            await self._list()
            self.listed = asked
            self.next_list = self.monotonic() + self.list_every
        batch = [self.pending[uid] for uid in list(self.pending)[:_BATCH]]
        gone = list(self.gone.values())[:_BATCH]
        if batch or gone:
            await self._store(batch, gone)
        self.caught_up = self.caught_up or (self.listed == self.asked and not (self.pending or self.gone))
        return _GATHER_SECONDS if self.pending or self.gone else _IDLE_SECONDS

    async def _list(self) -> None:
        found, version = await self.objects.list_all()
        known = await self.ledger.known_objects()
        for item in found:
            if item.ref.uid not in self.gone:  # The list may be older than the news of a deletion.
                self.pending.setdefault(item.ref.uid, item)
        standing = {item.ref.uid for item in found}
        for ref in known:
            if ref.uid not in standing and ref.uid not in self.pending:
                self.gone[ref.uid] = ref
        if version.isdecimal():
            await self.ledger.note_resource_version(self.epoch, int(version))
        self.meter.gauge("objects", len(found))
        self.meter.gauge("invalid_objects", sum(item.problem is not None for item in found))

    async def _store(self, batch: list[Declared], gone: list[ObjectRef]) -> None:
        try:
            changed, leftovers = await self.ledger.reconcile(self.epoch, batch, gone)
        except Refused:
            if len(batch) + len(gone) > 1:
                await self._one_by_one(batch, gone)
                return
            log.exception(
                "object cannot be stored", objects=[f"{item.ref.namespace}/{item.ref.name}" for item in batch]
            )
            changed, leftovers = 0, []
        self._forget(batch, gone)
        if changed:
            await failpoint("after-edit")
            self.meter.count("reconciled_total", changed)
            self.wakeups.poke("plan")
            self.wakeups.poke("report")
        await unstage_all(self.jobs, self.ledger, list(leftovers))

    async def _one_by_one(self, batch: list[Declared], gone: list[ObjectRef]) -> None:
        """One object spoils its batch: store each by itself, so that it stops nobody else."""
        for item in batch:
            await self._store([item], [])
        for ref in gone:
            await self._store([], [ref])

    def _forget(self, batch: list[Declared], gone: list[ObjectRef]) -> None:
        now = self.monotonic()
        for item in batch:
            if (seen := self.seen_at.pop(item.ref.uid, None)) is not None:
                self.meter.observe("spec_lag_seconds", now - seen)
            if self.pending.get(item.ref.uid) is item:
                del self.pending[item.ref.uid]
        for ref in gone:
            self.gone.pop(ref.uid, None)
            self.meter.forget(ref.namespace, ref.name)
