"""Where things are on the API server."""

from __future__ import annotations

from dataclasses import dataclass

from ticklock.domain import names


@dataclass(frozen=True, slots=True)
class Place:
    """A path, and the resource's name for metrics and messages."""

    path: str
    resource: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object."""

    root: str
    plural: str

    def all(self) -> Place:
        """All of them, in every namespace."""
        return Place(f"{self.root}/{self.plural}", self.plural)

    def within(self, namespace: str) -> Place:
        """Those of one namespace; where new ones are created."""
        return Place(f"{self.root}/namespaces/{namespace}/{self.plural}", self.plural)

    def one(self, namespace: str | None, name: str, sub: str = "") -> Place:
        """One of them, or one of its subresources."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        tail = f"/{sub}" if sub else ""
        return Place(f"{self.root}{scope}/{self.plural}/{name}{tail}", f"{self.plural}{tail}")


JOBS = Resource("/apis/batch/v1", "jobs")
PODS = Resource("/api/v1", "pods")
NAMESPACES = Resource("/api/v1", "namespaces")
EVENTS = Resource("/apis/events.k8s.io/v1", "events")
LEASES = Resource("/apis/coordination.k8s.io/v1", "leases")
SCHEDULED_JOBS = Resource(f"/apis/{names.API_VERSION}", names.PLURAL)
