"""The rows of the ledger, column by column as `ticklock.store.tables` has them; what no rule reads is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ticklock.domain.model import (
    AttemptKey,
    AttemptState,
    ConcurrencyPolicy,
    JobUid,
    LaunchPolicy,
    ObjectRef,
    RunId,
    RunState,
    ScheduleUid,
)
from ticklock.domain.reasons import Reason
from ticklock.domain.times import NOTHING_MORE, Times
from ticklock.ports import LeaseMark


@dataclass(frozen=True, slots=True)
class ClusterRow:
    incarnation: str | None = None
    quarantine_reason: str | None = None
    set_back_at: datetime | None = None
    highest_resource_version: int = 0
    highest_time: datetime | None = None
    lease: LeaseMark | None = None


@dataclass(frozen=True, slots=True)
class TermRow:
    epoch: int
    holder: UUID
    pod: str
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    heartbeat: datetime
    leader: bool
    pod: str = ""
    clock_step: float | None = None


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    ref: ObjectRef
    generation: int
    created_at: datetime
    effective_at: datetime
    deleted_at: datetime | None = None
    expression: str | None = None
    time_zone: str | None = None
    suspend: bool = False
    concurrency: ConcurrencyPolicy = ConcurrencyPolicy.ALLOW
    starting_deadline: timedelta | None = None
    keep_successful: int = 3
    keep_failed: int = 1
    queue: str = "default"
    priority: int = 1
    job_template: Mapping[str, Any] | None = None
    problem_reason: str | None = None
    problem_message: str | None = None
    launch_policy: LaunchPolicy = LaunchPolicy.JOB
    times: Times = NOTHING_MORE
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StateRow:
    cursor: datetime
    next_tick: datetime | None = None
    pruned_through: datetime | None = None
    ledger_seq: int = 0
    witnessed_seq: int = 0
    last_launched_tick: datetime | None = None
    last_success: datetime | None = None
    last_trigger: str | None = None
    report_seq: int = 1
    reported_seq: int = 0
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    id: RunId
    uid: ScheduleUid
    run_key: str
    scheduled_time: datetime
    state: RunState
    reason: Reason | None
    message: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    key: AttemptKey
    uid: ScheduleUid
    state: AttemptState
    is_tick: bool
    scheduled_time: datetime
    due_at: datetime
    priority: int
    generation: int
    not_before: datetime | None = None
    deferrals: int = 0
    stage: int = 1
    job_name: str | None = None
    name_suffix: int = 0
    staged_uid: JobUid | None = None
    job_uid: JobUid | None = None
    claim_token: int = 0
    claimed_by: UUID | None = None
    claimed_until: datetime | None = None
    stop_reason: Reason | None = None
    reason: Reason | None = None
    message: str = ""
    bound_at: datetime | None = None
    launched_at: datetime | None = None
    launched_by: UUID | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    record_seq: int | None = None
    suspect: bool = False
    released_at: datetime | None = None
    absent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LockRow:
    key: AttemptKey
    expires: datetime
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class LogRow:
    status: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ClosureRow:
    reason: Reason
    cause: str
    closed_at: datetime
    opened_at: datetime | None = None
    opened_how: Reason | None = None
    told: bool = False
    counted: bool = False
    settled: Mapping[str, int] = field(default_factory=dict)


HELD = timedelta(seconds=300)
"""How long a lock is held before it becomes suspect."""

LockName = tuple[str, str, str]
"""Namespace, queue, ScheduledJob name."""
