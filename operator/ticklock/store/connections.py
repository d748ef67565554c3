"""How we connect to PostgreSQL, wherever we do: the pool, LISTEN, migrations.

Promise: a peer that is gone is noticed within seconds. What the server says while it commits is heard.
No setting of a session is relied on, so PgBouncer in transaction mode may stand in between.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from psycopg.errors import Diagnostic
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

CONNECT_SECONDS = 5
POOL_SECONDS = 5.0
"""How long a step waits for a free connection of the pool."""

PEER: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "ticklock",
}
"""Parameters of libpq for every connection: a silent peer counts as gone after 11 s, one that does not take what we
send after 10 s."""

_WARNING = "01000"
"""The SQLSTATE of a plain WARNING. Its text is translated by the server, so it cannot be told by that."""
_HEARD = "ticklock_heard"


def connect(url: str | URL, *, pool_size: int) -> AsyncEngine:
    """Return an engine for a replica's transactions."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=False,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={**PEER, "prepare_threshold": None},
    )
    event.listen(engine.sync_engine, "connect", _listen)
    return engine


def connect_once(url: str | URL) -> Engine:
    """Return an engine that makes a connection for each use and keeps none: for commands and checks."""
    return create_engine(url, poolclass=NullPool, connect_args={**PEER, "prepare_threshold": None})


def _listen(connection: Any, record: Any) -> None:
    heard: list[str] = []

    def hear(said: Diagnostic) -> None:
        if said.sqlstate == _WARNING:
            heard.append(said.message_primary or "a warning without words")

    connection.add_notice_handler(hear)
    record.info[_HEARD] = heard


def warnings_of(connection: AsyncConnection) -> list[str]:
    """Return the warnings that this connection has heard, as a list that goes on growing; who reads it empties it."""
    heard: list[str] = connection.info[_HEARD]
    return heard
