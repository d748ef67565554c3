"""Feeds of our Jobs and their pods: a list, then changes as they come, then lists again with a difference.

Promise: every Job of ours is reported at least in the state it was last in before each full list, and one that vanished
while nobody watched is reported as gone by the next list. Not promised: every state in between.
Only views are kept, about one kilobyte each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import random
from typing import Any, Generic, Protocol, TypeVar

from ticklock.domain import names
from ticklock.domain.errors import Transient
from ticklock.domain.model import LaunchPolicy
from ticklock.kube.client import K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import JOBS, PODS, Resource
from ticklock.kube.view import items, mapping, pod_view, text, view
from ticklock.ports import JobView, PodView

SHORTEST_WATCH = 0.9
OURS = {"labelSelector": names.LABEL_SCHEDULE}
_STRICT = f"{names.LABEL_LAUNCH_POLICY}={LaunchPolicy.STRICT_POD}"
_LIVING = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_log = logging.getLogger(__name__)


class _Seen(Protocol):
    """What is kept of an object."""

    @property
    def uid(self) -> str: ...


V = TypeVar("V", bound=_Seen)

OnListed = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class FeedTimes:
    """Seconds."""

    watch: float = 290.0
    """The API server ends a watch after this; the next one begins where it ended."""
    silence: float = 90.0
    """Bookmarks come each minute: a watch in which nothing came for so long is dead."""
    relist: float = 600.0
    """A full list at least so often, whatever the watch says."""
    first_pause: float = 0.5
    longest_pause: float = 30.0


class _ListAnewError(Exception):
    """The watch cannot go on from where it was."""


@dataclass(frozen=True, slots=True)
class Source(Generic[V]):
    """What a feed is of."""

    resource: Resource
    query: Mapping[str, str]
    view: Callable[[Mapping[str, Any]], V | None]
    """Reads one version; None where it is nothing of ours."""
    metadata: bool = False
    """Only metadata are asked for."""
    missed: Callable[[V], V] = lambda seen: seen
    """What may still be said of the last version seen, where a disappearance was missed."""

    def accept(self, suffix: str = "") -> str | None:
        """Return the form of the answer to ask for; `suffix` List for a list."""
        return _METADATA.format(suffix) if self.metadata else None


class Feed(Generic[V]):
    """An informer."""

    def __init__(self, api: K8sApi, source: Source[V], times: FeedTimes | None = None) -> None:
        self._api = api
        self._source = source
        self._times = times or FeedTimes()
        self._known: dict[str, V] = {}
        self._former: dict[str, V] = {}
        """Known to an earlier run of the feed, and not looked for since."""
        self._version: str | None = None

    def known(self) -> Sequence[V]:
        """Return what there is, as last seen."""
        return list(self._known.values())

    async def list_all(self) -> tuple[Sequence[V], str]:
        """Return all of ours by a consistent paginated LIST, and the list's resourceVersion."""
        found: list[V] = []
        version = ""
        source = self._source
        try:
            place = self._api.everything(source.resource)
            async for page in self._api.pages(place, source.query, accept=source.accept("List")):
                views = (source.view(mapping(one)) for one in items(page.get("items")))
                found += [one for one in views if one is not None]
                version = text(mapping(page.get("metadata")).get("resourceVersion")) or version
        except ApiError as error:
            raise error.transient from error
        return found, version

    async def run(self, on_change: Callable[[V, bool], Awaitable[None]], on_listed: OnListed) -> None:
        """Report until cancelled, beginning with all there is. An error of a callback ends the feed.

        "Gone" means: not among those that are selected any more. Who concludes something from that reads the object.
        """
        clock = asyncio.get_running_loop().time
        self._former, self._known, self._version = {**self._former, **self._known}, {}, None
        failures, list_due = 0, clock()
        while True:
            try:
                if self._version is None or clock() >= list_due:
                    self._version = await self._list(on_change)
                    list_due = clock() + self._times.relist
                    await on_listed()
                await self._watch(min(list_due - clock(), self._times.watch), on_change)
                failures = 0
            except (Transient, _ListAnewError) as interrupted:
                failures += 1
                if isinstance(interrupted, _ListAnewError):
                    self._version = None
                pause = self._pause(failures, interrupted)
                facts = {"cause": str(interrupted), "pause_s": round(pause, 2)}
                _log.info("feed of %s interrupted", self._source.resource.plural, extra=facts)
                await asyncio.sleep(pause)

    def _pause(self, failures: int, interrupted: Transient | _ListAnewError) -> float:
        asked = interrupted.retry_after if isinstance(interrupted, Transient) else None
        doubled = self._times.first_pause * float(2 ** min(failures - 1, 10))
        return max(asked or 0.0, min(doubled, self._times.longest_pause) * (0.5 + random()))

    async def _list(self, on_change: Callable[[V, bool], Awaitable[None]]) -> str:
        listed, version = await self.list_all()
        present = {one.uid for one in listed}
        before = {**self._former, **self._known}
        for uid, one in before.items():
            if uid not in present:
                await self._report(self._source.missed(one), gone=True, on_change=on_change)
        for one in listed:
            await self._report(one, gone=False, on_change=on_change)
        self._former.clear()
        return version

    async def _report(self, seen: V, *, gone: bool, on_change: Callable[[V, bool], Awaitable[None]]) -> None:
        """Tell first, remember then: what was not told is told again by the next list."""
        if not gone and self._known.get(seen.uid) == seen:
            return
        await on_change(seen, gone)
        if gone:
            self._known.pop(seen.uid, None)
            self._former.pop(seen.uid, None)
        else:
            self._known[seen.uid] = seen

    async def _watch(self, seconds: float, on_change: Callable[[V, bool], Awaitable[None]]) -> None:
        """Watch once, from the last version known on."""
        query = {
            **self._source.query,
            "resourceVersion": self._version or "",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        seen = 0
        clock = asyncio.get_running_loop().time
        started = clock()
        source, silence = self._source, self._times.silence
        place, accept = self._api.everything(source.resource), source.accept()
        try:
            async with self._api.stream(place, query, silence_seconds=silence, accept=accept) as events:
                async for event in events:
                    self._version = await self._take(event, on_change) or self._version
                    seen += 1
        except ApiError as error:
            raise _ListAnewError(str(error)) from error
        if not seen and clock() - started < SHORTEST_WATCH:
            raise Transient("the watch ended as soon as it had begun")

    async def _take(self, event: Mapping[str, Any], on_change: Callable[[V, bool], Awaitable[None]]) -> str | None:
        """Report one event; return the version it brings."""
        kind, body = event.get("type"), mapping(event.get("object"))
        version = text(mapping(body.get("metadata")).get("resourceVersion"))
        if kind in {"ADDED", "MODIFIED", "DELETED"} and version is not None:
            if (seen := self._source.view(body)) is not None:
                await self._report(seen, gone=kind == "DELETED", on_change=on_change)
        elif kind != "BOOKMARK":
            # 410 in the usual case; anything else that is not understood is a reason to look anew as well.
            raise _ListAnewError(f"{kind}: {text(body.get('message')) or 'an event without an object'}")
        return version


class KubeJobFeed(Feed[JobView]):
    """`ticklock.ports.JobFeed`."""

    def __init__(self, api: K8sApi, times: FeedTimes | None = None) -> None:
        super().__init__(api, Source(JOBS, OURS, view), times)


class KubePodFeed(Feed[PodView]):
    """`ticklock.ports.PodFeed` of the metadata of all our pods.

    Cheap: no specs, no pods that have ended. So what there is to remember grows with what runs, not with the history.
    """

    def __init__(self, api: K8sApi, times: FeedTimes | None = None) -> None:
        super().__init__(api, Source(PODS, {**OURS, **_LIVING}, pod_view, metadata=True), times)


class StrictPodFeed(Feed[PodView]):
    """`ticklock.ports.PodFeed` of the whole pods of StrictPod runs, as long as they are Pending."""

    def __init__(self, api: K8sApi, times: FeedTimes | None = None) -> None:
        query = {"labelSelector": _STRICT, "fieldSelector": "status.phase=Pending"}
        super().__init__(api, Source(PODS, query, pod_view, missed=_perhaps_assigned), times)


def _perhaps_assigned(pod: PodView) -> PodView:
    return replace(pod, unassigned=False)
