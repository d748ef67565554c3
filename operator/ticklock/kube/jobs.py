"""Jobs on the API server: the steps in which the promise meets Kubernetes.

What the API server answers in each case was found by experiment and is pinned by tests/cluster/test_kube_jobs.py: a
PATCH that names another uid is a 422, never a 409; a deletion whose precondition fails is a 409; a launch of a Job that
is being deleted is a 200 and starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ticklock.domain import names
from ticklock.domain.errors import Transient
from ticklock.domain.model import JobUid
from ticklock.kube.client import LAUNCHING, PLAIN, REPORTING, Content, K8sApi, Manner
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import JOBS, PODS
from ticklock.kube.view import items, mapping, view, waits_for_user
from ticklock.ports import Jobs, JobView

FIELD_MANAGER = {"fieldManager": names.MANAGER}
RELEASE_TRIES = 5


class KubeJobs(Jobs):
    """Jobs through `K8sApi`."""

    def __init__(self, api: K8sApi) -> None:
        self._api = api

    async def create(self, namespace: str, manifest: Mapping[str, Any]) -> JobView:
        """Create a Job; the answer is the 201's own body."""
        try:
            answer = await self._api.request("POST", JOBS.within(namespace), body=manifest, query=FIELD_MANAGER)
        except ApiError as error:
            # The bookkeeping of quotas answers 409 too; the name is free then, and another try may succeed.
            busy = error.status == 409 and error.reason != "AlreadyExists"  # noqa: PLR2004
            raise (error.transient if busy else error.translated) from error
        return view(answer)

    async def read(self, namespace: str, name: str) -> JobView | None:
        """Return the Job, or None where there is none."""
        job = await self._get(namespace, name)
        return None if job is None else view(job)

    async def launch(self, namespace: str, name: str, uid: JobUid) -> JobView | None:
        """Let exactly this Job go. One whose template says `suspend: true` is only marked, and waits for its user.

        The usual case takes one request: a JSON-patch that tests the uid, and that the Job is not one of those that
        wait, and lets it go; no resourceVersion, as the job controller's own writes would make it stale. Where a test
        fails, a consistent read tells which; gone is only what that read shows to be gone.
        """
        unsuspend = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": pointer("metadata", "annotations", names.USER_SUSPEND), "value": "false"},
            {"op": "replace", "path": "/spec/suspend", "value": False},
        ]
        try:
            return view(await self._patch(namespace, name, unsuspend, Content.JSON_PATCH, manner=LAUNCHING))
        except ApiError as error:
            if error.status not in {404, 422}:
                raise error.transient from error
        job = await self._this(namespace, name, uid, LAUNCHING)
        if job is None:
            return None
        return await self._launch_as_read(job, namespace, name, uid)

    async def _launch_as_read(
        self,
        job: Mapping[str, Any],
        namespace: str,
        name: str,
        uid: JobUid,
    ) -> JobView | None:
        """Launch a Job that waits for its user, or whose annotation was taken off."""
        waits = waits_for_user(job)
        marked = {"annotations": {names.LAUNCHED: "true"}} if waits else {}
        patch = {"metadata": {"uid": uid, **marked}, **({} if waits else {"spec": {"suspend": False}})}
        try:
            return view(await self._patch(namespace, name, patch, Content.MERGE_PATCH, manner=LAUNCHING))
        except ApiError as error:
            gone = error.absent or (error.status == 422 and error.names("metadata.uid"))  # noqa: PLR2004
            if gone and await self._this(namespace, name, uid, LAUNCHING) is None:
                return None
            raise error.transient from error

    async def delete(self, job: JobView, *, only_if_unchanged: bool) -> JobView | None:
        """Delete with propagation Background and preconditions; return the object as it stands after the call."""
        preconditions: dict[str, str] = {"uid": job.uid}
        if only_if_unchanged:
            preconditions["resourceVersion"] = job.resource_version
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            # Never the default, which for batch/v1 orphans the pods.
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        try:
            answer = await self._api.request("DELETE", JOBS.one(job.namespace, job.name), body=options)
        except ApiError as error:
            if error.absent:
                return None
            raise (error.translated if error.status == 409 else error.transient) from error  # noqa: PLR2004
        if answer.get("kind") == "Job" and _uid(answer) == job.uid and view(answer).deleting:
            return view(answer)
        after = await self._this(job.namespace, job.name, job.uid)
        return None if after is None else view(after)

    async def release(self, namespace: str, name: str, uid: JobUid) -> bool:
        """Take our finalizer off, and no other. False where others changed the list each time we tried."""
        index: int | None = 0  # in most cases it is the only one, which saves the read
        for _ in range(RELEASE_TRIES):
            try:
                body = _without_finalizer(uid, index)
                await self._patch(namespace, name, body, Content.JSON_PATCH, manner=REPORTING)
            except ApiError as error:
                if error.status not in {404, 409, 422}:
                    raise error.transient from error
            else:
                return True
            job = await self._this(namespace, name, uid)
            index = None if job is None else _finalizer_index(job)
            if index is None:
                return True
        return False

    async def live_pods(self, namespace: str, uid: JobUid) -> int:
        """Count the pods of this Job that have not ended, those being deleted included."""
        query = {
            "labelSelector": f"batch.kubernetes.io/controller-uid={uid}",
            "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed",
        }
        try:
            return sum([len(items(page.get("items"))) async for page in self._api.pages(PODS.within(namespace), query)])
        except ApiError as error:
            raise error.transient from error

    async def _patch(
        self, namespace: str, name: str, body: object, content: Content, *, manner: Manner
    ) -> dict[str, Any]:
        place = JOBS.one(namespace, name)
        return await self._api.request("PATCH", place, body=body, content=content, query=FIELD_MANAGER, manner=manner)

    async def _get(self, namespace: str, name: str, manner: Manner = PLAIN) -> dict[str, Any] | None:
        try:
            return await self._api.get(JOBS.one(namespace, name), manner=manner)
        except ApiError as error:
            if error.absent:
                return None
            raise error.transient from error

    async def _this(self, namespace: str, name: str, uid: JobUid, manner: Manner = PLAIN) -> dict[str, Any] | None:
        """Read the Job of this uid; None where it is gone, whoever has its name now."""
        job = await self._get(namespace, name, manner)
        if job is not None and not _uid(job):
            raise Transient(f"job {namespace}/{name}: the answer has no uid")
        return job if job is not None and _uid(job) == uid else None


def _uid(job: Mapping[str, Any]) -> object:
    return mapping(job.get("metadata")).get("uid")


def _finalizer_index(job: Mapping[str, Any]) -> int | None:
    finalizers = items(mapping(job.get("metadata")).get("finalizers"))
    return finalizers.index(names.FINALIZER) if names.FINALIZER in finalizers else None


def _without_finalizer(uid: JobUid, index: int | None) -> list[dict[str, Any]]:
    path = f"/metadata/finalizers/{index}"
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": path, "value": names.FINALIZER},
        {"op": "remove", "path": path},
    ]


def pointer(*parts: str) -> str:
    """Write a JSON pointer (RFC 6901)."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
