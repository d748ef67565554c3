"""The kopf front end: tells what happens to ScheduledJobs, and does nothing else.

kopf cancels every task of its loop when it stops and replaces signal handlers, so it lives in a thread with a loop of
its own. It is used for raw events only: nothing is written to any object; no peering, no finalizers, no timers.
It reports edges, and may lose some: whoever listens compares with a full list now and then.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import aiohttp
import kopf

from ticklock.domain import names
from ticklock.domain.errors import Transient
from ticklock.kube.client import USER_AGENT
from ticklock.kube.config import Access
from ticklock.kube.view import mapping

POLITE_SECONDS = 2.0
"""For kopf to stop when asked. While it still reads what the server offers it hears nothing, and is cancelled then."""
JOIN_SECONDS = 5.0
RELOGIN_SECONDS = 1.0
_POLL_SECONDS = 0.25

Submit = Callable[[str | None, Mapping[str, Any]], None]
"""Called in kopf's thread as (ADDED | MODIFIED | DELETED | None for the first list, object); must only enqueue."""


class KopfFront:
    """One run of the front end; make a new one to start again."""

    def __init__(self, access: Access, submit: Submit, *, namespace: str | None = None) -> None:
        """`namespace` is the only one that is watched; None: all of them."""
        self._access = access
        self._namespace = namespace
        self._news = News(submit)
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._logins = 0
        self._cancel: Callable[[], object] | None = None

    async def run(self) -> None:
        """Run until cancelled. Raises Transient where kopf ended by itself, RuntimeError where it cannot be stopped."""
        self.start()
        try:
            await self.ended()
        finally:
            await self.stop()

    def start(self) -> None:
        """Start the thread; returns at once."""
        quiet_kopf()
        self._thread = threading.Thread(target=self._main, name="kopf", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether kopf has begun to watch."""
        return self._ready.is_set()

    async def ended(self) -> None:
        """Wait until kopf ends by itself, which it does when a watch fails for good; raise Transient then."""
        while self._thread is not None and self._thread.is_alive():  # noqa: ASYNC110 - a thread has no event to await
            await asyncio.sleep(_POLL_SECONDS)
        raise Transient(f"the kopf front end ended by itself: {self._error or 'no error was given'}")

    async def stop(self) -> None:
        """Ask kopf to stop, then cancel it, and join its thread.

        Raises RuntimeError seven seconds after the request: then only the process's end helps.
        """
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, POLITE_SECONDS)
            if self._cancel is not None and self._thread.is_alive():
                with suppress(RuntimeError):  # its loop has just ended
                    self._cancel()
            await asyncio.to_thread(self._thread.join, JOIN_SECONDS)
            if self._thread.is_alive():
                raise RuntimeError("the kopf front end does not stop")

    def _main(self) -> None:
        try:
            asyncio.run(self._operate())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the other thread has to know
            self._error = error

    async def _operate(self) -> None:
        if (task := asyncio.current_task()) is not None:
            self._cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        await kopf.operator(
            registry=self._registry(),
            settings=_settings(),
            clusterwide=self._namespace is None,
            namespaces=[] if self._namespace is None else [self._namespace],
            standalone=True,
            stop_flag=self._stop,
            ready_flag=self._ready,
        )

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def login(**_: object) -> kopf.AiohttpSession:
            return await self._login()

        async def event(event: Mapping[str, Any], **_: object) -> None:
            self._news.tell(event.get("type"), mapping(event.get("object")))

        kopf.on.login(registry=registry, id="login")(login)
        kopf.on.event(names.GROUP, "v1", names.PLURAL, registry=registry, id="event")(event)
        return registry

    async def _login(self) -> kopf.AiohttpSession:
        """Give kopf a session of its own. It asks again after a 401."""
        if self._logins:
            self._access.credentials.refused()
            await asyncio.sleep(RELOGIN_SECONDS)
        self._logins += 1
        headers = {"User-Agent": USER_AGENT}
        authorization = self._access.credentials.authorization(asyncio.get_running_loop().time())
        if authorization is not None:
            headers["Authorization"] = authorization
        tls = self._access.tls
        connector = aiohttp.TCPConnector(limit=0, ssl=True if tls is None else tls)
        session = aiohttp.ClientSession(connector=connector, headers=headers)
        return kopf.AiohttpSession(server=self._access.server, aiohttp_session=session)


class News:
    """Passes on what may matter: our own status writes come back as events, and are most of them."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._told: dict[str, tuple[object, ...]] = {}

    def tell(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Submit an object that is new, gone, or of another generation, trigger or deletion mark than told before."""
        metadata = mapping(body.get("metadata"))
        uid = str(metadata.get("uid"))
        trigger = mapping(metadata.get("annotations")).get(names.TRIGGER)
        state = (metadata.get("generation"), trigger, metadata.get("deletionTimestamp"))
        if kind == "DELETED":
            self._told.pop(uid, None)
        elif self._told.get(uid) == state:
            return
        else:
            self._told[uid] = state
        self._submit(kind, body)


def quiet_kopf() -> None:
    """Keep kopf's account of each object out of the log, and its warning that a thread gets no signals."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)


def _settings() -> kopf.OperatorSettings:
    """Return new settings: kopf changes those it is given."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # the CRD is there before us; no right to read CRDs and namespaces is needed
    settings.process.ultimate_exiting_timeout = None  # else kopf kills the process ten minutes after a rough stop
    settings.queueing.worker_limit = 50
    settings.queueing.idle_timeout = 0.05  # with a limit, the default would hold each slot for five seconds
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 290
    settings.watching.connect_timeout = 5
    settings.networking.request_timeout = 20
    settings.networking.connect_timeout = 5
    return settings
