"""Pods on the API server: looked at, and those of StrictPod runs let go or removed.

What is relied on, and pinned by tests/cluster/test_kube_pods.py: a scheduling gate can be taken off and never put back;
a pod that is being deleted gets no node any more; a pod without the mark of the job controller is not counted by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ticklock.domain import names
from ticklock.domain.errors import Transient
from ticklock.domain.model import JobUid, PodUid
from ticklock.kube.client import LAUNCHING, Content, K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.jobs import FIELD_MANAGER, pointer
from ticklock.kube.resources import JOBS, PODS, Place
from ticklock.kube.view import items, mapping, pod_view, text
from ticklock.ports import Pods, PodView

_TRIES = 5
_GONE, _MOVED = {404}, {404, 409, 422}
_WITNESS = pointer("metadata", "annotations", names.POD)


class KubePods(Pods):
    """Pods through `K8sApi`."""

    def __init__(self, api: K8sApi) -> None:
        self._api = api

    async def of_job(self, namespace: str, job: JobUid) -> Sequence[PodView]:
        """Return the pods of this Job UID that there are, whole."""
        query = {"labelSelector": f"batch.kubernetes.io/controller-uid={job}"}
        try:
            found = [
                pod_view(mapping(one))
                async for page in self._api.pages(PODS.within(namespace), query)
                for one in items(page.get("items"))
            ]
        except ApiError as error:
            raise error.transient from error
        return [pod for pod in found if pod is not None and pod.job_uid == job]

    async def read(self, namespace: str, name: str) -> PodView | None:
        """Return the pod, or None where there is none."""
        body = await self._get(PODS.one(namespace, name))
        return None if body is None else pod_view(body)

    # -- the witness

    async def bear_witness(self, pod: PodView, withdrawn: Collection[PodUid]) -> PodUid | None:
        """Write on the Job which pod is chosen: by JSON patch where none was, else on the version that was read."""
        place = JOBS.one(pod.namespace, pod.job_name)
        for attempt in range(_TRIES):
            patch: object = _first_witness(pod)
            content = Content.JSON_PATCH
            if attempt:
                job = await self._get(place)
                if job is None or _uid(job) != pod.job_uid:
                    return None
                stands = _witness_of(job)
                if stands and stands not in withdrawn:
                    return PodUid(stands)
                patch, content = _next_witness(pod, job), Content.MERGE_PATCH
            if await self._patched(place, patch, content) is not None:
                return pod.uid
        raise Transient(f"Job {pod.namespace}/{pod.job_name} changes too often to say which pod is chosen")

    # -- the gate

    async def admit(self, pod: PodView) -> bool:
        """Take our gate off exactly this pod; no resourceVersion, as others write its status meanwhile."""
        seen: PodView | None = pod
        for _ in range(_TRIES):
            if seen is None or seen.uid != pod.uid or seen.deleting:
                return False
            if seen.gate is None:
                return True
            patch = _without_item(pod.uid, f"/spec/schedulingGates/{seen.gate}", "/name", names.POD_GATE)
            answer = await self._patched(PODS.one(pod.namespace, pod.name), patch, Content.JSON_PATCH)
            after = None if answer is None else pod_view(answer)
            seen = after if after is not None else await self.read(pod.namespace, pod.name)
        raise Transient(f"pod {pod.namespace}/{pod.name} changes too often to be let go")

    async def discard(self, pod: PodView, *, counted: bool) -> None:
        """Delete a pod; where it is not to count as a failure, the job controller's mark comes off first."""
        place = PODS.one(pod.namespace, pod.name)
        if not counted:
            await self._unmark(place, pod.uid)
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": pod.uid}}
        try:
            await self._api.request("DELETE", place, body=options)
        except ApiError as error:
            if error.status not in _MOVED:
                raise error.transient from error

    async def _unmark(self, place: Place, uid: PodUid) -> None:
        for _ in range(_TRIES):
            body = await self._get(place)
            if body is None or _uid(body) != uid:
                return
            marks = items(mapping(body.get("metadata")).get("finalizers"))
            if names.TRACKING_FINALIZER not in marks:
                return
            path = f"/metadata/finalizers/{marks.index(names.TRACKING_FINALIZER)}"
            patch = _without_item(uid, path, "", names.TRACKING_FINALIZER)
            if await self._patched(place, patch, Content.JSON_PATCH) is not None:
                return
        raise Transient(f"{place.path} changes too often to be removed")

    # -- requests

    async def _patched(self, place: Place, patch: object, content: Content) -> dict[str, Any] | None:
        """Return the answer; None where the object is gone or is not as the patch assumes."""
        try:
            return await self._api.request(
                "PATCH", place, body=patch, content=content, query=FIELD_MANAGER, manner=LAUNCHING
            )
        except ApiError as error:
            if error.status in _MOVED:
                return None
            raise error.transient from error

    async def _get(self, place: Place) -> dict[str, Any] | None:
        try:
            return await self._api.get(place)
        except ApiError as error:
            if error.status in _GONE:
                return None
            raise error.transient from error


def _first_witness(pod: PodView) -> list[dict[str, Any]]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": pod.job_uid},
        {"op": "test", "path": _WITNESS, "value": ""},
        {"op": "replace", "path": _WITNESS, "value": pod.uid},
    ]


def _next_witness(pod: PodView, job: Mapping[str, Any]) -> dict[str, Any]:
    version = mapping(job.get("metadata")).get("resourceVersion")
    return {"metadata": {"uid": pod.job_uid, "resourceVersion": version, "annotations": {names.POD: pod.uid}}}


def _witness_of(job: Mapping[str, Any]) -> str | None:
    return text(mapping(mapping(job.get("metadata")).get("annotations")).get(names.POD))


def _without_item(uid: PodUid, path: str, below: str, value: str) -> list[dict[str, Any]]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": path + below, "value": value},
        {"op": "remove", "path": path},
    ]


def _uid(body: Mapping[str, Any]) -> object:
    return mapping(body.get("metadata")).get("uid")
