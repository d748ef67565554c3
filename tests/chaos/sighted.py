"""Entries of a history, made of objects as the API server shows them.

The names of annotations and variables are written out here: they are the product's interface, and what judges it must
not move with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.chaos.history import Change, JobSight, NodePhase, NodeSight, ScheduleSight, Spec

Manifest = Mapping[str, Any]

_NOTE = "ticklock.dev/"
_LABEL = "ticklock.dev/schedule"


def is_ours(job: Manifest) -> bool:
    """Whether a Job was made for a ScheduledJob."""
    return f"{_NOTE}run-id" in _notes(job)


def job_sight(job: Manifest, *, at: float, source: str, change: Change) -> JobSight:
    """What a version of a Job of ours says."""
    meta, status, notes = job["metadata"], job.get("status") or {}, _notes(job)
    ends = [one["type"] for one in status.get("conditions") or () if one["status"] == "True"]
    return JobSight(
        at=at,
        source=source,
        change=change,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        owner_uid=_owner(job).get("uid"),
        run_id=notes.get(f"{_NOTE}run-id"),
        run_key=notes.get(f"{_NOTE}run-key"),
        n=_number(notes.get(f"{_NOTE}attempt")),
        stage=_number(notes.get(f"{_NOTE}stage")),
        scheduled_time=_seconds(notes.get(f"{_NOTE}scheduled-time")),
        suspended=bool(job["spec"].get("suspend")),
        waits_for_user=notes.get(f"{_NOTE}user-suspend") == "true",
        launched_mark=notes.get(f"{_NOTE}launched") == "true",
        started=status.get("startTime") is not None,
        deleting="deletionTimestamp" in meta,
        finished=next((end for end in ends if end in {"Complete", "Failed"}), None),
        finalizers=tuple(meta.get("finalizers") or ()),
        resource_version=int(meta["resourceVersion"]),
    )


def schedule_sight(body: Manifest, *, at: float, source: str, change: Change) -> ScheduleSight:
    """What a version of a ScheduledJob says."""
    meta, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    created = _seconds(meta["creationTimestamp"])
    if created is None:
        raise ValueError(f"creationTimestamp {meta['creationTimestamp']!r}")
    return ScheduleSight(
        at=at,
        source=source,
        change=change,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        generation=meta["generation"],
        observed_generation=status.get("observedGeneration"),
        created_at=created,
        deleting="deletionTimestamp" in meta,
        spec=spec_of(spec),
        trigger=_notes(body).get(f"{_NOTE}trigger"),
        last_trigger=status.get("lastTrigger"),
        last_schedule_time=_seconds(status.get("lastScheduleTime")),
        ledger_seq=status.get("ledgerSeq"),
        active_count=status.get("activeCount"),
    )


def spec_of(spec: Manifest) -> Spec:
    """The part of a ScheduledJob's spec that decides what is owed."""
    return Spec(
        schedule=spec["schedule"],
        time_zone=spec.get("timeZone"),
        concurrency=spec.get("concurrencyPolicy") or "Allow",
        starting_deadline=spec.get("startingDeadlineSeconds"),
        suspend=bool(spec.get("suspend")),
    )


def pod_started(pod: Manifest, *, at: float, source: str) -> NodeSight:
    """A pod of a Job starts. Write it before the pod is reported as Running."""
    meta, owner, env = pod["metadata"], _owner(pod), dict(_environment(pod))
    return NodeSight(
        at=at,
        source=source,
        phase=NodePhase.START,
        namespace=meta["namespace"],
        pod_uid=meta["uid"],
        pod_name=meta["name"],
        job_uid=owner.get("uid", ""),
        job_name=owner.get("name", ""),
        run_id=env.get("TICKLOCK_RUN_ID"),
        n=_number(env.get("TICKLOCK_ATTEMPT")),
        scheduled_time=_seconds(env.get("TICKLOCK_SCHEDULED_TIME")),
        schedule_name=(meta.get("labels") or {}).get(_LABEL),
    )


def _notes(body: Manifest) -> Mapping[str, str]:
    return body["metadata"].get("annotations") or {}


def _owner(body: Manifest) -> Mapping[str, Any]:
    owners = body["metadata"].get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), {})


def _environment(pod: Manifest) -> Iterator[tuple[str, str]]:
    for container in reversed(pod["spec"]["containers"]):
        for one in container.get("env") or ():
            yield one["name"], one.get("value", "")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _seconds(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp())
