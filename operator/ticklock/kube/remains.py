"""What an installation leaves in a cluster, read and removed for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ticklock.domain import names
from ticklock.kube.client import K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.lease import KubeLease
from ticklock.kube.resources import JOBS, LEASES, SCHEDULED_JOBS, Resource
from ticklock.kube.view import items, mapping, text, view
from ticklock.ports import JobView, LeaseRecord, Remains


class KubeRemains(Remains):
    """Through `K8sApi`; the Lease is that of one installation."""

    def __init__(self, api: K8sApi, *, lease_namespace: str, lease_name: str) -> None:
        self._api = api
        self._place = LEASES.one(lease_namespace, lease_name)
        self._lease = KubeLease(api, lease_namespace, lease_name)

    async def jobs(self) -> Sequence[JobView]:
        """Read all Jobs there are: somebody may have taken our label off one that our finalizer still holds."""
        found: list[JobView] = []
        async for one in self._every(JOBS):
            metadata = mapping(one.get("metadata"))
            ours = names.LABEL_SCHEDULE in mapping(metadata.get("labels"))
            if ours or names.FINALIZER in items(metadata.get("finalizers")):
                found.append(view(one))
        return found

    async def schedules(self) -> Mapping[str, int]:
        """Count the ScheduledJobs of each namespace; none where their kind is not known."""
        try:
            namespaces = [mapping(one.get("metadata")).get("namespace") async for one in self._every(SCHEDULED_JOBS)]
        except _UnknownError:
            return {}
        return Counter(str(namespace) for namespace in namespaces)

    async def lease(self) -> LeaseRecord | None:
        """Return the Lease, None where there is none."""
        return await self._lease.read()

    async def remove_lease(self, seen: LeaseRecord) -> None:
        """Delete it with its uid and resourceVersion as preconditions."""
        metadata = mapping(seen.raw.get("metadata"))
        preconditions = {key: text(metadata.get(key)) or "" for key in ("uid", "resourceVersion")}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        try:
            await self._api.request("DELETE", self._place, body=options)
        except ApiError as error:
            if not error.absent:
                raise error.translated from error

    async def _every(self, resource: Resource) -> AsyncIterator[Mapping[str, Any]]:
        try:
            async for page in self._api.pages(self._api.everything(resource)):
                for one in items(page.get("items")):
                    yield mapping(one)
        except ApiError as error:
            if error.status == 404:  # noqa: PLR2004
                raise _UnknownError from error
            raise error.transient from error


class _UnknownError(Exception):
    """The API server does not know this kind."""
