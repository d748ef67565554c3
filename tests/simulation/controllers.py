"""The controllers of Kubernetes that matter to a Job: job controller, kubelet, garbage collector, TTL.

They are late, and the job controller acts on what its cache shows, which may be a moment old: so it may make a pod for
a Job that somebody has just deleted. It never makes one for a Job that was suspended in every version alive.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.apiserver import ApiServer, Body, Change, Where
from tests.simulation.loop import SimLoop
from ticklock.domain import names

ACTOR = "kube-controller-manager"
_FINAL = frozenset({"Complete", "Failed"})


@dataclass(slots=True)
class Controllers:
    """Reacts to each change of a Job, and of what owns it."""

    server: ApiServer
    loop: SimLoop
    chance: random.Random
    clock: Callable[[], str]
    lazy: float
    """Seconds until a change is looked at, at most."""
    pods: Counter[str] = field(default_factory=Counter)
    """Pods made so far, by Job UID."""
    seen: Counter[str] = field(default_factory=Counter)
    """The version of each Job, by UID, that was looked at last: a cache never goes back."""
    failing: float = 0.15
    longest_run: float = 5.0

    def observe(self, change: Change) -> None:
        kind, former, new = change.kind, change.former, change.new
        if kind == "jobs" and new is not None:
            self._later(self._sync, new)
            ttl = new["spec"].get("ttlSecondsAfterFinished")
            if ttl is not None and former is not None and ended(new) and not ended(former):
                self.loop.after(ttl, self._expire, new["metadata"])
        elif kind == "jobs" and former is not None:
            self._later(self._collect_pods, former["metadata"]["uid"])
        elif kind == names.PLURAL and new is None and former is not None:
            self._later(self._collect_jobs, former["metadata"]["uid"])

    def _later(self, act: Callable[..., object], *args: Any) -> None:
        self.loop.after(self.chance.random() * self.lazy, act, *args)

    # ---------------------------------------------------------------------------------------------------------- the Job

    def _sync(self, cached: Body) -> None:
        """Look at one Job, as it stands or as it stood when it changed."""
        metadata = cached["metadata"]
        key = (metadata["namespace"], metadata["name"])
        current = self.server.find("jobs", *key)
        if current is None or current["metadata"]["uid"] != metadata["uid"]:
            return
        job = current if self.chance.random() < 0.8 or _version(cached) < self.seen[metadata["uid"]] else cached
        self.seen[metadata["uid"]] = _version(job)
        if ended(job) or job["metadata"].get("deletionTimestamp"):
            self._stop_pods(metadata["uid"])
            return
        status = self._suspended(job) if job["spec"].get("suspend") else self._running(job)
        if current["metadata"]["resourceVersion"] != job["metadata"]["resourceVersion"]:
            self._later(self._sync, current)  # A status written on a stale version is refused: look again.
        elif status is not None:
            self.server.edit(ACTOR, "jobs", key, lambda body: {**body, "status": status})

    def _suspended(self, job: Body) -> dict[str, Any] | None:
        self._stop_pods(job["metadata"]["uid"])
        status = dict(job.get("status") or {})
        if status.get("conditions"):
            return None
        return {"conditions": [{"type": "Suspended", "status": "True"}]}

    def _running(self, job: Body) -> dict[str, Any] | None:
        uid, status = job["metadata"]["uid"], dict(job.get("status") or {})
        mine = self._pods_of(uid)
        ended = [pod for pod in mine if pod["status"]["phase"] in {"Succeeded", "Failed"}]
        done = [pod for pod in ended if pod["status"]["phase"] == "Succeeded"]
        failed = len(ended) - len(done)
        if done or failed > int(job["spec"].get("backoffLimit", 0)):
            return self._final(status, failed, complete=bool(done))
        alive = len(mine) - len(ended)
        if not alive:
            self._make_pod(job)
            alive = 1
        return {"conditions": [], "startTime": status.get("startTime") or self.clock(), "active": alive}

    def _final(self, status: dict[str, Any], failed: int, *, complete: bool) -> dict[str, Any]:
        kind, reason = ("Complete", "CompletionsReached") if complete else ("Failed", "BackoffLimitExceeded")
        condition = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": self.clock()}
        end = {"completionTime": self.clock()} if complete else {}
        return {**status, "active": 0, "failed": failed, "conditions": [condition], **end}

    # ------------------------------------------------------------------------------------------------------------- pods

    def _pods_of(self, uid: str) -> list[Body]:
        pods = self.server.objects["pods"].values()
        return [pod for pod in pods if pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] == uid]

    def _make_pod(self, job: Body) -> None:
        metadata = job["metadata"]
        self.pods[metadata["uid"]] += 1
        name = f"{metadata['name']}-{metadata['uid'][-4:]}-{self.pods[metadata['uid']]}"
        labels = {"batch.kubernetes.io/controller-uid": metadata["uid"]}
        at = Where("pods", metadata["namespace"], None, None)
        body = {"metadata": {"name": name, "labels": labels}, "status": {"phase": "Pending"}}
        pod = self.server.create(ACTOR, at, body)
        phase = "Failed" if self.chance.random() < self.failing else "Succeeded"
        self.loop.after(0.1 + self.chance.random() * self.longest_run, self._end_pod, pod["metadata"], job, phase)

    def _end_pod(self, metadata: Body, job: Body, phase: str) -> None:
        key = (metadata["namespace"], metadata["name"])
        if self.server.edit("kubelet", "pods", key, lambda pod: {**pod, "status": {"phase": phase}}) is not None:
            self._later(self._sync_owner, metadata["namespace"], job["metadata"]["uid"])

    def _sync_owner(self, namespace: str, uid: str) -> None:
        for (where, _), job in list(self.server.objects["jobs"].items()):
            if where == namespace and job["metadata"]["uid"] == uid:
                self._sync(job)

    def _stop_pods(self, uid: str) -> None:
        for pod in self._pods_of(uid):
            if pod["status"]["phase"] == "Pending":
                self.loop.after(self.chance.random() * 2, self._remove_pod, pod["metadata"])

    def _remove_pod(self, metadata: Body) -> None:
        key = (metadata["namespace"], metadata["name"])
        if key in self.server.objects["pods"]:
            pod = self.server.objects["pods"][key]
            self.server.delete("kubelet", Where("pods", *key, None), {})
            self._later(self._sync_owner, key[0], pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"])

    # ----------------------------------------------------------------------------------------------- garbage collection

    def _expire(self, metadata: Body) -> None:
        job = self.server.find("jobs", metadata["namespace"], metadata["name"])
        if job is not None and job["metadata"]["uid"] == metadata["uid"]:
            self.server.delete("ttl-controller", Where("jobs", metadata["namespace"], metadata["name"], None), {})

    def _collect_pods(self, uid: str) -> None:
        for pod in self._pods_of(uid):
            self.loop.after(self.chance.random() * 2, self._remove_pod, pod["metadata"])

    def _collect_jobs(self, owner: str) -> None:
        for (namespace, name), job in list(self.server.objects["jobs"].items()):
            if any(one["uid"] == owner for one in job["metadata"].get("ownerReferences") or ()):
                self.server.delete("garbage-collector", Where("jobs", namespace, name, None), {})


def _version(job: Body) -> int:
    return int(job["metadata"]["resourceVersion"])


def ended(job: Body) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(one["type"] in _FINAL and one["status"] == "True" for one in conditions)
