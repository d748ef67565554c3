"""The history of a run under chaos: what was done, what was seen, how it ended. Written by the harness, judged later.

Here are the entries; `folder` writes and reads them, `sighted` makes them of what the API server shows.

`at` is the harness's clock in seconds since 1970, at which the thing happened or came to be known; a `scheduled_time`
is a whole second since 1970, as in the run key of a tick. What is not known is None, never a guess.

A harness must write, or the judgement means nothing: each operation of a client before it is sent and after its answer;
each start of a pod before anybody can know of it; every version of every Job and ScheduledJob of ours that its watches
bring, and their lists; each fault before it begins and after its heal; and one final dump, `Bounds.settled` seconds or
more after the last tick that is to be judged. Schedules may go on ticking: what is younger is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

# ------------------------------------------------------------------------------------------------------------ the words


class Phase(StrEnum):
    """Where a client's operation stands. Each begins with `invoke` and ends with at most one of the others."""

    INVOKE = "invoke"
    OK = "ok"
    """The API server said yes."""
    FAIL = "fail"
    """It said no: nothing has changed, nor will it."""
    INFO = "info"
    """No answer: it may have happened, or still happen."""


class Action(StrEnum):
    """What a client asks for. The first six are for a ScheduledJob, the others for a Job or a pod."""

    CREATE = "create"
    EDIT = "edit"
    SUSPEND = "suspend"
    RESUME = "resume"
    TRIGGER = "trigger"
    DELETE = "delete"
    DELETE_JOB = "delete_job"
    LET_JOB_GO = "let_job_go"
    """Somebody sets `suspend: false` on a Job of ours."""
    SUSPEND_JOB = "suspend_job"
    STRIP_FINALIZER = "strip_finalizer"
    DELETE_POD = "delete_pod"


OF_SCHEDULES = frozenset({Action.CREATE, Action.EDIT, Action.SUSPEND, Action.RESUME, Action.TRIGGER, Action.DELETE})


class NodePhase(StrEnum):
    """A pod's life on a simulated node."""

    START = "start"
    """Written before the pod is reported as Running: no start that anybody can know of is missing."""
    END = "end"
    """Its containers are over: finished, or killed because the pod was deleted."""


class Change(StrEnum):
    """How an object came by."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    LISTED = "LISTED"


class FaultPhase(StrEnum):
    """A fault lasts from `begin` to `heal`; healed means that the thing answers again, not that it was told to."""

    BEGIN = "begin"
    HEAL = "heal"


class Target(StrEnum):
    """What a fault hits. Which verdicts a fault excuses depends on it."""

    REPLICA = "replica"
    DATABASE = "database"
    API_SERVER = "api-server"
    ETCD = "etcd"
    CONTROLLER_MANAGER = "controller-manager"
    SCHEDULER = "scheduler"
    NODE = "node"
    CLOCK = "clock"
    DATABASE_LINK = "database-link"
    """Between replicas and the database: delays, cuts, lost answers."""
    API_LINK = "api-link"
    """Between replicas and the API server."""
    PEOPLE = "people"
    """Nothing is broken: somebody asks for what the API server allows. Their operations say what that excuses."""
    MACHINE = "machine"
    """Everything at once: the harness itself found that it had stood still."""


# ---------------------------------------------------------------------------------------------------------- the entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    KIND: ClassVar[str]

    at: float
    source: str
    """Who wrote it: `client-3`, `node-0`, `watch-jobs`, `nemesis`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The part of a ScheduledJob's spec that decides what is owed; whole, also for an edit of one field."""

    schedule: str
    time_zone: str | None = None
    concurrency: str = "Allow"
    starting_deadline: int | None = None
    suspend: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOp(Entry):
    """One phase of one operation of a client."""

    KIND = "client"

    op: str
    """Unique in the history; the same in all phases of one operation."""
    phase: Phase
    action: Action
    namespace: str
    name: str
    """Of the ScheduledJob; of the Job or pod for the actions that concern one."""
    schedule_uid: str | None = None
    """Known from a create's `ok` on."""
    object_uid: str | None = None
    """Of the Job or pod, for the actions that concern one."""
    spec: Spec | None = None
    """What is asked for: with create, edit, suspend and resume."""
    generation: int | None = None
    """metadata.generation of the answer: with `ok` of create, edit, suspend, resume."""
    created_at: float | None = None
    """metadata.creationTimestamp of the answer: with `ok` of create."""
    trigger: str | None = None
    """The value: with a trigger."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSight(Entry):
    """A pod started or ended on a simulated node. Built from the pod alone; its Job says the rest."""

    KIND = "node"

    phase: NodePhase
    namespace: str
    pod_uid: str
    pod_name: str
    job_uid: str
    job_name: str
    run_id: str | None
    """From the environment, as `n` and `scheduled_time` are: what the program itself would see."""
    n: int | None
    scheduled_time: int | None
    schedule_uid: str | None = None
    schedule_name: str | None = None
    run_key: str | None = None
    exit_code: int | None = None
    """At the end; None where the pod was killed without one."""
    killed: bool = False
    """At the end: it did not finish, it was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSight(Entry):
    """One version of a Job of ours, straight from the API server."""

    KIND = "job"

    change: Change
    namespace: str
    name: str
    uid: str
    owner_uid: str | None
    """UID of the controlling ScheduledJob."""
    run_id: str | None
    run_key: str | None
    n: int | None
    stage: int | None
    scheduled_time: int | None
    suspended: bool
    waits_for_user: bool
    """Its template says `suspend: true`: launched means marked."""
    launched_mark: bool
    started: bool
    """It has a status.startTime: the job controller saw it unsuspended and alive."""
    deleting: bool
    finished: str | None
    """`Complete` or `Failed`."""
    finalizers: tuple[str, ...]
    resource_version: int

    @property
    def let_go(self) -> bool:
        """Whether Kubernetes may make pods of this version, or may have made some."""
        open_gate = self.launched_mark if self.waits_for_user and self.suspended else not self.suspended
        return open_gate and (not self.deleting or self.started)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSight(Entry):
    """One version of a ScheduledJob, straight from the API server."""

    KIND = "schedule"

    change: Change
    namespace: str
    name: str
    uid: str
    resource_version: int
    generation: int
    observed_generation: int | None
    created_at: float
    deleting: bool
    spec: Spec
    trigger: str | None = None
    """The annotation, as asked for."""
    last_trigger: str | None = None
    last_schedule_time: int | None = None
    ledger_seq: int | None = None
    active_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Entry):
    """A fault begins or is healed. One that is over at once has both, with the time it took in between."""

    KIND = "fault"

    fault: str
    """Unique in the history; the same at begin and heal."""
    name: str
    """What is done, as reports call it: `kill`, `pause`, `partition`, `lost answers`."""
    target: Target
    phase: FaultPhase
    details: Mapping[str, Any] = field(default_factory=dict)
    """For people; but the checker reads `replica` or `replicas`, the ones that are hit where the others
    are spared; `lost_commits: true` where the database was set back, `lost_objects: true` where the cluster was; and
    `excuses`, a list of reasons that follow from it (`JobRejected`, where it makes the API server refuse Jobs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Final(Entry):
    """Everything as it stands after the last heal, when nothing moves any more."""

    KIND = "final"

    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    """Rows by table, columns by name: schedules, schedule_state, runs, attempts, job_logs, run_events, queue_locks."""
    schedules: Sequence[ScheduleSight]
    jobs: Sequence[JobSight]
    pods: Sequence[Mapping[str, Any]]
    """The pods as the API server gives them."""


Kind = type[ClientOp] | type[NodeSight] | type[JobSight] | type[ScheduleSight] | type[Fault] | type[Final]
KINDS: Mapping[str, Kind] = {kind.KIND: kind for kind in (ClientOp, NodeSight, JobSight, ScheduleSight, Fault, Final)}


# ------------------------------------------------------------------------------------------------------------ the frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the run is held to, in seconds."""

    early: float = 0.05
    """How long before its tick a start may be: the difference of the clocks."""
    on_time: float = 3.0
    """Lag of a start without faults."""
    disturbed: float = 60.0
    """Lag of a start whose tick fell into a fault, counted from the tick or, if that is later, from the heal."""
    recovery: float = 30.0
    """How long after the last heal everything is as without faults again."""
    taken_in: float = 5.0
    """How long without faults until an edit, a deletion or a trigger counts."""
    settled: float = 30.0
    """How long before the final dump a tick must lie to be called to account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What the run was."""

    seed: int
    seconds: float
    command: str
    bounds: Bounds = field(default_factory=Bounds)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    """For people, but for `replicas`: how many there are, if not two."""


EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one run, oldest first."""

    meta: Meta
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, meta: Meta, entries: Iterable[Entry]) -> Self:
        """Return the history of these entries, in the order of their time."""
        return cls(meta, tuple(sorted(entries, key=lambda entry: entry.at)))

    def each(self, kind: type[EntryT]) -> Iterator[EntryT]:
        """Yield the entries of one kind."""
        return (entry for entry in self.entries if isinstance(entry, kind))
