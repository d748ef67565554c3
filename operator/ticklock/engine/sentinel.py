"""Whether the cluster was set back: what is read all the time has become older than it was.

A watch that goes on over a restore of etcd is blind: it waits for versions that are long past. So the term ends, and
the next one lists everything; the quarantine keeps everybody from deciding until that is compared.

A replica that runs sees the Lease fall. One that begins has seen nothing, and all may have begun after the restore: it
asks the ledger first, to which each leader tells where the Lease stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ticklock.domain.errors import Refused, Superseded, Transient, Unready
from ticklock.engine.loops import Stop
from ticklock.ports import Fall, LeaseMark, Ledger

log = structlog.get_logger(__name__)

CHECK_SECONDS = 0.5
_RETRY_SECONDS = 1.0


@dataclass(slots=True)
class Sentinel:
    """Notices it while a term lasts. The leader's duty."""

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
        _tell(self.fall)
        await self.ledger.note_fall(self.epoch, self.fall.found)
        raise Superseded("the API server was set back: everything is listed anew")


@dataclass(frozen=True, slots=True)
class FirstLook:
    """Notices it where no replica ran meanwhile. Each replica's, before it does anything else.

    Not noticed: a restore of what stood after a leader's last heartbeat, or of a time without this Lease.
    """

    ledger: Ledger
    find: Callable[[], Awaitable[LeaseMark | None]]
    """Where the Lease stands now; None where there is none."""

    async def look(self, stop: Stop) -> None:
        """Look until there is an answer, or this replica is asked to stop."""
        while not stop:
            try:
                await self._compare()
            except (Transient, Unready, Refused) as error:
                log.warning("cannot tell yet whether the API server was set back", cause=str(error))
                await stop.sleep(_RETRY_SECONDS)
            else:
                return

    async def _compare(self) -> None:
        """Ask the ledger first: the other way round, a leader could renew the Lease and note that in between."""
        noted = await self.ledger.lease_mark()
        if noted is None:
            return
        found = await self.find()
        if found is not None and found.uid == noted.uid and found.version < noted.version:
            _tell(Fall(noted.version, found))
            await self.ledger.set_back(noted, found)


def _tell(fall: Fall) -> None:
    log.warning("the API server was set back", highest=fall.highest, version=fall.found.version)
