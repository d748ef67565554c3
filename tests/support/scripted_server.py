"""A server that answers as it is told: for the answers that no real API server can be made to give."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import orjson
from aiohttp import web

from ticklock.kube.config import Access, Rereading

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """Answers in order, the last one for ever; and what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@asynccontextmanager
async def serving(script: Script, *, token: Callable[[], str | None] = lambda: None) -> AsyncIterator[Access]:
    """Serve the script on a free port; give the way to it."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield Access(f"http://127.0.0.1:{port}", None, Rereading(token))
    finally:
        await runner.cleanup()


def says(status: int, body: Any, **headers: str) -> Answer:
    """A whole answer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=orjson.dumps(body), headers=fields, content_type="application/json")

    return answer


def refuses(status: int, reason: str, message: str = "no", **headers: str) -> Answer:
    """A Status object, as the API server sends it."""
    return says(status, {"kind": "Status", "reason": reason, "message": message, "code": status}, **headers)


async def hangs(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def breaks(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def streams(*chunks: bytes, then_hang: bool = False) -> Answer:
    """A watch, in the chunks given."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        if then_hang:
            await asyncio.Event().wait()
        return response

    return answer
