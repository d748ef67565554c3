"""A Job as the API server shows it, read into `JobView`; a pod of it into `PodView`.

Total: annotations can be edited by anybody who may edit Jobs, so nothing in them is relied upon to be readable. A Job
whose run id or attempt cannot be read is not ours (`key` None).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ticklock.domain import names
from ticklock.domain.instants import parse_instant
from ticklock.domain.model import AttemptKey, AttemptState, JobUid, LaunchPolicy, PodUid, RunId
from ticklock.ports import JobView, PodPhase, PodView

_FINAL = {"Complete": AttemptState.COMPLETED, "Failed": AttemptState.FAILED}
_PHASES = {phase.value: phase for phase in PodPhase}
_COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
_LONGEST_NUMBER = 9
"""Digits; keeps numbers from annotations within 32 bits."""


def view(job: Mapping[str, Any]) -> JobView:
    """Read one version of a Job. Never raises."""
    metadata, spec, status = mapping(job.get("metadata")), mapping(job.get("spec")), mapping(job.get("status"))
    notes = mapping(metadata.get("annotations"))
    owner = _controller(metadata.get("ownerReferences"))
    finished, finished_at, message = _end(status)
    return JobView(
        namespace=text(metadata.get("namespace")) or "",
        name=text(metadata.get("name")) or "",
        uid=JobUid(text(metadata.get("uid")) or ""),
        resource_version=text(metadata.get("resourceVersion")) or "",
        owner_uid=text(owner.get("uid")),
        owner_name=text(owner.get("name")),
        key=_key(notes),
        run_key=text(notes.get(names.RUN_KEY)),
        stage=_number(notes.get(names.STAGE)) or 0,
        scheduled_time=parse_instant(notes.get(names.SCHEDULED_TIME)),
        suspended=_held_back(spec, notes),
        held=names.FINALIZER in items(metadata.get("finalizers")),
        deleting=metadata.get("deletionTimestamp") is not None,
        started_at=parse_instant(status.get("startTime")),
        finished=finished,
        finished_at=finished_at,
        message=message,
        active_pods=_count(status.get("active")),
        failed_pods=_count(status.get("failed")),
        generation=_count(metadata.get("generation")) or 1,
        created_at=parse_instant(metadata.get("creationTimestamp")),
        deleting_since=parse_instant(metadata.get("deletionTimestamp")),
        gated=gate_of(mapping(mapping(spec.get("template")).get("spec"))) is not None,
        wanted_pods=_wanted(spec),
    )


def pod_view(pod: Mapping[str, Any]) -> PodView | None:
    """Read one version of a pod, or of its metadata; None where no Job owns it. Never raises."""
    metadata, status = mapping(pod.get("metadata")), mapping(pod.get("status"))
    owner = _controller(metadata.get("ownerReferences"))
    job_uid, created = text(owner.get("uid")), parse_instant(metadata.get("creationTimestamp"))
    if owner.get("kind") != "Job" or job_uid is None or created is None:
        return None
    notes, spec = mapping(metadata.get("annotations")), mapping(pod.get("spec"))
    return PodView(
        namespace=text(metadata.get("namespace")) or "",
        name=text(metadata.get("name")) or "",
        uid=PodUid(text(metadata.get("uid")) or ""),
        job_name=text(owner.get("name")) or "",
        job_uid=JobUid(job_uid),
        key=_key(notes),
        index=text(notes.get(_COMPLETION_INDEX)) or "",
        created_at=created,
        tracked=names.TRACKING_FINALIZER in items(metadata.get("finalizers")),
        deleting=metadata.get("deletionTimestamp") is not None,
        strict=mapping(metadata.get("labels")).get(names.LABEL_LAUNCH_POLICY) == LaunchPolicy.STRICT_POD,
        gate=gate_of(spec),
        unassigned=bool(spec) and text(spec.get("nodeName")) is None,
        phase=_PHASES.get(text(status.get("phase")) or ""),
        ended_at=_last_end(status),
    )


def gate_of(pod_spec: Mapping[str, Any]) -> int | None:
    """Return the place of our scheduling gate among those of a pod; None where it is not there."""
    gates = [mapping(one).get("name") for one in items(pod_spec.get("schedulingGates"))]
    return gates.index(names.POD_GATE) if names.POD_GATE in gates else None


def _last_end(status: Mapping[str, Any]) -> datetime | None:
    states = (mapping(mapping(one).get("state")) for one in items(status.get("containerStatuses")))
    ends = [parse_instant(mapping(state.get("terminated")).get("finishedAt")) for state in states]
    return max((end for end in ends if end is not None), default=None)


def waits_for_user(job: Mapping[str, Any]) -> bool:
    """Whether the template itself asked for `suspend: true`."""
    return mapping(mapping(job.get("metadata")).get("annotations")).get(names.USER_SUSPEND) == "true"


def _held_back(spec: Mapping[str, Any], notes: Mapping[str, Any]) -> bool:
    """Whether the Job was not launched: for one that waits for its user, the annotation says so, not `suspend`."""
    if spec.get("suspend") is not True:
        return False
    return not (notes.get(names.USER_SUSPEND) == "true" and notes.get(names.LAUNCHED) == "true")


def _key(notes: Mapping[str, Any]) -> AttemptKey | None:
    run, n = text(notes.get(names.RUN_ID)), _number(notes.get(names.ATTEMPT))
    if run is None or not n:
        return None
    try:
        return AttemptKey(RunId(UUID(run)), n)
    except ValueError:
        return None


def _controller(references: object) -> Mapping[str, Any]:
    owners = (mapping(one) for one in items(references))
    return next((owner for owner in owners if owner.get("controller") is True), {})


def _end(status: Mapping[str, Any]) -> tuple[AttemptState | None, datetime | None, str]:
    for one in items(status.get("conditions")):
        condition = mapping(one)
        kind = condition.get("type")
        state = _FINAL.get(kind) if isinstance(kind, str) else None
        if state is not None and condition.get("status") == "True":
            at = parse_instant(status.get("completionTime")) or parse_instant(condition.get("lastTransitionTime"))
            words = (text(condition.get("reason")), text(condition.get("message")))
            return state, at, ": ".join(word for word in words if word)
    return None, None, ""


def _number(value: object) -> int | None:
    """Read a natural number written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER:
        return int(value)
    return None


def _wanted(spec: Mapping[str, Any]) -> int:
    """How many pods a Job asks for, failures left out; for an Indexed one, for each index."""
    if spec.get("completionMode") == "Indexed":
        return 1
    return _count(spec.get("completions")) or _count(spec.get("parallelism")) or 1


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def text(value: object) -> str | None:
    """Return a text that is one and is not empty."""
    return value if isinstance(value, str) and value else None


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object as parsed; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> Sequence[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else ()
