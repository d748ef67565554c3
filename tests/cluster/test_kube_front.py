"""kopf in its thread, on a real API server."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.bad_manifests import valid_manifest
from tests.support.crd import collection, install
from tests.support.waiting import eventually
from ticklock.domain.errors import Transient
from ticklock.kube.config import Access, Rereading, connect
from ticklock.kube.front import KopfFront
from tools.devcluster.controlplane import ControlPlane


@pytest.fixture(autouse=True, scope="module")
def crd(control_plane: ControlPlane) -> None:
    install(control_plane)


class Heard:
    """What the front end submitted, from its thread."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[tuple[str | None, Mapping[str, Any]]] = queue.SimpleQueue()
        self.threads: set[str] = set()

    def submit(self, kind: str | None, body: Mapping[str, Any]) -> None:
        self.threads.add(threading.current_thread().name)
        self.queue.put((kind, body))

    def next_of(self, namespace: str) -> tuple[str | None, Mapping[str, Any]]:
        while True:
            kind, body = self.queue.get(timeout=20)
            if body["metadata"]["namespace"] == namespace:
                return kind, body


async def test_every_object_and_change_is_told_once_and_status_is_not(
    control_plane: ControlPlane, namespace: str
) -> None:
    path, api = collection(namespace), control_plane.api
    api.post(path, valid_manifest("before"))
    heard = Heard()
    front = KopfFront(connect(str(control_plane.kubeconfig)), heard.submit)
    front.start()
    try:
        kind, body = heard.next_of(namespace)
        assert (kind, body["metadata"]["name"]) == (None, "before")
        created = api.post(path, valid_manifest("after"))
        kind, body = heard.next_of(namespace)
        assert (kind, body["metadata"]["uid"]) == ("ADDED", created["metadata"]["uid"])
        api.merge_patch(f"{path}/after/status", {"status": {"ledgerSeq": 3}})
        api.merge_patch(f"{path}/after", {"metadata": {"annotations": {"ticklock.dev/trigger": "now"}}})
        kind, body = heard.next_of(namespace)
        assert (kind, body["metadata"]["annotations"]["ticklock.dev/trigger"]) == ("MODIFIED", "now")
        api.merge_patch(f"{path}/after", {"spec": {"suspend": True}})
        assert heard.next_of(namespace)[1]["spec"]["suspend"] is True
        api.delete(f"{path}/after")
        assert heard.next_of(namespace)[0] == "DELETED"
        assert heard.threads == {"kopf"}
        stored = api.get(f"{path}/before")["metadata"]
        assert "finalizers" not in stored
        assert "annotations" not in stored
    finally:
        await front.stop()


async def test_it_stops_and_starts_again_and_leaves_no_thread(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.api.post(collection(namespace), valid_manifest("report"))
    for _ in range(3):
        heard = Heard()
        front = KopfFront(connect(str(control_plane.kubeconfig)), heard.submit)
        front.start()
        assert heard.next_of(namespace)[1]["metadata"]["name"] == "report"
        await front.stop()
        assert "kopf" not in {thread.name for thread in threading.enumerate()}


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[Access, asyncio.Event]]:
    """A server that takes every request and answers none, as one does that is paused; and whether it was asked."""
    asked = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            asked.set()
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield Access(f"http://{host}:{port}", None, Rereading(lambda: None)), asked


async def test_it_stops_while_it_still_asks_what_the_server_offers() -> None:
    async with silent() as (access, asked):
        front = KopfFront(access, Heard().submit)
        front.start()
        await asyncio.wait_for(asked.wait(), 10)
        await front.stop()
        assert "kopf" not in {thread.name for thread in threading.enumerate()}
        # kopf by itself waits five seconds for its answer, and on a busy machine for longer than anybody joins it.
        assert isinstance(front._error, asyncio.CancelledError)


async def test_one_that_ends_by_itself_says_so(control_plane: ControlPlane) -> None:
    front = KopfFront(connect(str(control_plane.kubeconfig)), Heard().submit)
    front.start()
    eventually(lambda: front.ready, what="kopf is ready")
    # What kopf itself does when a watch fails for good.
    front._stop.set()
    with pytest.raises(Transient, match="ended by itself"):
        await front.ended()
    await front.stop()
