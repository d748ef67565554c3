"""Events of events.k8s.io/v1: what `kubectl describe` and `kubectl events` show of a schedule."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ticklock.domain import names
from ticklock.domain.instants import format_micro
from ticklock.domain.model import ObjectRef
from ticklock.kube.client import REPORTING, K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import EVENTS, LEASES
from ticklock.kube.view import mapping, text
from ticklock.ports import Events, ObjectEvent

CONTROLLER = f"{names.GROUP}/controller"
LONGEST_NOTE = 1024
LONGEST_ACTION = 128
LONGEST_INSTANCE = 128
_MARK = " …"


class KubeEvents(Events):
    """Events through `K8sApi`. `instance` is the replica that posts; `lease`, namespace and name, the installation."""

    def __init__(self, api: K8sApi, *, instance: str, lease: tuple[str, str]) -> None:
        self._api = api
        self._instance = instance[:LONGEST_INSTANCE]
        self._lease = lease

    async def post(self, event: ObjectEvent) -> None:
        """Post it; an Event of that name that is there already counts as posted, a vanished namespace too.

        What is about the installation is posted about its Lease: of all that it consists of, only the Lease is there
        once, always, and also where replicas run outside the cluster.
        """
        try:
            about = await self._installation() if event.ref is None else _object(event.ref)
            body = event_body(event, about, instance=self._instance)
            await self._api.request("POST", EVENTS.within(about["namespace"]), body=body, manner=REPORTING)
        except ApiError as error:
            there = error.status == 409 and error.reason == "AlreadyExists"  # noqa: PLR2004
            if not (there or error.absent or _namespace_ends(error)):
                raise error.translated from error

    async def _installation(self) -> dict[str, str]:
        """Return the Lease, with its uid: `kubectl describe` shows only Events that name it."""
        namespace, name = self._lease
        lease = mapping((await self._api.get(LEASES.one(namespace, name))).get("metadata"))
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "namespace": namespace,
            "name": name,
            "uid": text(lease.get("uid")) or "",
        }


def _object(ref: ObjectRef) -> dict[str, str]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "namespace": ref.namespace,
        "name": ref.name,
        "uid": ref.uid,
    }


def event_body(event: ObjectEvent, about: dict[str, str], *, instance: str) -> dict[str, Any]:
    """Return the Event to post about an object."""
    namespace = about["namespace"]
    body: dict[str, Any] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": event_name(event, about), "namespace": namespace},
        "eventTime": format_micro(event.at),
        "type": event.type,
        "reason": event.reason.value,
        "action": event.action[:LONGEST_ACTION] or event.reason.value,
        "note": _shortened(event.note),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "regarding": about,
    }
    if event.related_job is not None:
        related = {"apiVersion": "batch/v1", "kind": "Job", "namespace": namespace, "name": event.related_job}
        body["related"] = related if event.related_uid is None else {**related, "uid": event.related_uid}
    return body


def event_name(event: ObjectEvent, about: dict[str, str]) -> str:
    """Return the Event's name: the same for each post of it, and never that of another."""
    parts = (about["uid"], str(event.id), event.reason.value, format_micro(event.at))
    return f"{about['name'][:200]}.{sha256('/'.join(parts).encode()).hexdigest()[:16]}"


def _shortened(note: str) -> str:
    """Cut to what the API server accepts; it counts bytes."""
    raw = note.encode()
    if len(raw) <= LONGEST_NOTE:
        return note
    return raw[: LONGEST_NOTE - len(_MARK.encode())].decode(errors="ignore") + _MARK


def _namespace_ends(error: ApiError) -> bool:
    return error.status == 403 and any(cause.reason == "NamespaceTerminating" for cause in error.causes)  # noqa: PLR2004
