"""A ScheduledJob as it comes from the API server, read into `Declared`.

Total: whatever the object looks like, the answer is a value. What cannot be followed becomes a `Problem` that names the
field and the mend; what cannot even be named (no namespace, name or uid) is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

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
from ticklock.domain.reasons import Reason
from ticklock.domain.spread import seed_of
from ticklock.domain.strictness import check_strict
from ticklock.domain.timetable import Timetable, TimetableError, UnknownTimeZone

DEFAULT_QUEUE = "default"
_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST = 2**31 - 1
_LONGEST = 3_153_600_000
"""A hundred years in seconds: a longer deadline says the same and would leave the calendar."""
_PRIORITIES = {"High": Priority.HIGH, "Regular": Priority.REGULAR, "Low": Priority.LOW}
_POLICIES = {policy.value: policy for policy in ConcurrencyPolicy}
_LAUNCHES = {policy.value: policy for policy in LaunchPolicy}

_T = TypeVar("_T")


class _UnusableError(Exception):
    """A spec that cannot be followed; leaves this module as a Problem."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(reason, message)


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
    except _UnusableError as unusable:
        return None, unusable.problem
    except Refused as refused:
        return None, Problem(Reason.INVALID_TEMPLATE, str(refused))
    except RecursionError:
        return None, Problem(Reason.INVALID_OBJECT, "spec is nested too deeply to be read: flatten it")


def _read_rule(spec: object, created: datetime | None, seed: str) -> Rule:
    if not isinstance(spec, Mapping):
        raise _UnusableError(Reason.INVALID_OBJECT, "spec must be an object with spec.schedule and spec.jobTemplate")
    if created is None:
        raise _UnusableError(Reason.INVALID_OBJECT, "metadata.creationTimestamp cannot be read: create the object anew")
    expression, zone = _timetable(spec, created, seed)
    template = spec.get("jobTemplate")
    check_template(template)
    launch_policy = _choice(spec, "launchPolicy", _LAUNCHES, LaunchPolicy.JOB)
    if launch_policy is LaunchPolicy.STRICT_POD:
        check_strict(_object(template))
    _no_nul(template, "spec.jobTemplate")
    deadline = _integer(spec, "startingDeadlineSeconds", None)
    return Rule(
        expression=expression,
        time_zone=zone,
        suspend=_flag(spec, "suspend"),
        concurrency=_choice(spec, "concurrencyPolicy", _POLICIES, ConcurrencyPolicy.ALLOW),
        starting_deadline=None if deadline is None else timedelta(seconds=min(deadline, _LONGEST)),
        keep_successful=min(_integer(spec, "successfulJobsHistoryLimit", 3), _MOST),
        keep_failed=min(_integer(spec, "failedJobsHistoryLimit", 1), _MOST),
        queue=_string(spec, "queueName") or DEFAULT_QUEUE,
        priority=_choice(spec, "priority", _PRIORITIES, Priority.REGULAR),
        job_template=_object(template),
        launch_policy=launch_policy,
    )


def _timetable(spec: Mapping[str, Any], created: datetime, seed: str) -> tuple[str, str | None]:
    """Check expression and zone by making the timetable, and that it ever fires."""
    expression, zone = _string(spec, "schedule"), _string(spec, "timeZone")
    if expression is None:
        raise _UnusableError(
            Reason.INVALID_SCHEDULE, 'spec.schedule is missing: give an expression, such as "30 2 * * *"'
        )
    try:
        timetable = Timetable.parse(expression, time_zone=zone, anchor=created, seed=seed)
    except UnknownTimeZone as unknown:
        raise _UnusableError(Reason.UNKNOWN_TIME_ZONE, f"spec.timeZone: {unknown}") from unknown
    except TimetableError as wrong:
        raise _UnusableError(Reason.INVALID_SCHEDULE, f"spec.schedule: {wrong}") from wrong
    if timetable.next(created) is None:
        message = f"spec.schedule {expression!r} never fires: no such day exists; correct day and month"
        raise _UnusableError(Reason.INVALID_SCHEDULE, message)
    return expression, zone


def _ref(metadata: Mapping[str, Any]) -> ObjectRef | None:
    namespace, name, uid = (metadata.get(field) for field in ("namespace", "name", "uid"))
    if not (isinstance(namespace, str) and isinstance(name, str) and isinstance(uid, str)):
        return None
    return ObjectRef(namespace, name, ScheduleUid(uid)) if namespace and name and uid else None


# ---------------------------------------------------------------------------- fields of the spec: wrong ones are named


def _string(spec: Mapping[str, Any], field: str) -> str | None:
    value = spec.get(field)
    if value is None or isinstance(value, str):
        _no_nul(value, f"spec.{field}")
        return value
    raise _UnusableError(Reason.INVALID_OBJECT, f"spec.{field} must be a text, not {value!r:.60}: put it in quotes")


def _flag(spec: Mapping[str, Any], field: str) -> bool:
    value = spec.get(field)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _UnusableError(Reason.INVALID_OBJECT, f"spec.{field} must be true or false, not {value!r:.60}")


def _integer(spec: Mapping[str, Any], field: str, default: _T) -> int | _T:
    value = spec.get(field)
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _UnusableError(Reason.INVALID_OBJECT, f"spec.{field} must be a whole number, 0 or more, not {value!r:.60}")


def _choice(spec: Mapping[str, Any], field: str, choices: Mapping[str, _T], default: _T) -> _T:
    value = spec.get(field)
    if value is None:
        return default
    if isinstance(value, str) and value in choices:
        return choices[value]
    raise _UnusableError(Reason.INVALID_OBJECT, f"spec.{field} must be one of {', '.join(choices)}, not {value!r:.60}")


def _no_nul(value: object, path: str) -> None:
    """Refuse the one character that JSON may hold and PostgreSQL may not."""
    match value:
        case str() if "\0" in value:
            raise _UnusableError(Reason.INVALID_OBJECT, f"{path} contains a NUL character: remove it")
        case Mapping():
            for key, item in value.items():
                _no_nul(key, f"{path}, a key")
                _no_nul(item, f"{path}.{key}")
        case Sequence() if not isinstance(value, str):
            for at, item in enumerate(value):
                _no_nul(item, f"{path}[{at}]")
        case _:
            pass


# ------------------------------------------------------------------------ metadata and status: garbage counts as absent


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) and value else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0
