"""Watching a collection of the API server from outside, with the moment at which each change arrived."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from tools.devcluster.kubeapi import ApiError, Credentials, KubeApi

_RETRY_SECONDS = 0.2
_WATCH_SECONDS = 3600


class Change(StrEnum):
    """What happened to an object."""

    SEEN = "SEEN"
    """It is there, new or changed."""
    GONE = "GONE"
    """It is there no more; what comes with it is its last known state."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One change of one object; `at` is when it arrived here, in seconds since 1970."""

    change: Change
    object: dict[str, Any]
    at: float


class Watch:
    """Lists a collection, then follows it, in a thread of its own; after a break it lists again.

    Promise: `on_sight` is called from that one thread, in the order of the API server, and the last state of each
    object arrives. Not promised: each state in between, when the connection broke.
    """

    def __init__(self, credentials: Credentials, path: str, on_sight: Callable[[Sight], None]) -> None:
        self._credentials, self._path, self._on_sight = credentials, path, on_sight
        self._api = KubeApi(credentials)
        self._known: dict[str, dict[str, Any]] = {}
        self._closing = threading.Event()
        self._listed = threading.Event()
        self._stream: http.client.HTTPSConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)
        self.failure: Exception | None = None
        """What ended the watch; None while it runs."""

    def start(self, *, seconds: float = 30) -> None:
        """Begin; returns when the first list has been reported. Raises TimeoutError."""
        self._thread.start()
        if not self._listed.wait(seconds):
            raise TimeoutError(f"no list of {self._path} within {seconds:g} s")

    def close(self) -> None:
        """Stop watching. May be repeated."""
        self._closing.set()
        stream = self._stream
        if stream is not None and stream.sock is not None:
            with contextlib.suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        self._api.close()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                with contextlib.suppress(OSError, ApiError, http.client.HTTPException, ValueError):
                    self._follow(self._list())
                self._closing.wait(_RETRY_SECONDS)
        except Exception as problem:  # noqa: BLE001 - of the callback; whoever waits for sights must hear of it
            self.failure = problem

    def _list(self) -> str:
        found = self._api.get(self._path)
        now = time.time()
        present = {item["metadata"]["uid"]: item for item in found["items"]}
        for uid in [uid for uid in self._known if uid not in present]:
            self._on_sight(Sight(Change.GONE, self._known.pop(uid), now))
        for uid, item in present.items():
            if self._known.get(uid) != item:
                self._known[uid] = item
                self._on_sight(Sight(Change.SEEN, item, now))
        self._listed.set()
        return str(found["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        """Report changes until the server ends the stream."""
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={_WATCH_SECONDS}"
        self._stream = stream = self._connect()
        try:
            stream.request("GET", f"{self._path}{'&' if '?' in self._path else '?'}{query}", headers=self._headers())
            response = stream.getresponse()
            while not self._closing.is_set() and (line := response.readline()):
                if not self._report(json.loads(line), time.time()):
                    return
        finally:
            stream.close()

    def _report(self, event: dict[str, Any], at: float) -> bool:
        """Pass one event on; False where the stream must be begun anew."""
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            return False
        if kind != "BOOKMARK":
            uid = item["metadata"]["uid"]
            if kind == "DELETED":
                self._known.pop(uid, None)
            else:
                self._known[uid] = item
            self._on_sight(Sight(Change.GONE if kind == "DELETED" else Change.SEEN, item, at))
        return True

    def _connect(self) -> http.client.HTTPSConnection:
        address = urlsplit(self._credentials.server)
        context = ssl.create_default_context(cafile=str(self._credentials.authority))
        if self._credentials.client is not None:
            context.load_cert_chain(self._credentials.client.certificate, self._credentials.client.key)
        return http.client.HTTPSConnection(address.hostname or "", address.port, context=context, timeout=None)

    def _headers(self) -> dict[str, str]:
        token = self._credentials.token
        return {"Authorization": f"Bearer {token}"} if token is not None else {}
