"""ScheduledJobs on the API server: read whole, never written but for their status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ticklock.domain import names
from ticklock.domain.limits import NO_LIMITS, Limits, within
from ticklock.domain.model import Declared, ObjectRef
from ticklock.domain.parse import declared
from ticklock.kube.client import LAUNCHING, REPORTING, Content, K8sApi, Manner
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import SCHEDULED_JOBS
from ticklock.kube.view import items, mapping, text
from ticklock.ports import Objects, Standing, StatusAnswer


class KubeObjects(Objects):
    """ScheduledJobs through `K8sApi`."""

    def __init__(self, api: K8sApi, limits: Limits = NO_LIMITS) -> None:
        self._api, self._limits = api, limits

    async def list_all(self) -> tuple[Sequence[Declared], str]:
        """Return every ScheduledJob that concerns us, paginated, and the list's resourceVersion."""
        found: list[Declared] = []
        version = ""
        try:
            async for page in self._api.pages(self._api.everything(SCHEDULED_JOBS)):
                read = map(declared, map(mapping, items(page.get("items"))))
                found += [within(one, self._limits) for one in read if one is not None]
                version = text(mapping(page.get("metadata")).get("resourceVersion")) or version
        except ApiError as error:
            raise error.transient from error
        return found, version

    async def standing(self, namespace: str, name: str) -> Standing | None:
        """Read what a launch must obey; None where the object is gone."""
        body = await self._read(namespace, name, LAUNCHING)
        if body is None:
            return None
        metadata = mapping(body.get("metadata"))
        return Standing(
            uid=text(metadata.get("uid")) or "",
            suspended=mapping(body.get("spec")).get("suspend") is True,
            deleting=metadata.get("deletionTimestamp") is not None,
        )

    async def read_status(self, ref: ObjectRef) -> StatusAnswer | None:
        """Return the status as stored; None where the object (this UID) is gone."""
        body = await self._read(ref.namespace, ref.name, REPORTING)
        return None if body is None else _status_of(body, ref)

    async def write_status(
        self,
        ref: ObjectRef,
        resource_version: str,
        status: Mapping[str, Any],
    ) -> StatusAnswer | None:
        """Merge-PATCH /status on that version. Conflict where it moved on; None where this UID is gone.

        The version must be from a read of this UID: it is all that keeps the write from an object made anew, because
        the status of a custom resource is written whatever uid the PATCH names. Refused where the status itself is not
        acceptable, which includes going backwards.
        """
        place = SCHEDULED_JOBS.one(ref.namespace, ref.name, "status")
        patch = {"metadata": {"resourceVersion": resource_version}, "status": status}
        query = {"fieldManager": names.MANAGER}
        try:
            body = await self._api.request(
                "PATCH", place, body=patch, content=Content.MERGE_PATCH, query=query, manner=REPORTING
            )
        except ApiError as error:
            if error.absent:
                return None
            if error.status == 409 and await self.read_status(ref) is None:  # noqa: PLR2004
                return None
            raise error.translated from error
        return _status_of(body, ref)

    async def _read(self, namespace: str, name: str, manner: Manner) -> dict[str, Any] | None:
        try:
            return await self._api.get(SCHEDULED_JOBS.one(namespace, name), manner=manner)
        except ApiError as error:
            if error.absent:
                return None
            raise error.transient from error


def _status_of(body: Mapping[str, Any], ref: ObjectRef) -> StatusAnswer | None:
    metadata = mapping(body.get("metadata"))
    if metadata.get("uid") != ref.uid:
        return None
    return StatusAnswer(text(metadata.get("resourceVersion")) or "", mapping(body.get("status")))
