"""A reverse proxy between a replica and a real API server, for answers that a healthy one does not give on demand.

Requests go in by plain HTTP, with their token, and on to the API server by TLS. Each `Fault` waits for its request.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
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


@dataclass(slots=True)
class Fault:
    """One kind of harm to the requests that match, the first `times` of them."""

    method: str
    path: str
    harm: Harm
    times: int = 1
    status: int = 504
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    """A pattern that the request's body must match too."""
    hits: int = 0
    deliver: threading.Event = field(default_factory=threading.Event)
    answers: list[int] = field(default_factory=list)
    """How the API server answered what was delivered late, or what was lost."""

    def takes(self, method: str, path: str, body: bytes) -> bool:
        fits = method == self.method and re.search(self.path, path) is not None
        told = self.body is None or re.search(self.body, body.decode()) is not None
        return fits and told and self.hits < self.times


class FaultProxy:
    """Use it as a context manager; `url` is where to send requests."""

    def __init__(self, upstream: Credentials) -> None:
        self._upstream = upstream
        self._faults: list[Fault] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._late: set[asyncio.Task[None]] = set()
        self.url = ""

    def harm(self, fault: Fault) -> Fault:
        """Do this harm from now on."""
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Do no more harm."""
        self._faults.clear()

    def kubeconfig(self, folder: Path) -> Path:
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
        path = folder / "through-the-proxy.kubeconfig"
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
        await self._runner.cleanup()
        await self._session.close()

    # ----------------------------------------------------------------------------------------------------- requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = next((one for one in self._faults if one.takes(request.method, request.path_qs, body)), None)
        if fault is None:
            try:
                return await self._pass(request, body)
            except (aiohttp.ClientError, OSError):  # one of the two sides has gone: so does the other
                return _cut(request)
        fault.hits += 1
        if fault.harm is Harm.LOSE:
            fault.answers.append(await self._deliver(request, body))
            return _cut(request)
        if fault.harm is Harm.DELAY:
            task = asyncio.ensure_future(self._deliver_late(request, body, fault))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        return _refusal(fault)

    async def _pass(self, request: web.Request, body: bytes) -> web.StreamResponse:
        async with self._send(request, body) as answer:
            headers = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP}
            response = web.StreamResponse(status=answer.status, headers=headers)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
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
