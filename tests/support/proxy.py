"""A reverse proxy between a replica and a real API server, for answers that a healthy one does not give on demand.

Requests go in by plain HTTP, with their token, and on to the API server by TLS. Each `Fault` waits for its request;
`drop`, `drop_watches`, `silence` harm the link as a whole. `heal` ends all of it.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

    from tools.devcluster.kubeapi import Credentials

_HOP = {"host", "connection", "transfer-encoding", "content-length", "keep-alive"}


class Harm(Enum):
    """What is done to a request."""

    ANSWER = "it is answered by the proxy, and never reaches the API server"
    LOSE = "it is carried out, and its answer is lost"
    DELAY = "it is answered with a time-out at once, and delivered when told to"
    CUT = "the connection breaks before it is delivered"
    HOLD = "it is delivered after so many seconds, or when told to, and answered then"
    MUTE = "it is carried out, and never answered: the connection stays open"


class Way(Enum):
    """A direction of the link."""

    THERE = "what the replica sends never arrives"
    BACK = "what the API server answers never arrives"


FOR_GOOD = 10**9
"""More times than there are requests."""


@dataclass(slots=True)
class Fault:
    """One kind of harm to the requests that match, the first `times` of them."""

    method: str
    """A pattern of the whole method; `.*` for all."""
    path: str
    """A pattern that occurs in the path with its query."""
    harm: Harm
    times: int = 1
    status: int = 504
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    """A pattern that the request's body must match too."""
    seconds: float | None = None
    """How long a request is held; until told to where it is None."""
    hits: int = 0
    deliver: threading.Event = field(default_factory=threading.Event)
    answers: list[int] = field(default_factory=list)
    """How the API server answered what was delivered late, or what was lost."""

    def takes(self, method: str, path: str, body: bytes) -> bool:
        fits = re.fullmatch(self.method, method) is not None and re.search(self.path, path) is not None
        told = self.body is None or re.search(self.body, body.decode()) is not None
        return fits and told and self.hits < self.times


class FaultProxy:
    """Use it as a context manager; `url` is where to send requests."""

    def __init__(self, upstream: Credentials) -> None:
        self._upstream = upstream
        self._faults: list[Fault] = []
        self._ever: list[Fault] = []
        self._silent: dict[Way, asyncio.Event] = {way: asyncio.Event() for way in Way}
        self._healed = asyncio.Event()
        self._open: dict[asyncio.Transport, bool] = {}
        """Connections with a request under way, and whether that is a watch."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._late: set[asyncio.Task[None]] = set()
        self.url = ""

    def harm(self, fault: Fault) -> Fault:
        """Do this harm from now on."""
        self._faults.append(fault)
        self._ever.append(fault)
        return fault

    def heal(self) -> None:
        """Do no more harm. What was held in silence breaks; what waits to be delivered late still waits."""
        self._faults.clear()
        self._call(self._end_silence)

    def silence(self, *ways: Way) -> None:
        """Let nothing through in these directions, and break nothing: a partition. Both where none is given."""
        for way in ways or tuple(Way):
            self._call(self._silent[way].set)

    def drop(self) -> None:
        """Break every connection on which a request is under way, watches included."""
        self._call(self._abort, {True, False})

    def drop_watches(self) -> None:
        """Break the watches."""
        self._call(self._abort, {True})

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def _end_silence(self) -> None:
        for event in self._silent.values():
            event.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    def _abort(self, kinds: set[bool]) -> None:
        for transport, watches in list(self._open.items()):
            if watches in kinds:
                transport.abort()

    def kubeconfig(self, folder: Path, *, name: str = "through-the-proxy") -> Path:
        """Write a kubeconfig that leads through the proxy, with the token of the given credentials."""
        user = {"token": self._upstream.token}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "dev", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "user"}}],
            "current-context": "dev",
        }
        path = folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(content))
        return path

    # --------------------------------------------------------------------------------------------------------- life

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        tls = ssl.create_default_context(cafile=str(self._upstream.authority))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls), auto_decompress=False, timeout=aiohttp.ClientTimeout()
        )
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        for task in self._late:
            task.cancel()
        for fault in self._ever:
            fault.deliver.set()  # a thread waits for it
        await self._runner.cleanup()
        await self._session.close()

    # ----------------------------------------------------------------------------------------------------- requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.transport is None:
            return _cut(request)
        transport: asyncio.Transport = request.transport
        self._open[transport] = "watch" in request.query
        try:
            await self._reach(Way.THERE)
            fault = next((one for one in self._faults if one.takes(request.method, request.path_qs, body)), None)
            return await (self._pass(request, body) if fault is None else self._harmed(request, body, fault))
        except (aiohttp.ClientError, OSError):  # one of the two sides has gone: so does the other
            return _cut(request)
        finally:
            self._open.pop(transport, None)

    async def _harmed(self, request: web.Request, body: bytes, fault: Fault) -> web.StreamResponse:
        fault.hits += 1
        match fault.harm:
            case Harm.LOSE:
                fault.answers.append(await self._deliver(request, body))
                return _cut(request)
            case Harm.MUTE:
                healed = self._healed
                fault.answers.append(await self._deliver(request, body))
                await healed.wait()
                return _cut(request)
            case Harm.CUT:
                return _cut(request)
            case Harm.HOLD:
                await asyncio.to_thread(fault.deliver.wait, fault.seconds)
                return await self._pass(request, body)
            case Harm.DELAY:
                task = asyncio.ensure_future(self._deliver_late(request, body, fault))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
        return _refusal(fault)

    async def _reach(self, way: Way) -> None:
        """Go on unless the link is silent in this direction; then break when it is healed."""
        if self._silent[way].is_set():
            await self._healed.wait()
            raise ConnectionResetError

    async def _pass(self, request: web.Request, body: bytes) -> web.StreamResponse:
        async with self._send(request, body) as answer:
            headers = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP}
            response = web.StreamResponse(status=answer.status, headers=headers)
            await self._reach(Way.BACK)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await self._reach(Way.BACK)
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _deliver(self, request: web.Request, body: bytes) -> int:
        async with self._send(request, body) as answer:
            await answer.read()
            return int(answer.status)

    async def _deliver_late(self, request: web.Request, body: bytes, fault: Fault) -> None:
        await asyncio.to_thread(fault.deliver.wait)
        fault.answers.append(await self._deliver(request, body))

    def _send(self, request: web.Request, body: bytes) -> Any:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        return self._session.request(
            request.method, self._upstream.server + request.raw_path, data=body or None, headers=headers
        )


def _cut(request: web.Request) -> web.Response:
    """Break the connection; whatever is answered afterwards is not heard."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


def _refusal(fault: Fault) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status, "message": "by the test"}
    return web.Response(
        status=fault.status, headers=fault.headers, body=json.dumps(status), content_type="application/json"
    )
