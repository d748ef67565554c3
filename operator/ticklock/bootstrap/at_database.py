"""What a command of a person needs of the database: one connection, and no replica."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

from ticklock.bootstrap.allowed import limits_of
from ticklock.bootstrap.asked import settings_of
from ticklock.domain.model import ClusterId, ReplicaId
from ticklock.settings import Settings
from ticklock.store.connections import connect
from ticklock.store.session import Database
from ticklock.telemetry import configure_logging

T = TypeVar("T")

ANY = ClusterId(UUID(int=0))
"""In place of a cluster, where all of them are looked at."""


def at_database(settings: Settings, cluster: ClusterId, do: Callable[[Database], Awaitable[T]]) -> T:
    """Return what is done there, over a connection that is closed afterwards. Raises what the store raises."""
    return asyncio.run(_at(settings, cluster, do))


async def _at(settings: Settings, cluster: ClusterId, do: Callable[[Database], Awaitable[T]]) -> T:
    engine, host = connect(settings.sqlalchemy_url, pool_size=1), socket.gethostname()
    limits = limits_of(settings)
    try:
        return await do(Database(engine, cluster, ReplicaId(uuid4()), host, lambda: datetime.now(UTC), limits=limits))
    finally:
        await engine.dispose()


def quiet_settings_of(argv: Sequence[str], prog: str) -> Settings | None:
    """Return the settings of a command whose answer is what it prints, not its log.

    None, after the problem was told, where they cannot be used.
    """
    settings = settings_of(argv, prog)
    if settings is not None:
        configure_logging("console", "error")
    return settings


def whoever_asks() -> str:
    """Return who runs this process, and where: what is written down unless a name is given."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
