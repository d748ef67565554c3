"""The simulated nodes: they start and end the pods of Jobs, and write each start down before anybody can know of it.

It stands outside of what is broken: a connection of its own, straight to the API server, and the history file. What a
pod does is asked for by the annotations that tools/devcluster/stages.yaml explains.

Promise: the start of a pod is in the history before its status says Running; no pod is started twice, not even by
another agent that goes on with the same history. An API server that is away is waited for.
Not promised: that a pod whose object has gone before its start is in the history: it never started.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self

from tests.chaos.bystander import Attempt
from tests.chaos.folder import Recorder
from tests.chaos.history import NodePhase, NodeSight
from tests.chaos.sighted import pod_started
from tools.devcluster.kubeapi import ApiError, Credentials, KubeApi
from tools.devcluster.watching import Change, Sight, Watch

Manifest = dict[str, Any]

SOURCE = "nodes"
_RETRY_SECONDS = 0.2
_AGAIN_SECONDS = 5.0
"""After which what was said is looked at again."""
_REQUESTS = 8
_KILLED = 137
_OVER = {"Succeeded", "Failed"}


@dataclass(slots=True)
class _Pod:
    """One pod as last seen, and whether it is to go."""

    body: Manifest
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    deleted: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    told: Manifest | None = None
    """The last status that the API server was told."""

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])

    @property
    def path(self) -> str:
        meta = self.body["metadata"]
        return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"

    def asked(self, key: str) -> str | None:
        """What an annotation asks for."""
        value: str | None = (self.body["metadata"].get("annotations") or {}).get(f"ticklock.dev/{key}")
        return value

    def seconds(self, key: str) -> float:
        return float(self.asked(key) or 0)


class NodeAgent:
    """All nodes in one thread. Use it as a context manager."""

    def __init__(self, credentials: Credentials, recorder: Recorder, *, started: Iterable[str] = ()) -> None:
        """`started`: UIDs of the pods that an earlier agent has written into the same history."""
        self._recorder = recorder
        self._api = KubeApi(credentials, timeout=10)
        self._started = set(started)
        self.starts: dict[Attempt, set[str]] = {}
        """The UIDs of the pods of each attempt that this agent has started."""
        self._pods: dict[str, _Pod] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nodes", daemon=True)
        self._watch = Watch(credentials, "/api/v1/pods", self._on_sight)
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = asyncio.Event()
        self._running.set()
        self._slots = asyncio.Semaphore(_REQUESTS)
        self.failure: BaseException | None = None
        """What has broken it; None while it is well."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._api.close()

    def check(self) -> None:
        """Raise what has broken it."""
        for failure in (self.failure, self._watch.failure):
            if failure is not None:
                raise failure

    def pause(self) -> None:
        """Let the nodes stand still: nothing starts, nothing ends, nothing goes."""
        self._loop.call_soon_threadsafe(self._running.clear)

    def resume(self) -> None:
        """Let them go on."""
        self._loop.call_soon_threadsafe(self._running.set)

    # ------------------------------------------------------------------------------------------------------- seeing

    def _on_sight(self, sight: Sight) -> None:
        owners = sight.object["metadata"].get("ownerReferences") or ()
        if any(one["kind"] == "Job" for one in owners):
            self._loop.call_soon_threadsafe(self._seen, sight)

    def _seen(self, sight: Sight) -> None:
        uid = sight.object["metadata"]["uid"]
        pod = self._pods.get(uid)
        if pod is None:
            if sight.change is Change.GONE:
                return
            pod = self._pods[uid] = _Pod(sight.object)
            self._begin(self._life(pod))
        pod.body = sight.object
        pod.changed.set()
        if sight.change is Change.GONE:
            pod.gone.set()
            pod.deleted.set()
            del self._pods[uid]
        elif "deletionTimestamp" in sight.object["metadata"]:
            pod.deleted.set()

    def _begin(self, life: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()

    async def _stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------- a pod's life

    async def _life(self, pod: _Pod) -> None:
        """From scheduled to gone. A pod that another agent has started is only followed to its end."""
        phase = (pod.body.get("status") or {}).get("phase", "Pending")
        while phase not in _OVER and not pod.body["spec"].get("nodeName") and not pod.deleted.is_set():
            pod.changed.clear()
            await pod.changed.wait()
        if phase not in _OVER and not pod.deleted.is_set():
            await self._run(pod)
        await self._keep(pod)

    async def _keep(self, pod: _Pod) -> None:
        """Until the pod is gone, have the API server know what is so: etcd may be set back to before it was told."""
        while not pod.gone.is_set():
            pod.changed.clear()
            await self._running.wait()
            if pod.deleted.is_set():
                await self._tell(lambda: self._api.delete(pod.path, _at_once(pod)))
            elif pod.told is not None and (pod.body.get("status") or {}).get("phase") != pod.told["phase"]:
                await self._say(pod, pod.told)
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS):
                    await pod.changed.wait()

    async def _run(self, pod: _Pod) -> None:
        await self._running.wait()
        if pod.deleted.is_set():
            return None
        start = pod_started(pod.body, at=time.time(), source=SOURCE)
        if pod.uid not in self._started:
            self._started.add(pod.uid)
            self._recorder.write(start)
            self.starts.setdefault((start.run_id, start.n), set()).add(pod.uid)
        began = _now()
        if not await self._say(pod, _running(pod.body, began)):
            return self._end(start, code=None, killed=True)
        if await self._finishes(pod):
            code = int(pod.asked("simulate") == "fail")
            self._end(start, code=code, killed=False)
            await self._say(pod, _over(pod.body, began, code))
            return None
        await asyncio.sleep(0 if pod.gone.is_set() else pod.seconds("simulate-termination-seconds"))
        self._end(start, code=None, killed=True)
        await self._say(pod, _over(pod.body, began, _KILLED))
        return None

    async def _finishes(self, pod: _Pod) -> bool:
        """Wait as long as it is asked to run; False where it is deleted first."""
        hangs = pod.asked("simulate") == "hang"
        try:
            async with asyncio.timeout(None if hangs else pod.seconds("simulate-seconds")):
                await pod.deleted.wait()
        except TimeoutError:
            await self._running.wait()
            return not pod.deleted.is_set()
        await self._running.wait()
        return False

    def _end(self, start: NodeSight, *, code: int | None, killed: bool) -> None:
        self._recorder.write(replace(start, at=time.time(), phase=NodePhase.END, exit_code=code, killed=killed))

    async def _say(self, pod: _Pod, status: Manifest) -> bool:
        """PATCH the status; False where the pod has gone."""
        pod.told = status
        body = {"metadata": {"uid": pod.uid}, "status": status}
        return await self._tell(lambda: self._api.merge_patch(f"{pod.path}/status", body))

    async def _tell(self, request: Callable[[], object]) -> bool:
        """Send until it is answered; False where the answer is that there is no such pod."""
        while True:
            try:
                async with self._slots:
                    await asyncio.to_thread(request)
            except ApiError as refusal:
                if refusal.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                    return False
            except OSError:
                pass
            else:
                return True
            await asyncio.sleep(_RETRY_SECONDS)


def _at_once(pod: _Pod) -> Manifest:
    return {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid}}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _conditions(status: str, **more: str) -> list[Manifest]:
    kinds = ("Ready", "ContainersReady")
    return [{"type": kind, "status": status, "lastTransitionTime": _now(), **more} for kind in kinds]


def _containers(pod: Manifest, *, ready: bool, state: Manifest) -> list[Manifest]:
    return [
        {"name": one["name"], "image": one["image"], "imageID": "", "ready": ready, "restartCount": 0, "state": state}
        for one in pod["spec"]["containers"]
    ]


def _running(pod: Manifest, began: str) -> Manifest:
    state = {"running": {"startedAt": began}}
    return {
        "phase": "Running",
        "startTime": began,
        "conditions": _conditions("True"),
        "containerStatuses": _containers(pod, ready=True, state=state),
    }


def _over(pod: Manifest, began: str, code: int) -> Manifest:
    reason = "Completed" if code == 0 else "Error"
    state = {"terminated": {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": _now()}}
    return {
        "phase": "Succeeded" if code == 0 else "Failed",
        "conditions": _conditions("False", reason="PodCompleted" if code == 0 else "PodFailed"),
        "containerStatuses": _containers(pod, ready=False, state=state),
    }
