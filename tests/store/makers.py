"""ScheduledJobs and Jobs as the API server would show them; what a test does not care about is filled in."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from ticklock.domain.model import (
    AttemptKey,
    AttemptState,
    ClusterId,
    ConcurrencyPolicy,
    Declared,
    JobUid,
    ObjectRef,
    Priority,
    Problem,
    Rule,
    ScheduleUid,
    run_id,
    tick_key,
)
from ticklock.domain.reasons import Reason
from ticklock.ports import Bound, JobView

TEMPLATE = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}}}


def now() -> datetime:
    return datetime.now(UTC)


def rule(expression: str = "@every 10s", **changes: Any) -> Rule:
    plain = Rule(
        expression=expression,
        time_zone=None,
        suspend=False,
        concurrency=ConcurrencyPolicy.ALLOW,
        starting_deadline=None,
        keep_successful=3,
        keep_failed=1,
        queue="default",
        priority=Priority.REGULAR,
        job_template=TEMPLATE,
    )
    return replace(plain, **changes)


def declared(name: str = "sched", *, expression: str = "@every 10s", **changes: Any) -> Declared:
    """Return an object made an instant ago; `changes` are fields of the object or of its rule."""
    fields = {field: changes.pop(field) for field in list(changes) if field in Declared.__dataclass_fields__}
    plain = Declared(
        ref=ObjectRef("default", name, ScheduleUid(str(uuid4()))),
        generation=1,
        created_at=now().replace(microsecond=0),
        rule=rule(expression, **changes),
        problem=None,
        trigger=None,
        last_trigger=None,
        witness=None,
        ledger_seq=0,
        deleting=False,
    )
    return replace(plain, **fields)


def edited(item: Declared, **changes: Any) -> Declared:
    """Return the object with a changed rule, one generation later."""
    assert item.rule is not None
    return replace(item, generation=item.generation + 1, rule=replace(item.rule, **changes))


def broken(item: Declared) -> Declared:
    """Return the object with a spec that cannot be followed, one generation later."""
    problem = Problem(Reason.INVALID_SCHEDULE, "spec.schedule: no such month")
    return replace(item, generation=item.generation + 1, rule=None, problem=problem)


def key_of(cluster: ClusterId, item: Declared, tick: datetime, n: int = 1) -> AttemptKey:
    return AttemptKey(run_id(cluster, item.ref.uid, tick_key(tick)), n)


def job(cluster: ClusterId, item: Declared, tick: datetime, **changes: Any) -> JobView:
    """Return the suspended Job of a tick, as the API server would list it."""
    run_key = changes.get("run_key") or tick_key(tick)
    plain = JobView(
        namespace=item.ref.namespace,
        name=f"{item.ref.name}-{int(tick.timestamp())}",
        uid=JobUid(f"uid-{item.ref.name}-{int(tick.timestamp())}"),
        resource_version="1",
        owner_uid=item.ref.uid,
        owner_name=item.ref.name,
        key=AttemptKey(run_id(cluster, item.ref.uid, run_key), 1),
        run_key=run_key,
        stage=1,
        scheduled_time=tick,
        suspended=True,
        held=True,
        deleting=False,
        started_at=None,
        finished=None,
        finished_at=None,
        message="",
        active_pods=0,
        failed_pods=0,
    )
    return replace(plain, **changes)


def started(view: JobView) -> JobView:
    return replace(view, suspended=False, started_at=now(), active_pods=1)


def finished(view: JobView, state: AttemptState = AttemptState.COMPLETED) -> JobView:
    return replace(started(view), finished=state, finished_at=now(), active_pods=0)


def job_of(bound: Bound, run_key: str | None = None, **changes: Any) -> JobView:
    """Return the Job that an attempt was bound to."""
    plain = JobView(
        namespace=bound.ref.namespace,
        name=bound.job_name,
        uid=bound.job_uid,
        resource_version="1",
        owner_uid=bound.ref.uid,
        owner_name=bound.ref.name,
        key=bound.key,
        run_key=run_key or tick_key(bound.scheduled_time),
        stage=1,
        scheduled_time=bound.scheduled_time,
        suspended=True,
        held=True,
        deleting=False,
        started_at=None,
        finished=None,
        finished_at=None,
        message="",
        active_pods=0,
        failed_pods=0,
    )
    return replace(plain, **changes)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


Facts = Mapping[str, Any]
