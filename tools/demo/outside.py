"""What the API server shows: Jobs by a watch of our own, ScheduledJobs by a list."""

import threading
from dataclasses import replace
from datetime import datetime
from typing import Any

from tools.demo.facts import Launch, RunName, Schedule
from tools.devcluster.watching import Change, Sight

_RUN_KEY = "ticklock.dev/run-key"
_KIND = "ScheduledJob"


class JobBook:
    """Every Job of a ScheduledJob that was seen let go, and when it ended. Fed by a watch, read from any thread."""

    def __init__(self) -> None:
        self._launches: dict[str, Launch] = {}
        self._lock = threading.Lock()

    def on_sight(self, sight: Sight) -> None:
        """Take note of one change of a Job."""
        job = sight.object
        run = _run_of(job)
        if run is None:
            return
        with self._lock:
            uid = job["metadata"]["uid"]
            known = self._launches.get(uid)
            if known is None and not job["spec"].get("suspend", False):
                known = Launch(run, uid, job["metadata"]["name"], at=sight.at)
            if known is not None:
                self._launches[uid] = _with_end(known, sight)

    def launches(self) -> list[Launch]:
        """Return them, oldest first."""
        with self._lock:
            return sorted(self._launches.values(), key=lambda one: one.at)


def _with_end(launch: Launch, sight: Sight) -> Launch:
    if launch.ended is not None:
        return launch
    conditions = _conditions(sight.object)
    over = conditions & {"Complete", "Failed"} or sight.object["metadata"].get("deletionTimestamp")
    if over or sight.change is Change.GONE:
        return replace(launch, ended=sight.at, failed="Failed" in conditions)
    return launch


def _conditions(job: dict[str, Any]) -> set[str]:
    found = job.get("status", {}).get("conditions", [])
    return {condition["type"] for condition in found if condition["status"] == "True"}


def _run_of(job: dict[str, Any]) -> RunName | None:
    metadata = job["metadata"]
    owner = next((one for one in metadata.get("ownerReferences", []) if one["kind"] == _KIND), None)
    key = metadata.get("annotations", {}).get(_RUN_KEY)
    return RunName(owner["uid"], key) if owner is not None and key is not None else None


def schedule_of(item: dict[str, Any]) -> Schedule:
    """Read a ScheduledJob."""
    metadata, spec = item["metadata"], item["spec"]
    return Schedule(
        uid=metadata["uid"],
        name=metadata["name"],
        expression=spec["schedule"],
        zone=spec.get("timeZone"),
        created=moment(metadata["creationTimestamp"]),
        forbids=spec.get("concurrencyPolicy") == "Forbid",
    )


def moment(text: str) -> float:
    """Return the seconds since 1970 of a time as Kubernetes writes it."""
    return datetime.fromisoformat(text).timestamp()
