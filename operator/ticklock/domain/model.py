"""The nouns: schedules, runs, attempts, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, NewType
from uuid import UUID, uuid5

from ticklock.domain.reasons import Reason
from ticklock.domain.times import NOTHING_MORE, Times

ClusterId = NewType("ClusterId", UUID)
"""The identity of a Kubernetes cluster: UID of its namespace `kube-system`, or of the one that is served alone."""
ReplicaId = NewType("ReplicaId", UUID)
"""Made anew at each start of a process; never a host or pod name, which repeat."""
ScheduleUid = NewType("ScheduleUid", str)
JobUid = NewType("JobUid", str)
PodUid = NewType("PodUid", str)
RunId = NewType("RunId", UUID)

RUN_NAMESPACE = UUID("6f2c4bd1-7d2e-5a83-9a43-0b0b5e0c7c11")
"""UUIDv5 namespace of run ids. Never changes: planning again after a loss must give the same id."""


class ConcurrencyPolicy(StrEnum):
    """What happens to a tick while an earlier run of its schedule is active."""

    ALLOW = "Allow"
    FORBID = "Forbid"
    REPLACE = "Replace"


class LaunchPolicy(StrEnum):
    """What may start once at most: a Job, below which Kubernetes rules, or a pod."""

    JOB = "Job"
    STRICT_POD = "StrictPod"


class Priority(IntEnum):
    """Who is claimed first when more is due than can be launched."""

    HIGH = 0
    REGULAR = 1
    LOW = 2


class RunState(StrEnum):
    """State of a run as users see it."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    SKIPPED = "Skipped"
    MISSED = "Missed"
    UNKNOWN = "Unknown"


class AttemptState(StrEnum):
    """State of an attempt: the open ones, then the final ones with the words of `RunState`."""

    PLANNED = "planned"
    BOUND = "bound"
    LAUNCHED = "launched"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    SKIPPED = "Skipped"
    MISSED = "Missed"
    UNKNOWN = "Unknown"

    @property
    def is_open(self) -> bool:
        """Whether the attempt can still change."""
        return self in OPEN_STATES

    @property
    def as_run_state(self) -> RunState:
        """The user's word for this state."""
        match self:
            case AttemptState.PLANNED | AttemptState.BOUND:
                return RunState.PENDING
            case AttemptState.LAUNCHED:
                return RunState.RUNNING
            case _:
                return RunState(self.value)


OPEN_STATES = frozenset({AttemptState.PLANNED, AttemptState.BOUND, AttemptState.LAUNCHED})


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Where a ScheduledJob lives, and which of its incarnations is meant."""

    namespace: str
    name: str
    uid: ScheduleUid


@dataclass(frozen=True, slots=True)
class Rule:
    """What a ScheduledJob's spec says, read and checked. The template is kept as it came."""

    expression: str | None
    """`schedule`; None where something else says when, or nothing does."""
    time_zone: str | None
    suspend: bool
    concurrency: ConcurrencyPolicy
    starting_deadline: timedelta | None
    keep_successful: int
    keep_failed: int
    queue: str
    priority: Priority
    job_template: Mapping[str, Any]
    launch_policy: LaunchPolicy = LaunchPolicy.JOB
    times: Times = NOTHING_MORE


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a spec cannot be followed, in words a person can act on."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Declared:
    """A ScheduledJob as the API server shows it: exactly one of `rule` and `problem` is set."""

    ref: ObjectRef
    generation: int
    created_at: datetime
    rule: Rule | None
    problem: Problem | None
    trigger: str | None
    last_trigger: str | None
    """Witness of triggers: status.lastTrigger."""
    witness: datetime | None
    """Witness of ticks: status.lastScheduleTime."""
    ledger_seq: int
    deleting: bool

    @property
    def paused(self) -> bool:
        """Whether it has no ticks for now, by its own spec."""
        return self.rule is None or self.rule.suspend

    @property
    def makes_up_for_pauses(self) -> bool:
        """Whether ticks count as missed that were due before a change of it, and in no outage."""
        return self.rule is not None and self.rule.times.makes_up_for_pauses


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Names one attempt in the ledger."""

    run_id: RunId
    n: int


def tick_key(tick: datetime) -> str:
    """Return the run key of a tick: its whole seconds since the epoch."""
    return f"tick:{int(tick.timestamp())}"


def trigger_key(value: str) -> str:
    """Return the run key of a trigger: one run for each value, ever."""
    return f"trigger:{value}"


def run_id(cluster: ClusterId, schedule: ScheduleUid, key: str) -> RunId:
    """Return the id of a run. The same triple gives the same id, on every replica and after every loss."""
    return RunId(uuid5(RUN_NAMESPACE, f"{cluster}/{schedule}/{key}"))
