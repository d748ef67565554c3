"""What `ticklock quarantine` needs of the database: one connection, and no replica."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

from ticklock.bootstrap.asked import settings_of
from ticklock.domain.model import ClusterId, ReplicaId
from ticklock.domain.reasons import Reason
from ticklock.ports import GateStatus, Person
from ticklock.settings import Settings
from ticklock.store import gate
from ticklock.store.connections import connect
from ticklock.store.session import Database
from ticklock.telemetry import configure_logging

T = TypeVar("T")

_NOBODY = ClusterId(UUID(int=0))


class Gate:
    """The gate behind the database of these settings. Raises Transient, Refused or Unready as the store does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def look(self) -> list[GateStatus]:
        """Return the gate of each cluster that uses the database."""
        return asyncio.run(self._with(_NOBODY, gate.look))

    def release(self, cluster: ClusterId, person: Person) -> list[Reason]:
        """Open the gate of one cluster on a person's word; return what it was closed for."""
        return asyncio.run(self._with(cluster, lambda db: gate.release(db, person)))

    async def _with(self, cluster: ClusterId, do: Callable[[Database], Awaitable[T]]) -> T:
        engine, host = connect(self._settings.sqlalchemy_url, pool_size=1), socket.gethostname()
        try:
            return await do(Database(engine, cluster, ReplicaId(uuid4()), host, lambda: datetime.now(UTC)))
        finally:
            await engine.dispose()


def gate_of(argv: Sequence[str], prog: str) -> Gate | None:
    """Return the gate of these settings; None, after the problem was told, where they cannot be used."""
    settings = settings_of(argv, prog)
    if settings is None:
        return None
    configure_logging("console", "error")  # what is done is the command's answer, not its log
    return Gate(settings)


def whoever_asks() -> str:
    """Return who runs this process, and where: what is written down unless a name is given."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
