"""What the ledger gives and takes: values, each the outcome or the input of one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ticklock.domain.model import AttemptKey, AttemptState, JobUid, LaunchPolicy, ObjectRef, PodUid, RunState
from ticklock.domain.pods import Cause
from ticklock.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class StageOrder:
    """One claimed attempt whose suspended Job is to be created."""

    key: AttemptKey
    run_key: str
    ref: ObjectRef
    generation: int
    stage: int
    token: int
    suffix: int
    """How many names were found taken by others so far."""
    scheduled_time: datetime
    due_at: datetime
    deadline_at: datetime | None
    job_template: Mapping[str, Any]
    policy: str
    time_zone: str | None = None
    deferrals: int = 0
    """How often it was put off so far."""
    launch_policy: LaunchPolicy = LaunchPolicy.JOB


@dataclass(frozen=True, slots=True)
class Bound:
    """One attempt that is decided: this Job, and no other. It is ours to launch until the claim runs out."""

    key: AttemptKey
    ref: ObjectRef
    job_name: str
    job_uid: JobUid
    scheduled_time: datetime
    deadline_at: datetime | None
    """After it the launch may not be tried any more: the run is missed, if it can be shown not to have started."""
    token: int
    stranded: bool
    """It was bound by a claim that ran out: another replica died or stalled, the launch may have happened."""
    delay: timedelta = timedelta(0)
    """How long after its scheduled time it was due: jitter, which is no lag."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A Job that is to be taken away because its attempt was judged, edited or made again."""

    namespace: str
    job_name: str
    job_uid: JobUid
    key: AttemptKey


@dataclass(frozen=True, slots=True)
class Blocker:
    """A run in the way of a Forbid or Replace tick; its Job is looked up before the tick is deferred again."""

    key: AttemptKey
    ref: ObjectRef
    job_name: str | None
    job_uid: JobUid | None
    state: AttemptState
    replace: bool
    """The policy asks for it to be stopped."""


@dataclass(frozen=True, slots=True)
class StageClaim:
    """What a claim for staging gave."""

    orders: Sequence[StageOrder]
    leftovers: Sequence[Leftover] = ()
    blockers: Sequence[Blocker] = ()


@dataclass(frozen=True, slots=True)
class BindOutcome:
    """What one bind transaction decided."""

    bound: Sequence[Bound]
    leftovers: Sequence[Leftover]
    blockers: Sequence[Blocker]
    candidates: int
    """How many due attempts it looked at; a full batch means: ask again at once."""
    unverified: Sequence[ObjectRef] = ()
    """Nobody leads, and these objects must be read before their first launch."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, as the observer or a dispatcher saw it."""

    key: AttemptKey
    job_uid: JobUid
    state: AttemptState
    reason: Reason
    message: str
    started_at: datetime | None = None
    finished_at: datetime | None = None
    never_let_go: bool = False
    """The Job was still suspended when it was deleted: it cannot have started."""


@dataclass(frozen=True, slots=True)
class FurtherPod:
    """A pod that an attempt's Job has beyond what it asks for."""

    key: AttemptKey
    job_uid: JobUid
    pod_uid: PodUid
    pod_name: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class PodClaim:
    """A pod of a StrictPod attempt, for which it is asked whether it may start."""

    key: AttemptKey
    job_uid: JobUid
    pod_uid: PodUid
    pod_name: str


@dataclass(frozen=True, slots=True)
class PodChoice:
    """Which pod of an attempt may start."""

    pod_uid: PodUid
    pod_name: str
    mine: bool
    """This replica is to let it go, until its claim runs out."""
    withdrawn: frozenset[PodUid] = frozenset()
    """Those that were chosen before, and are known never to have started."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch that the API server has acknowledged."""

    key: AttemptKey
    job_uid: JobUid
    at: datetime
    """Database time, estimated by the replica at the moment of the answer."""


@dataclass(frozen=True, slots=True)
class RowView:
    """What the ledger says of one attempt, for the janitor and the quarantine."""

    key: AttemptKey
    state: AttemptState
    staged_uid: JobUid | None
    job_uid: JobUid | None
    stage: int
    released: bool = False
    """Our finalizer was taken off its Job."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The run that the status shows as the last one."""

    id: str
    scheduled_time: datetime
    state: RunState
    reason: Reason | None
    message: str
    job_name: str | None
    started_at: datetime | None
    finished_at: datetime | None
    lag_seconds: float | None
    pod_name: str | None = None
    """The one pod that may start, with launchPolicy StrictPod."""


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A Job that is bound or launched."""

    name: str
    uid: JobUid
    namespace: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the reporter needs to write one object's status."""

    ref: ObjectRef
    seq: int
    """The ledger's report number that this report shows."""
    generation: int
    ledger_seq: int
    expression: str | None
    time_zone: str | None
    created_at: datetime
    suspended: bool
    problem_reason: str | None
    problem_message: str | None
    next_time: datetime | None
    witness: datetime | None
    last_success: datetime | None
    last_trigger: str | None
    active: Sequence[ActiveJob]
    active_count: int
    last_run: LastRun | None
    last_ended: LastRun | None
    now: datetime
    closed_reason: Reason | None = None
    """Why nothing is launched in the whole installation, if that has lasted."""
    closed_message: str = ""


@dataclass(frozen=True, slots=True)
class ScheduleTimes:
    """What the metrics tell of one schedule, all of which a Report holds too."""

    ref: ObjectRef
    next_time: datetime | None
    witness: datetime | None
    last_success: datetime | None


@dataclass(frozen=True, slots=True)
class Release:
    """A recorded attempt whose outcome is witnessed: our finalizer may come off."""

    key: AttemptKey
    namespace: str
    job_name: str
    job_uid: JobUid


@dataclass(frozen=True, slots=True)
class Expected:
    """An attempt whose Job should stand in the cluster, as far as the ledger knows."""

    job: Release
    state: AttemptState


@dataclass(frozen=True, slots=True)
class Opened:
    """A closure of the gate that is over."""

    reason: Reason
    """Why it was closed: Quarantine or ClockStep."""
    how: Reason
    """What opened it: Reconciled, ClockSettled or Released."""
    settled: Mapping[str, int]
    """How many attempts the quarantine settled, by outcome."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The state of the installation, read once a second by every replica."""

    db_now: datetime
    quarantined: str | None
    """Why nothing may be launched, or None."""
    leader: str | None
    epoch: int
    leaderless_seconds: float
    planned: int
    due: int
    overdue_seconds: float
    next_due_in: float | None
    """Seconds until the next planned attempt is due."""
