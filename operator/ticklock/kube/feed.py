"""The feed of our Jobs: a list, then changes as they come, then lists again with a difference.

Promise: every Job of ours is reported at least in the state it was last in before each full list, and one that vanished
while nobody watched is reported as gone by the next list. Not promised: every state in between.
Only `JobView`s are kept, about one kilobyte a Job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import random
from typing import Any

from ticklock.domain import names
from ticklock.domain.errors import Transient
from ticklock.domain.model import JobUid
from ticklock.kube.client import K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import JOBS
from ticklock.kube.view import items, mapping, text, view
from ticklock.ports import JobFeed, JobView

SHORTEST_WATCH = 0.9
OURS = {"labelSelector": names.LABEL_SCHEDULE}
_log = logging.getLogger(__name__)

OnChange = Callable[[JobView, bool], Awaitable[None]]
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


class KubeJobFeed(JobFeed):
    """An informer of Jobs."""

    def __init__(self, api: K8sApi, times: FeedTimes | None = None) -> None:
        self._api = api
        self._times = times or FeedTimes()
        self._known: dict[JobUid, JobView] = {}
        self._former: dict[JobUid, JobView] = {}
        """Known to an earlier run of the feed, and not looked for since."""
        self._version: str | None = None

    def known(self) -> Sequence[JobView]:
        """Return the Jobs as last seen."""
        return list(self._known.values())

    async def list_all(self) -> tuple[Sequence[JobView], str]:
        """Return every Job of ours by a consistent paginated LIST, and the list's resourceVersion."""
        found: list[JobView] = []
        version = ""
        try:
            async for page in self._api.pages(JOBS.all(), OURS):
                found += [view(mapping(one)) for one in items(page.get("items"))]
                version = text(mapping(page.get("metadata")).get("resourceVersion")) or version
        except ApiError as error:
            raise error.transient from error
        return found, version

    async def run(self, on_change: OnChange, on_listed: OnListed) -> None:
        """Report until cancelled, beginning with all there is. An error of a callback ends the feed.

        "Gone" means: not among the Jobs that carry our label any more. Who concludes something from that reads the Job.
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
                _log.info("feed of Jobs interrupted", extra={"cause": str(interrupted), "pause_s": round(pause, 2)})
                await asyncio.sleep(pause)

    def _pause(self, failures: int, interrupted: Transient | _ListAnewError) -> float:
        asked = interrupted.retry_after if isinstance(interrupted, Transient) else None
        doubled = self._times.first_pause * float(2 ** min(failures - 1, 10))
        return max(asked or 0.0, min(doubled, self._times.longest_pause) * (0.5 + random()))

    async def _list(self, on_change: OnChange) -> str:
        listed, version = await self.list_all()
        present = {job.uid for job in listed}
        before = {**self._former, **self._known}
        for uid, job in before.items():
            if uid not in present:
                await self._report(job, gone=True, on_change=on_change)
        for job in listed:
            await self._report(job, gone=False, on_change=on_change)
        self._former.clear()
        return version

    async def _report(self, job: JobView, *, gone: bool, on_change: OnChange) -> None:
        """Tell first, remember then: what was not told is told again by the next list."""
        if not gone and self._known.get(job.uid) == job:
            return
        await on_change(job, gone)
        if gone:
            self._known.pop(job.uid, None)
            self._former.pop(job.uid, None)
        else:
            self._known[job.uid] = job

    async def _watch(self, seconds: float, on_change: OnChange) -> None:
        """Watch once, from the last version known on."""
        query = {
            **OURS,
            "resourceVersion": self._version or "",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        seen = 0
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with self._api.stream(JOBS.all(), query, silence_seconds=self._times.silence) as events:
                async for event in events:
                    self._version = await self._take(event, on_change) or self._version
                    seen += 1
        except ApiError as error:
            raise _ListAnewError(str(error)) from error
        if not seen and clock() - started < SHORTEST_WATCH:
            raise Transient("the watch ended as soon as it had begun")

    async def _take(self, event: Mapping[str, Any], on_change: OnChange) -> str | None:
        """Report one event; return the version it brings."""
        kind, job = event.get("type"), mapping(event.get("object"))
        version = text(mapping(job.get("metadata")).get("resourceVersion"))
        if kind in {"ADDED", "MODIFIED", "DELETED"} and version is not None:
            await self._report(view(job), gone=kind == "DELETED", on_change=on_change)
        elif kind != "BOOKMARK":
            # 410 in the usual case; anything else that is not understood is a reason to look anew as well.
            raise _ListAnewError(f"{kind}: {text(job.get('message')) or 'an event without an object'}")
        return version
