"""Sentinel: notices that the cluster was set back, and begins the term anew. The leader's duty.

A watch that goes on over a restore of etcd is blind: it waits for versions that are long past. So the term ends, and
the next one lists everything; the quarantine keeps everybody from deciding until that is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ticklock.domain.errors import Superseded
from ticklock.ports import Fall, Ledger

log = structlog.get_logger(__name__)

CHECK_SECONDS = 0.5


@dataclass(slots=True)
class Sentinel:
    """Asks whether what is read all the time has become older than it was."""

    ledger: Ledger
    epoch: int
    take_fall: Callable[[], Fall | None]
    fall: Fall | None = None
    """Seen, and not yet written down."""

    async def step(self) -> float:
        """Look. Raises Superseded after a fall: what this term knows is of another past."""
        self.fall = self.fall or self.take_fall()
        if self.fall is None:
            return CHECK_SECONDS
        log.warning("the API server was set back", highest=self.fall.highest, version=self.fall.version)
        for version in (self.fall.highest, self.fall.version):
            await self.ledger.note_resource_version(self.epoch, version)
        raise Superseded("the API server was set back: everything is listed anew")
