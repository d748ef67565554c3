"""A ScheduledJob as it comes from the API server, read into `Declared`.

Total: whatever the object looks like, the answer is a value. What cannot be followed becomes a `Problem` that names the
field and the mend; what cannot even be named (no namespace, name or uid) is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ticklock.domain import names
from ticklock.domain.errors import Refused
from ticklock.domain.instants import parse_instant
from ticklock.domain.manifest import check_template
from ticklock.domain.model import (
    ConcurrencyPolicy,
    Declared,
    LaunchPolicy,
    ObjectRef,
    Priority,
    Problem,
    Rule,
    ScheduleUid,
)
from ticklock.domain.parse_catch_up import check_replace
from ticklock.domain.parse_times import check_jitter, read_timetable
from ticklock.domain.reasons import Reason
from ticklock.domain.spec_fields import Unusable, choice, flag, integer, no_nul, string
from ticklock.domain.spread import seed_of
from ticklock.domain.strictness import check_strict

DEFAULT_QUEUE = "default"
_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST = 2**31 - 1
_LONGEST = 3_153_600_000
"""A hundred years in seconds: a longer deadline says the same and would leave the calendar."""
_PRIORITIES = {"High": Priority.HIGH, "Regular": Priority.REGULAR, "Low": Priority.LOW}
_POLICIES = {policy.value: policy for policy in ConcurrencyPolicy}
_LAUNCHES = {policy.value: policy for policy in LaunchPolicy}


def declared(body: Mapping[str, Any]) -> Declared | None:
    """Read one object; None only where namespace, name or uid cannot be read. Never raises."""
    metadata = _object(body.get("metadata"))
    ref = _ref(metadata)
    if ref is None:
        return None
    status = _object(body.get("status"))
    created = parse_instant(metadata.get("creationTimestamp"))
    rule, problem = _rule(body.get("spec"), created, seed_of(ref.namespace, ref.name))
    return Declared(
        ref=ref,
        generation=_count(metadata.get("generation")),
        created_at=created or _EPOCH,
        rule=rule,
        problem=problem,
        trigger=_text(_object(metadata.get("annotations")).get(names.TRIGGER)),
        last_trigger=_text(status.get("lastTrigger")),
        witness=parse_instant(status.get("lastScheduleTime")),
        ledger_seq=_count(status.get("ledgerSeq")),
        deleting=metadata.get("deletionTimestamp") is not None,
    )


def _rule(spec: object, created: datetime | None, seed: str) -> tuple[Rule | None, Problem | None]:
    try:
        return _read_rule(spec, created, seed), None
    except Unusable as unusable:
        return None, unusable.problem
    except Refused as refused:
        return None, Problem(Reason.INVALID_TEMPLATE, str(refused))
    except RecursionError:
        return None, Problem(Reason.INVALID_OBJECT, "spec is nested too deeply to be read: flatten it")


def _read_rule(spec: object, created: datetime | None, seed: str) -> Rule:
    if not isinstance(spec, Mapping):
        raise Unusable(Reason.INVALID_OBJECT, "spec must be an object with spec.jobTemplate")
    if created is None:
        raise Unusable(Reason.INVALID_OBJECT, "metadata.creationTimestamp cannot be read: create the object anew")
    expression, zone, times = read_timetable(spec, created=created, seed=seed)
    template = spec.get("jobTemplate")
    check_template(template)
    launch_policy = choice(spec, "launchPolicy", _LAUNCHES, LaunchPolicy.JOB)
    if launch_policy is LaunchPolicy.STRICT_POD:
        check_strict(_object(template))
    no_nul(template, "spec.jobTemplate")
    deadline = integer(spec, "startingDeadlineSeconds", None)
    check_jitter(times, deadline)
    concurrency = choice(spec, "concurrencyPolicy", _POLICIES, ConcurrencyPolicy.ALLOW)
    check_replace(times.catch_up, concurrency)
    return Rule(
        expression=expression,
        time_zone=zone,
        suspend=flag(spec, "suspend"),
        concurrency=concurrency,
        starting_deadline=None if deadline is None else timedelta(seconds=min(deadline, _LONGEST)),
        keep_successful=min(integer(spec, "successfulJobsHistoryLimit", 3), _MOST),
        keep_failed=min(integer(spec, "failedJobsHistoryLimit", 1), _MOST),
        queue=string(spec, "queueName") or DEFAULT_QUEUE,
        priority=choice(spec, "priority", _PRIORITIES, Priority.REGULAR),
        job_template=_object(template),
        launch_policy=launch_policy,
        times=times,
    )


def _ref(metadata: Mapping[str, Any]) -> ObjectRef | None:
    namespace, name, uid = (metadata.get(field) for field in ("namespace", "name", "uid"))
    if not (isinstance(namespace, str) and isinstance(name, str) and isinstance(uid, str)):
        return None
    return ObjectRef(namespace, name, ScheduleUid(uid)) if namespace and name and uid else None


# ------------------------------------------------------------------------ metadata and status: garbage counts as absent


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) and value else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0
