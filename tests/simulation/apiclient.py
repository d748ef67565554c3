"""What the adapters of `ticklock.kube` speak through, in place of `K8sApi`: the simulated network to the API server."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.apiserver import ApiServer, Body, Change, Request, where
from tests.simulation.loop import Process, SimLoop
from tests.simulation.network import Way
from ticklock.domain import names
from ticklock.domain.errors import Transient
from ticklock.kube.client import PLAIN, Content, Manner
from ticklock.kube.resources import Place, Resource

_RELIST_SECONDS = 2.0


@dataclass(slots=True)
class WatchWeather:
    """How events travel."""

    delay: float = 0.005
    """Seconds, on average."""
    dropped: float = 0.0
    """How likely each event is to be the last of its watch."""


class SimApi:
    """The methods of `K8sApi` that the adapters use. Whatever form of the answer they accept, they get it whole."""

    def __init__(self, server: ApiServer, process: Process, way: Way, watches: Watches) -> None:
        self._server = server
        self._process = process
        self._way = way
        self._watches = watches

    def everything(self, resource: Resource) -> Place:
        return resource.all()

    async def get(
        self, place: Place, query: Mapping[str, str] | None = None, *, manner: Manner = PLAIN
    ) -> dict[str, Any]:
        return await self.request("GET", place, query=query)

    async def request(
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
        what = f"{verb} {_short(place, body)}"
        sent = Request(verb, place, body, content, query or {})
        return await self._way.ask(what, lambda: self._server.handle(self._process.name, sent))

    async def pages(
        self, place: Place, query: Mapping[str, str] | None = None, *, accept: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        yield await self.request("GET", place, query=query)

    @asynccontextmanager
    async def stream(
        self, place: Place, query: Mapping[str, str], *, silence_seconds: float, accept: str | None = None
    ) -> AsyncIterator[AsyncIterator[Body]]:
        self._process.check()
        watch = self._watches.open(where(place.path).kind, int(query.get("resourceVersion") or 0))
        try:
            yield _events(watch, self._process)
        finally:
            self._watches.close(watch)


def _short(place: Place, body: object) -> str:
    at = where(place.path)
    name = at.name or (body["metadata"]["name"] if isinstance(body, Mapping) and "metadata" in body else "")
    sub = f"/{at.sub}" if at.sub else ""
    return f"{at.kind}/{name}{sub}" if name else at.kind


@dataclass(slots=True, eq=False)
class Watch:
    """One open watch."""

    kind: str
    coming: deque[Body] = field(default_factory=deque)
    """Events on their way. They keep their order, also where several arrive at the same instant."""
    news: deque[Body | None] = field(default_factory=deque)
    """Events that have arrived; None: the connection is gone."""
    waiter: asyncio.Future[None] | None = None
    last: float = 0.0
    """When its latest event arrives."""
    broken: bool = False

    def arrive(self) -> None:
        self.push(self.coming.popleft())

    def push(self, event: Body | None) -> None:
        self.news.append(event)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


async def _events(watch: Watch, process: Process) -> AsyncIterator[Body]:
    while True:
        while watch.news:
            event = watch.news.popleft()
            process.check()
            if event is None:
                raise Transient("the watch was cut off")
            yield event
        watch.waiter = asyncio.get_running_loop().create_future()
        await watch.waiter


class Watches:
    """Carries each change to every open watch, in order, with a delay."""

    def __init__(self, server: ApiServer, loop: SimLoop, chance: random.Random, faults: Counter[str]) -> None:
        self._server = server
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self.weather = WatchWeather()
        self._open: list[Watch] = []
        server.observers.append(self._observe)

    def open(self, kind: str, since: int) -> Watch:
        watch = Watch(kind, last=self._loop.time())
        self._open.append(watch)
        missed = []
        for version, change in reversed(self._server.history):
            if version <= since:
                break
            missed.append(change)
        for change in reversed(missed):
            self._send(watch, change)
        return watch

    def close(self, watch: Watch) -> None:
        if watch in self._open:
            self._open.remove(watch)

    def cut(self) -> None:
        """Break all connections."""
        for watch in self._open:
            self._break(watch)

    def _break(self, watch: Watch) -> None:
        if not watch.broken:
            watch.broken = True
            self._loop.after(self._chance.random(), watch.push, None)

    def _observe(self, change: Change) -> None:
        for watch in self._open:
            self._send(watch, change)

    def _send(self, watch: Watch, change: Change) -> None:
        if watch.broken or watch.kind != change.kind:
            return
        if self._chance.random() < self.weather.dropped:
            self._faults["watch dropped"] += 1
            self._break(watch)
            return
        watch.last = max(watch.last, self._loop.time() + self._chance.random() * 2 * self.weather.delay)
        watch.coming.append({"type": change.event, "object": change.body})
        self._loop.after(watch.last - self._loop.time(), watch.arrive)


class SimObjectFeed:
    """`ticklock.ports.ObjectFeed` as the kopf front end behaves: a list, then edges, and anew when cut off."""

    def __init__(self, api: SimApi, place: Place) -> None:
        self._api = api
        self._place = place

    async def run(self, submit: Callable[[str, Mapping[str, Any]], None]) -> None:
        while True:
            try:
                await self._once(submit)
            except Transient:
                await asyncio.sleep(_RELIST_SECONDS)
            except Exception as error:
                if getattr(error, "status", None) is None:
                    raise
                await asyncio.sleep(_RELIST_SECONDS)

    async def _once(self, submit: Callable[[str, Mapping[str, Any]], None]) -> None:
        told: dict[str, tuple[object, ...]] = {}
        page = await self._api.get(self._place)
        for body in page["items"]:
            _tell(told, submit, "LISTED", body)
        query = {"resourceVersion": page["metadata"]["resourceVersion"]}
        async with self._api.stream(self._place, query, silence_seconds=90) as events:
            async for event in events:
                _tell(told, submit, event["type"], event["object"])


def _tell(
    told: dict[str, tuple[object, ...]], submit: Callable[[str, Mapping[str, Any]], None], kind: str, body: Body
) -> None:
    """As `ticklock.kube.front.News`: our own status writes are no news."""
    metadata = body["metadata"]
    trigger = (metadata.get("annotations") or {}).get(names.TRIGGER)
    state = (metadata.get("generation"), trigger, metadata.get("deletionTimestamp"))
    if kind != "DELETED" and told.get(metadata["uid"]) == state:
        return
    told[metadata["uid"]] = state
    submit(kind, body)
