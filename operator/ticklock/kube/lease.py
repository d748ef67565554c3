"""One Lease of coordination.k8s.io/v1.

Every replica reads it every few seconds and the leader writes it as often, so it is also the first object to show that
the cluster was set back: then its version is lower than one that was seen before. That holds even where the restore has
let the revisions of the cluster jump ahead, since the object itself is as old as the snapshot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ticklock.domain.instants import format_micro
from ticklock.kube.client import K8sApi
from ticklock.kube.errors import ApiError
from ticklock.kube.resources import LEASES
from ticklock.kube.view import mapping, text
from ticklock.ports import Fall, LeaseMark, LeaseRecord, LeaseStore


class KubeLease(LeaseStore):
    """The Lease `name` in `namespace`.

    Give it a `K8sApi` of its own, so that a flood of other requests cannot delay it.
    """

    def __init__(self, api: K8sApi, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._fall: Fall | None = None
        self.mark: LeaseMark | None = None
        """Where it stood when last read or written; None before that."""

    def take_fall(self) -> Fall | None:
        """Return, once, that the Lease was seen at a lower version than before; None where its versions only rose."""
        fall, self._fall = self._fall, None
        return fall

    async def read(self) -> LeaseRecord | None:
        """Return it, None where there is none."""
        try:
            return self._seen(await self._api.get(LEASES.one(self._namespace, self._name)))
        except ApiError as error:
            if error.absent:
                return None
            raise error.transient from error

    async def create(self, holder: str, duration: float, now: datetime) -> LeaseRecord:
        """Create it with us as the holder. Conflict where it exists."""
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {"leaseTransitions": 0, "acquireTime": format_micro(now), **_claim(holder, duration, now)},
        }
        try:
            return self._seen(await self._api.request("POST", LEASES.within(self._namespace), body=body))
        except ApiError as error:
            raise error.translated from error

    async def update(
        self,
        seen: LeaseRecord,
        holder: str,
        duration: float,
        now: datetime,
        *,
        transitions: int,
        acquired: bool,
    ) -> LeaseRecord:
        """Write on the version seen. Conflict where it moved on or is gone."""
        spec = {**mapping(seen.raw.get("spec")), **_claim(holder, duration, now), "leaseTransitions": transitions}
        if acquired:
            spec["acquireTime"] = format_micro(now)
        body = {**seen.raw, "spec": spec}
        try:
            return self._seen(await self._api.request("PUT", LEASES.one(self._namespace, self._name), body=body))
        except ApiError as error:
            raise (error.conflict if error.absent else error.translated) from error

    async def find(self) -> LeaseMark | None:
        """Read where it stands; None where there is none, or where its version is not a number."""
        return self.mark if await self.read() else None

    def _seen(self, lease: Mapping[str, Any]) -> LeaseRecord:
        metadata = mapping(lease.get("metadata"))
        version = text(metadata.get("resourceVersion")) or ""
        if version.isdecimal():
            found = LeaseMark(text(metadata.get("uid")) or "", int(version))
            if self.mark is not None and found.version < self.mark.version:
                self._fall = Fall(self.mark.version, found)
            self.mark = found
        return _record(lease)


def _claim(holder: str, duration: float, now: datetime) -> dict[str, Any]:
    # The API server wants whole seconds, and at least one.
    seconds = max(1, math.ceil(duration))
    return {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": format_micro(now)}


def _record(lease: Mapping[str, Any]) -> LeaseRecord:
    spec = mapping(lease.get("spec"))
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    return LeaseRecord(
        holder=text(spec.get("holderIdentity")) or "",
        duration=float(duration) if isinstance(duration, int) else 0.0,
        transitions=transitions if isinstance(transitions, int) else 0,
        raw=lease,
    )
