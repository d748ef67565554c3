"""A small client of the Kubernetes API: mappings in, mappings out, over aiohttp and orjson.

Models cost four to twenty times the processor time of a request and hide fields they do not know, so there are none.

Promise: an answer other than 2xx is raised as `ApiError`, a request without a readable answer as `Transient`: whether
it took effect is then unknown. Nothing is sent twice, but after a 401, which comes before anything is done. One that
the budget of retries or the pressure on the server holds back is `Transient` too, and was not sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson

from ticklock.domain.errors import Transient
from ticklock.kube.errors import ApiError
from ticklock.kube.pressure import Pressure, Urgency
from ticklock.kube.regulator import Regulator, Sending
from ticklock.ports import Meter

if TYPE_CHECKING:
    from types import TracebackType

    from ticklock.kube.config import Access
    from ticklock.kube.resources import Place, Resource

USER_AGENT = f"ticklock/{version('ticklock')}"
CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 10.0
LIST_SECONDS = 60.0
KEEP_ALIVE_SECONDS = 75.0
"""Longer than a minute, so that every-minute schedules find open connections; shorter than the API server's 90 s."""
CONNECTIONS = 64
PAGE = 500
LONGEST_LINE = 16 * 2**20
"""A watch event is one line; etcd refuses objects of 1.5 MiB, JSON may be several times that."""

Hook = Callable[[str, str, int, float], None]
"""Called as (verb, resource, status, seconds) after each request; status 0 where no answer came."""


class Content(StrEnum):
    """Content types of request bodies."""

    JSON = "application/json"
    MERGE_PATCH = "application/merge-patch+json"
    JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request is made."""

    seconds: float = TOTAL_SECONDS
    """What it may take, once for its turn and once for its answer."""
    urgency: Urgency = Urgency.STAGE


PLAIN = Manner()
LAUNCHING = Manner(urgency=Urgency.LAUNCH)
REPORTING = Manner(urgency=Urgency.REPORT)
_LISTING = Manner(seconds=LIST_SECONDS)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request as it is sent."""

    verb: str
    place: Place
    query: Mapping[str, str] | None
    limits: aiohttp.ClientTimeout
    content: Content = Content.JSON
    data: bytes | None = None
    accept: str | None = None
    """What the answer is to be; None: the whole object as JSON."""

    def sending(self, body: object, manner: Manner) -> Sending:
        """Return it as the regulator sees it. What is created has no place of its own yet, but a name."""
        name = f"{self.verb} {self.place.path}"
        identity = self.verb, self.place.path, _subject(self.verb, body)
        return Sending(identity, name, manner.urgency, manner.seconds)

    def broken(self, error: Exception) -> Transient:
        """Say that no answer came."""
        return Transient(f"{self.verb} {self.place.path}: {str(error) or type(error).__name__}")


class K8sApi:
    """Requests to one API server. Belongs to the event loop that enters it."""

    def __init__(
        self,
        access: Access,
        *,
        connections: int = CONNECTIONS,
        on_request: Hook | None = None,
        meter: Meter | None = None,
        namespace: str | None = None,
    ) -> None:
        """`meter` is told of pressure and retries; of several clients of a process give it to one.

        `namespace` is the only one of which `everything` tells; None: the whole cluster.
        """
        self.access = access
        self.namespace = namespace
        self._regulator = Regulator(Pressure(connections, clock=time.monotonic), meter)
        self._on_request = on_request
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the pool of connections."""
        tls = self.access.tls
        # Watches hold a connection each for minutes; the pressure bounds only the ordinary requests.
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=True if tls is None else tls,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            # Uncompressed: the link is short, the processors are not idle.
            headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**18,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def everything(self, resource: Resource) -> Place:
        """Return where all objects of a kind are listed that concern us."""
        return resource.all() if self.namespace is None else resource.within(self.namespace)

    async def get(
        self, place: Place, query: Mapping[str, str] | None = None, *, manner: Manner = PLAIN
    ) -> dict[str, Any]:
        """Read. Without a resourceVersion in the query the answer is consistent."""
        return await self.request("GET", place, query=query, manner=manner)

    async def request(  # noqa: PLR0913 - what HTTP can say, by keyword
        self,
        verb: str,
        place: Place,
        *,
        body: object = None,
        content: Content = Content.JSON,
        query: Mapping[str, str] | None = None,
        manner: Manner = PLAIN,
        accept: str | None = None,
    ) -> dict[str, Any]:
        """Send one request and return the object answered."""
        limits = aiohttp.ClientTimeout(total=manner.seconds, sock_connect=CONNECT_SECONDS)
        call = _Call(verb, place, query, limits, content, None if body is None else orjson.dumps(body), accept)
        async with self._regulator.through(call.sending(body, manner)) as fate:
            status, raw, retry_after = await self._exchange(call)
            if status == 401:  # noqa: PLR2004
                self.access.credentials.refused()
                status, raw, retry_after = await self._exchange(call)
            fate.status, fate.retry_after = status, retry_after
        answer = parse(raw)
        if 200 <= status < 300:  # noqa: PLR2004
            if answer is None:
                raise Transient(f"{verb} {place.path}: the answer is not a JSON object")
            return answer
        raise ApiError(status, answer or {}, retry_after=retry_after)

    async def pages(
        self, place: Place, query: Mapping[str, str] | None = None, *, accept: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Read a list in pages, all of one version. Raises ApiError 410 where that version expired meanwhile."""
        asked = {"limit": str(PAGE), **(query or {})}
        while True:
            page = await self.request("GET", place, query=asked, manner=_LISTING, accept=accept)
            yield page
            metadata = page.get("metadata")
            going_on = metadata.get("continue") if isinstance(metadata, Mapping) else None
            if not going_on:
                return
            asked["continue"] = str(going_on)

    @asynccontextmanager
    async def stream(
        self,
        place: Place,
        query: Mapping[str, str],
        *,
        silence_seconds: float,
        accept: str | None = None,
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open a watch and iterate over its events; a line that is no JSON object ends it as Transient.

        Ends as Transient too where nothing at all was received for `silence_seconds`.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds)
        call = _Call("GET", place, {**query, "watch": "1"}, limits, accept=accept)
        try:
            async with self._open(call) as response:
                if response.status != 200:  # noqa: PLR2004
                    if response.status == 401:  # noqa: PLR2004
                        self.access.credentials.refused()
                    raise ApiError(response.status, parse(await response.read()) or {}, retry_after=_pause(response))
                yield _lines(response)
        except (aiohttp.ClientError, OSError, ValueError) as broken:
            raise call.broken(broken) from broken

    async def _exchange(self, call: _Call) -> tuple[int, bytes, float | None]:
        clock = asyncio.get_running_loop().time
        started, status = clock(), 0
        try:
            async with self._open(call) as response:
                raw = await response.read()
                status = response.status
                return status, raw, _pause(response)
        except (aiohttp.ClientError, OSError) as broken:  # a time-out is an OSError
            raise call.broken(broken) from broken
        finally:
            if self._on_request is not None:
                self._on_request(call.verb, call.place.resource, status, clock() - started)

    def _open(self, call: _Call) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("the client is not open: use it inside `async with`")
        headers = {} if call.data is None else {"Content-Type": call.content.value}
        if call.accept is not None:
            headers["Accept"] = call.accept
        authorization = self.access.credentials.authorization(asyncio.get_running_loop().time())
        if authorization is not None:
            headers["Authorization"] = authorization
        return self._session.request(
            call.verb,
            self.access.server + call.place.path,
            params=call.query,
            data=call.data,
            headers=headers,
            timeout=call.limits,
            allow_redirects=False,
            server_hostname=self.access.server_name,
        )


def _subject(verb: str, body: object) -> str | None:
    """Return the name of what is to be created."""
    metadata = body.get("metadata") if verb == "POST" and isinstance(body, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(name) if name else None


def parse(raw: bytes) -> dict[str, Any] | None:
    """Read a JSON object; None where it is none."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Cut a stream into lines. aiohttp's own reader refuses lines that are longer than its buffer."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        *lines, tail = rest.split(b"\n") if b"\n" in chunk else (rest,)
        rest = bytearray(tail)
        for line in lines:
            event = parse(bytes(line))
            if event is None:
                raise Transient(f"watch of {response.url.path}: a line is not a JSON object")
            yield event
        if len(rest) > LONGEST_LINE:
            raise Transient(f"watch of {response.url.path}: a line is longer than {LONGEST_LINE} bytes")


def _pause(response: aiohttp.ClientResponse) -> float | None:
    """Read Retry-After: whole seconds; the API server sends no dates."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
