"""What a bystander sees: every Job and pod, by watches of the tests' own that know nothing of the ledger."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.devcluster.watching import Change, Sight, Watch

if TYPE_CHECKING:
    from tools.devcluster.kubeapi import Credentials

_LAUNCHED = "ticklock.dev/launched"


@dataclass(slots=True)
class SeenJob:
    """One Job UID; times are when its versions arrived here, in seconds since 1970."""

    uid: str
    name: str
    namespace: str
    owner: str
    run_key: str
    seen_at: float
    last: dict[str, Any]
    let_go_at: float | None = None
    """When it was first seen unsuspended (or marked as launched, if its template waits for a person)."""
    ended_at: float | None = None
    """When it was first seen complete, failed or on its way out."""
    gone_at: float | None = None

    @property
    def tick(self) -> int | None:
        """The tick in seconds since 1970; None for a trigger's run."""
        kind, _, value = self.run_key.partition(":")
        return int(value) if kind == "tick" else None


@dataclass(slots=True)
class SeenPod:
    """One pod of a Job."""

    name: str
    job_uid: str
    seen_at: float
    started_at: float | None = None
    """When a node was first seen to have started it."""
    over_at: float | None = None
    """When it was first seen ended or gone."""


class Sights:
    """All Jobs of ours and their pods, each version as it came by."""

    def __init__(self, credentials: Credentials) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, SeenJob] = {}
        self._pods: dict[str, SeenPod] = {}
        self._watches = [
            Watch(credentials, "/apis/batch/v1/jobs", self._job),
            Watch(credentials, "/api/v1/pods", self._pod),
        ]

    def start(self) -> None:
        for watch in self._watches:
            watch.start()

    def close(self) -> None:
        for watch in self._watches:
            watch.close()

    # ------------------------------------------------------------------------------------------------------- asking

    def jobs(self, owner: str) -> list[SeenJob]:
        """The Jobs of a ScheduledJob's UID, gone ones too, in the order in which they appeared."""
        self._check()
        with self._lock:
            return sorted((job for job in self._jobs.values() if job.owner == owner), key=lambda job: job.seen_at)

    def launched(self, owner: str) -> dict[str, list[SeenJob]]:
        """The Jobs that were ever let go, by run key."""
        found: dict[str, list[SeenJob]] = {}
        for job in self.jobs(owner):
            if job.let_go_at is not None:
                found.setdefault(job.run_key, []).append(job)
        return found

    def pods(self, job_uid: str) -> list[SeenPod]:
        self._check()
        with self._lock:
            return [pod for pod in self._pods.values() if pod.job_uid == job_uid]

    def _check(self) -> None:
        for watch in self._watches:
            if watch.failure is not None:
                raise watch.failure

    # ------------------------------------------------------------------------------------------------------- seeing

    def _job(self, sight: Sight) -> None:
        metadata = sight.object["metadata"]
        with self._lock:
            job = self._jobs.get(metadata["uid"])
            if job is None:
                if (job := _new(sight)) is None:
                    return
                self._jobs[job.uid] = job
            _update(job, sight)

    def _pod(self, sight: Sight) -> None:
        metadata = sight.object["metadata"]
        owner: dict[str, Any] = next(iter(metadata.get("ownerReferences") or ()), {})
        if owner.get("kind") != "Job":
            return
        status = sight.object["status"]
        over = sight.change is Change.GONE or status.get("phase") in {"Succeeded", "Failed"}
        with self._lock:
            pod = self._pods.setdefault(metadata["uid"], SeenPod(metadata["name"], owner["uid"], sight.at))
            if status.get("startTime") and pod.started_at is None:
                pod.started_at = sight.at
            if over and pod.over_at is None:
                pod.over_at = sight.at


def _new(sight: Sight) -> SeenJob | None:
    metadata = sight.object["metadata"]
    run_key = (metadata.get("annotations") or {}).get("ticklock.dev/run-key")
    owner = next((one["uid"] for one in metadata.get("ownerReferences") or () if one.get("controller")), None)
    if run_key is None or owner is None:
        return None
    return SeenJob(metadata["uid"], metadata["name"], metadata["namespace"], owner, run_key, sight.at, sight.object)


def _update(job: SeenJob, sight: Sight) -> None:
    metadata, status = sight.object["metadata"], sight.object.get("status") or {}
    job.last = sight.object
    let_go = not sight.object["spec"].get("suspend") or (metadata.get("annotations") or {}).get(_LAUNCHED) == "true"
    # Unsuspended on its way out it starts nothing, unless it had been started before.
    if job.let_go_at is None and let_go and ("deletionTimestamp" not in metadata or status.get("startTime")):
        job.let_go_at = sight.at
    final = [one for one in status.get("conditions", ()) if one["type"] in {"Complete", "Failed"}]
    ended = any(one["status"] == "True" for one in final)
    if job.ended_at is None and (ended or "deletionTimestamp" in metadata or sight.change is Change.GONE):
        job.ended_at = sight.at
    if sight.change is Change.GONE:
        job.gone_at = sight.at
