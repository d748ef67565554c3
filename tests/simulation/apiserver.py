"""The simulated API server: objects with uid and version, patches, preconditions, finalizers, watches.

It answers what tests/cluster/test_kube_jobs.py and test_kube_objects.py pin down of the real one. Bodies are never
changed in place, so everybody may keep what was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ticklock.domain import names
from ticklock.kube.client import Content
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import Place

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object."""

    kind: str
    event: str
    """ADDED, MODIFIED or DELETED."""
    former: Body | None
    new: Body | None
    """None where it is gone."""
    actor: str

    @property
    def body(self) -> Body:
        """The object as it stands, or as it stood last."""
        return self.new or self.former or {}


Observer = Callable[[Change], None]

_KINDS = {
    "jobs": "Job",
    "pods": "Pod",
    "leases": "Lease",
    "events": "Event",
    names.PLURAL: names.KIND,
}
_RATCHETS = ("lastScheduleTime", "ledgerSeq")


@dataclass(frozen=True, slots=True)
class Where:
    """A path, taken apart."""

    kind: str
    namespace: str | None
    name: str | None
    sub: str | None


@lru_cache(maxsize=10_000)
def where(path: str) -> Where:
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = None
    if parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    name = parts[1] if len(parts) > 1 else None
    return Where(parts[0], namespace, name, parts[2] if len(parts) > 2 else None)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends."""

    verb: str
    place: Place
    body: Any
    content: Content
    query: Mapping[str, str]


def refusal(status: int, reason: str, message: str, field_name: str | None = None) -> ApiError:
    body: dict[str, Any] = {"kind": "Status", "reason": reason, "message": message}
    if field_name is not None:
        body["details"] = {"causes": [{"reason": "FieldValueInvalid", "field": field_name, "message": message}]}
    return ApiError(status, body)


@dataclass(slots=True)
class ApiServer:
    """All objects of the cluster."""

    now: Callable[[], str]
    objects: dict[str, dict[tuple[str, str], Body]] = field(default_factory=lambda: {kind: {} for kind in _KINDS})
    version: int = 0
    uids: int = 0
    rejected: set[str] = field(default_factory=set)
    """Names of Jobs that were refused for what they say."""
    history: list[tuple[int, Change]] = field(default_factory=list)
    observers: list[Observer] = field(default_factory=list)

    def handle(self, actor: str, request: Request) -> dict[str, Any]:
        """Answer one request."""
        at, body = where(request.place.path), request.body
        match request.verb:
            case "GET":
                return self.list(at, request.query) if at.name is None else dict(self.get(at))
            case "POST":
                return dict(self.create(actor, at, body))
            case "PATCH" if request.content is Content.JSON_PATCH:
                return dict(self.patch(actor, at, lambda former: _json_patched(former, body)))
            case "PATCH":
                return dict(self.patch(actor, at, lambda former: _merged(former, body), asked=body))
            case "PUT":
                return dict(self.patch(actor, at, lambda _: body, asked=body))
            case _:
                return self.delete(actor, at, _preconditions(body))

    # ------------------------------------------------------------------------------------------------------------- read

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        return self.objects[kind].get((namespace, name))

    def get(self, at: Where) -> Body:
        found = self.find(at.kind, at.namespace or "", at.name or "")
        if found is None:
            raise refusal(404, "NotFound", f"{at.kind} {at.name!r} not found")
        return found

    def list(self, at: Where, query: Mapping[str, str]) -> dict[str, Any]:
        found = [
            body
            for (namespace, _), body in self.objects[at.kind].items()
            if at.namespace in {None, namespace} and _selected(body, query)
        ]
        return {"kind": "List", "metadata": {"resourceVersion": str(self.version)}, "items": found}

    # ------------------------------------------------------------------------------------------------------------ write

    def create(self, actor: str, at: Where, body: Mapping[str, Any]) -> Body:
        given = body["metadata"]
        key = (at.namespace or "", given["name"])
        if key in self.objects[at.kind]:
            raise refusal(409, "AlreadyExists", f"{at.kind} {given['name']!r} already exists")
        if at.kind == "jobs" and not all(one.get("image") for one in body["spec"]["template"]["spec"]["containers"]):
            self.rejected.add(given["name"])
            raise refusal(422, "Invalid", "image: Required value", "spec.template.spec.containers[0].image")
        self.uids += 1
        metadata = {
            **given,
            "namespace": key[0],
            "uid": f"00000000-0000-4000-8000-{self.uids:012d}",
            "creationTimestamp": self.now(),
            "generation": 1,
        }
        return self._store(actor, at.kind, None, {"kind": _KINDS[at.kind], **body, "metadata": metadata})

    def patch(
        self, actor: str, at: Where, change: Callable[[Body], Body], *, asked: Mapping[str, Any] | None = None
    ) -> Body:
        former = self.get(at)
        _check_versions(former, asked)
        new = change(former)
        if at.sub == "status":
            new = {**former, "status": new.get("status", {})}
            _check_ratchets(former, new)
        elif at.kind != "leases":
            new = {**new, "status": former["status"]} if "status" in former else new
        if new == former:
            return former
        if new.get("spec") != former.get("spec") and at.sub is None:
            metadata = new["metadata"]
            new = {**new, "metadata": {**metadata, "generation": int(metadata.get("generation", 1)) + 1}}
        return self._store(actor, at.kind, former, new)

    def delete(self, actor: str, at: Where, preconditions: Mapping[str, str]) -> dict[str, Any]:
        former = self.get(at)
        metadata = former["metadata"]
        for name, wanted in preconditions.items():
            if metadata.get(name) != wanted:
                raise refusal(409, "Conflict", f"the {name} in the precondition does not match")
        if not metadata.get("finalizers"):
            self._remove(actor, at.kind, former)
            return {"kind": "Status", "status": "Success"}
        if metadata.get("deletionTimestamp") is None:
            going = {**former, "metadata": {**metadata, "deletionTimestamp": self.now()}}
            return dict(self._store(actor, at.kind, former, going))
        return dict(former)

    def _store(self, actor: str, kind: str, former: Body | None, new: Body) -> Body:
        metadata = new["metadata"]
        if metadata.get("deletionTimestamp") is not None and not metadata.get("finalizers"):
            self._remove(actor, kind, new)
            return new
        self.version += 1
        stored = {**new, "metadata": {**metadata, "resourceVersion": str(self.version)}}
        self.objects[kind][_key(stored)] = stored
        self._tell(Change(kind, "ADDED" if former is None else "MODIFIED", former, stored, actor))
        return stored

    def _remove(self, actor: str, kind: str, former: Body) -> None:
        del self.objects[kind][_key(former)]
        self.version += 1
        last = {**former, "metadata": {**former["metadata"], "resourceVersion": str(self.version)}}
        self._tell(Change(kind, "DELETED", last, None, actor))

    def _tell(self, change: Change) -> None:
        self.history.append((self.version, change))
        for observer in self.observers:
            observer(change)

    # ------------------------------------------------------------------------------------------------------------ world

    def edit(self, actor: str, kind: str, key: tuple[str, str], change: Callable[[Body], Body]) -> Body | None:
        """Change an object as somebody who is always heard; None where it is gone."""
        former = self.objects[kind].get(key)
        if former is None:
            return None
        new = change(former)
        if new == former:
            return former
        if kind == names.PLURAL and new.get("spec") != former.get("spec"):
            metadata = new["metadata"]
            new = {**new, "metadata": {**metadata, "generation": metadata["generation"] + 1}}
        return self._store(actor, kind, former, new)


def _key(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _preconditions(body: Any) -> Mapping[str, str]:
    found = body.get("preconditions") if isinstance(body, Mapping) else None
    return found or {}


def _selected(body: Body, query: Mapping[str, str]) -> bool:
    labels = body["metadata"].get("labels") or {}
    selector = query.get("labelSelector", "")
    if "=" in selector:
        name, value = selector.split("=", 1)
        if labels.get(name) != value:
            return False
    elif selector and selector not in labels:
        return False
    if "status.phase!=" in query.get("fieldSelector", ""):
        return body["status"]["phase"] not in {"Succeeded", "Failed"}
    return True


def _check_versions(former: Body, asked: Mapping[str, Any] | None) -> None:
    metadata = (asked or {}).get("metadata") or {}
    current = former["metadata"]
    if "uid" in metadata and metadata["uid"] != current["uid"]:
        raise refusal(422, "Invalid", "metadata.uid: field is immutable", "metadata.uid")
    if "resourceVersion" in metadata and metadata["resourceVersion"] != current["resourceVersion"]:
        raise refusal(409, "Conflict", "the object has been modified")


def _check_ratchets(former: Body, new: Body) -> None:
    before, after = former.get("status") or {}, new.get("status") or {}
    for name in _RATCHETS:
        if before.get(name) is not None and (after.get(name) is None or after[name] < before[name]):
            raise refusal(422, "Invalid", f"status.{name} must not go backwards", f"status.{name}")


def _merged(former: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return patch
    base = dict(former) if isinstance(former, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        elif isinstance(value, Mapping):
            base[name] = _merged(base.get(name), value)
        else:
            base[name] = value
    return base


def _json_patched(former: Body, operations: Sequence[Mapping[str, Any]]) -> Body:
    """RFC 6902, the operations that we use."""
    new: Any = former
    for operation in operations:
        path = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        if operation["op"] == "test":
            if _at(new, path) != operation["value"]:
                raise refusal(422, "Invalid", f"the test of {operation['path']} failed")
        else:
            new = _changed(new, path, operation)
    return dict(new)


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _changed(value: Any, path: Sequence[str], operation: Mapping[str, Any]) -> Any:
    head, rest = path[0], path[1:]
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    at: Any = int(head) if isinstance(copy, list) else head
    if rest:
        copy[at] = _changed(copy[at], rest, operation)
    elif operation["op"] == "remove":
        del copy[at]
    else:
        copy[at] = operation["value"]
    return copy
