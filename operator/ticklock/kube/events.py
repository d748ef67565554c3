"""Events of events.k8s.io/v1: what `kubectl describe` and `kubectl events` show of a schedule."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ticklock.domain import names
from ticklock.domain.instants import format_micro
from ticklock.kube.client import REPORTING, K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import EVENTS
from ticklock.ports import Events, ObjectEvent

CONTROLLER = f"{names.GROUP}/controller"
LONGEST_NOTE = 1024
LONGEST_ACTION = 128
LONGEST_INSTANCE = 128
_MARK = " …"


class KubeEvents(Events):
    """Events through `K8sApi`. `instance` names the replica that posts."""

    def __init__(self, api: K8sApi, *, instance: str) -> None:
        self._api = api
        self._instance = instance[:LONGEST_INSTANCE]

    async def post(self, event: ObjectEvent) -> None:
        """Post it; an Event of that name that is there already counts as posted, a vanished namespace too."""
        body = event_body(event, instance=self._instance)
        try:
            await self._api.request("POST", EVENTS.within(event.ref.namespace), body=body, manner=REPORTING)
        except ApiError as error:
            there = error.status == 409 and error.reason == "AlreadyExists"  # noqa: PLR2004
            if not (there or error.absent or _namespace_ends(error)):
                raise error.translated from error


def event_body(event: ObjectEvent, *, instance: str) -> dict[str, Any]:
    """Return the object to post."""
    ref = event.ref
    body: dict[str, Any] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": event_name(event), "namespace": ref.namespace},
        "eventTime": format_micro(event.at),
        "type": event.type,
        "reason": event.reason.value,
        "action": event.action[:LONGEST_ACTION] or event.reason.value,
        "note": _shortened(event.note),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": ref.uid,
        },
    }
    if event.related_job is not None:
        related = {"apiVersion": "batch/v1", "kind": "Job", "namespace": ref.namespace, "name": event.related_job}
        body["related"] = related if event.related_uid is None else {**related, "uid": event.related_uid}
    return body


def event_name(event: ObjectEvent) -> str:
    """Return the Event's name: the same for each post of it, and never that of another."""
    parts = (event.ref.uid, str(event.id), event.reason.value, format_micro(event.at))
    return f"{event.ref.name[:200]}.{sha256('/'.join(parts).encode()).hexdigest()[:16]}"


def _shortened(note: str) -> str:
    """Cut to what the API server accepts; it counts bytes."""
    raw = note.encode()
    if len(raw) <= LONGEST_NOTE:
        return note
    return raw[: LONGEST_NOTE - len(_MARK.encode())].decode(errors="ignore") + _MARK


def _namespace_ends(error: ApiError) -> bool:
    return error.status == 403 and any(cause.reason == "NamespaceTerminating" for cause in error.causes)  # noqa: PLR2004
