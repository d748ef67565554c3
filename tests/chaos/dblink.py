"""A proxy between a replica and PostgreSQL that understands as much of the protocol as it takes to lose a COMMIT.

It reads what the client sends, message by message (version 3 of the protocol), so it knows the statements of each open
transaction. A `CommitFault` waits for the COMMIT of a transaction with such a statement; `drop`, `silence` and `slow`
harm the link as a whole. `heal` ends all of it.
"""

from __future__ import annotations

import asyncio
import re
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from tests.support.proxy import Way

_SSL, _GSS = 80877103, 80877104
_CHUNK = 2**16
_GONE = (ConnectionError, asyncio.IncompleteReadError, OSError)


class CommitHarm(Enum):
    """What is done to a COMMIT."""

    LOSE = "it is carried out, and its answer is lost: the connection breaks"
    DELAY = "the connection breaks for the client at once; it is delivered when told to"
    CUT = "the connection breaks before it is delivered"
    HOLD = "it is delivered after so many seconds, or when told to, and answered then"


@dataclass(slots=True)
class CommitFault:
    """One kind of harm to the COMMITs of transactions with a matching statement, the first `times` of them."""

    statement: str
    """A pattern that occurs in one of the transaction's statements."""
    harm: CommitHarm
    times: int = 1
    seconds: float | None = None
    hits: int = 0
    deliver: threading.Event = field(default_factory=threading.Event)
    committed: list[bool] = field(default_factory=list)
    """For each COMMIT that was lost or late: whether the server took it."""

    def takes(self, statements: list[str]) -> bool:
        return self.hits < self.times and any(re.search(self.statement, one) for one in statements)


class DatabaseLink:
    """Use it as a context manager; `port` on 127.0.0.1 is where to connect to."""

    def __init__(self, upstream: int) -> None:
        """`upstream`: the server's port on 127.0.0.1; may be changed while the link runs, for new connections."""
        self.upstream = upstream
        self.port = 0
        self.delay = 0.0
        """Seconds by which each piece is held up, in both directions."""
        self.faults: list[CommitFault] = []
        self._ever: list[CommitFault] = []
        self._sessions: set[_Session] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="database-link", daemon=True)
        self._silent: set[Way] = set()
        self._healed = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # ------------------------------------------------------------------------------------------------------ harming

    def harm(self, fault: CommitFault) -> CommitFault:
        """Do this harm from now on."""
        self.faults.append(fault)
        self._ever.append(fault)
        return fault

    def heal(self) -> None:
        """Do no more harm. What was held in silence breaks; what waits to be delivered late still waits."""
        self.faults.clear()
        self.delay = 0.0
        self._call(self._end_silence)

    def slow(self, seconds: float) -> None:
        """Hold up each piece, in both directions."""
        self.delay = seconds

    def silence(self, *ways: Way) -> None:
        """Let nothing through in these directions, and break nothing: half-open. Both where none is given."""
        self._silent.update(ways or tuple(Way))

    def drop(self) -> None:
        """Break every connection."""
        self._call(self._abort)

    def _call(self, function: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(function)

    def _end_silence(self) -> None:
        self._silent.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    def _abort(self) -> None:
        for session in list(self._sessions):
            session.abort()

    async def reach(self, way: Way) -> None:
        """Go on unless the link is silent in this direction; then break when it is healed."""
        if self.delay:
            await asyncio.sleep(self.delay)
        if way in self._silent:
            await self._healed.wait()
            raise ConnectionResetError

    # --------------------------------------------------------------------------------------------------------- life

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _stop(self) -> None:
        self._server.close()
        for fault in self._ever:
            fault.deliver.set()  # a thread waits for it
        self._abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, reader, writer)
        self._sessions.add(session)
        with suppress(*_GONE):
            await session.run()
        session.abort()
        self._sessions.discard(session)


@dataclass(eq=False)
class _Session:
    """One connection of a client, and ours to the server for it."""

    link: DatabaseLink
    client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    server: asyncio.StreamReader | None = None
    to_server: asyncio.StreamWriter | None = None
    statements: list[str] = field(default_factory=list)
    back: asyncio.Task[None] | None = None

    def abort(self) -> None:
        for writer in (self.to_client, self.to_server):
            if writer is not None:
                writer.transport.abort()
        if self.back is not None:
            self.back.cancel()

    async def run(self) -> None:
        start = await self._startup()
        await self.link.reach(Way.THERE)
        self.server, self.to_server = await asyncio.open_connection("127.0.0.1", self.link.upstream)
        self.to_server.write(start)
        self.back = asyncio.ensure_future(self._answers(self.server))
        while True:
            message = await self._message(self.client)
            await self.link.reach(Way.THERE)
            fault = self._fault(message)
            if fault is not None:
                fault.hits += 1
                if await self._harmed(fault, await self._rest(message)):
                    return
                continue
            self.to_server.write(message)
            await self.to_server.drain()

    async def _startup(self) -> bytes:
        """Read how the client begins; encryption is declined, as the server itself would."""
        while True:
            head = await self.client.readexactly(8)
            size, code = struct.unpack("!II", head)
            if code not in {_SSL, _GSS}:
                return head + await self.client.readexactly(size - 8)
            self.to_client.write(b"N")

    async def _message(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(5)
        return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)

    def _fault(self, message: bytes) -> CommitFault | None:
        """Note a statement; return what is to be done where it is a COMMIT to be harmed."""
        text = _statement(message)
        if text is None:
            return None
        if text.upper().startswith("BEGIN"):
            self.statements.clear()
        if not text.upper().startswith("COMMIT"):
            self.statements.append(text)
            return None
        return next((fault for fault in self.link.faults if fault.takes(self.statements)), None)

    async def _rest(self, message: bytes) -> bytes:
        """Return the whole request that begins with this message: up to Sync, in the extended protocol."""
        whole = message
        while message[:1] not in {b"Q", b"S"}:
            message = await self._message(self.client)
            whole += message
        return whole

    async def _harmed(self, fault: CommitFault, request: bytes) -> bool:
        """Do the harm; True where the client's connection is broken by it."""
        match fault.harm:
            case CommitHarm.CUT:
                pass
            case CommitHarm.LOSE:
                self._stop_answers()
                fault.committed.append(await self._commit(request))
            case CommitHarm.DELAY:
                self._stop_answers()
                self.to_client.transport.abort()
                await asyncio.to_thread(fault.deliver.wait, fault.seconds)
                fault.committed.append(await self._commit(request))
            case CommitHarm.HOLD:
                await asyncio.to_thread(fault.deliver.wait, fault.seconds)
                if self.to_server is not None:
                    self.to_server.write(request)
                return False
        return True

    def _stop_answers(self) -> None:
        """Pass nothing on to the client any more. It has read all answers so far, or it would not say COMMIT."""
        if self.back is not None:
            self.back.cancel()

    async def _commit(self, request: bytes) -> bool:
        """Deliver a COMMIT and read the answer; False where the server does not say that it took it."""
        taken = False
        try:
            if self.back is not None:
                with suppress(asyncio.CancelledError):
                    await self.back
            if self.to_server is None or self.server is None:
                return False
            self.to_server.write(request)
            while (message := await self._message(self.server))[:1] != b"Z":
                taken = taken or message[5:].startswith(b"COMMIT\0")
        except _GONE:
            return False
        return taken

    async def _answers(self, server: asyncio.StreamReader) -> None:
        try:
            while chunk := await server.read(_CHUNK):
                await self.link.reach(Way.BACK)
                self.to_client.write(chunk)
                await self.to_client.drain()
        except _GONE:
            pass
        self.to_client.transport.abort()


def _statement(message: bytes) -> str | None:
    """Return the text of a Query or a Parse; None for every other message."""
    kind, body = message[:1], message[5:]
    if kind == b"Q":
        return body.partition(b"\0")[0].decode(errors="replace")
    if kind == b"P":
        return body.split(b"\0", 2)[1].decode(errors="replace")
    return None
