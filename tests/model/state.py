"""The nouns of the model: what ledger, cluster and replicas hold at one moment.

A state is a value: nested tuples of small things. An attempt is a number: attempt n of tick t stands at
`(t - 1) * attempts + (n - 1)`. At most one Job of an attempt exists at a time, since the API server gives its name out
once; its `uid` is a small number that is free again when nothing in the whole state mentions it.

A resourceVersion needs no number: whatever happens to a Job here happens once and is never taken back, so a Job is
unchanged since a read exactly where it is equal to what was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

# What a row says. Words, not numbers: a story prints them, and comparing them costs the same.
ABSENT = "absent"
"""There is no such row: not planned yet, lost, or pruned."""
PLANNED, BOUND, LAUNCHED = "planned", "bound", "launched"
COMPLETED, FAILED, STOPPED, SKIPPED, MISSED = "Completed", "Failed", "Stopped", "Skipped", "Missed"
UNKNOWN = "Unknown/JobVanished"
LOST = "Unknown/LedgerLost"

OPEN = frozenset({PLANNED, BOUND, LAUNCHED})
ACTIVE = frozenset({BOUND, LAUNCHED})
OVER = frozenset({COMPLETED, FAILED, STOPPED, SKIPPED, MISSED, UNKNOWN, LOST})


class Row(NamedTuple):
    """One attempt in the ledger (table `attempts`)."""

    state: str = ABSENT
    stage: int = 1
    staged: int = 0
    """The Job that stands for the attempt; 0 is none."""
    job: int = 0
    """The decision: this Job, and no other."""
    seq: int = 0
    """Number of the record of its end; 0 is none."""
    released: bool = False
    absent: bool = False
    suspect: bool = False
    """It stood at or below the witness at a quarantine: never followed, never reopened."""


class Ledger(NamedTuple):
    """What PostgreSQL holds of one schedule: everything here is what a loss of commits takes back."""

    rows: tuple[Row, ...]
    cursor: int = 0
    """The last tick planned; for a trigger, 1 once it was taken (`last_trigger`)."""
    pruned: int = 0
    seq: int = 0
    """How many ends were recorded (`ledger_seq`)."""
    witnessed: int = 0
    """Of these, how many the status is known to show (`witnessed_seq`)."""
    launched: int = 0
    """The newest tick that was launched (`last_launched_tick`): the witness to be written."""
    holder: int = 0
    """Which attempt holds the lock, plus one; 0 is nobody."""
    suspect: bool = False
    """The lock's holder is over, and somebody must look for its pods."""
    spec: str = ""
    """What the stored spec says: "", "suspended" or "deleted"."""


class Job(NamedTuple):
    """One version of a Job on the API server."""

    uid: int
    stage: int
    let_go: bool = False
    """`suspend: false`."""
    started: bool = False
    """It was let go while it was alive: from then on there may be pods. Nobody can see this."""
    shown: bool = False
    """`status.startTime` is set: what can be seen of a start."""
    end: str = ""
    """Its final condition: Completed, Failed, or none yet."""
    deleting: bool = False
    held: bool = True
    """Our finalizer is on it."""


NO_JOB: tuple[()] = ()
"""No Job of an attempt exists. A tuple, so that lists of Jobs can be ordered."""
Jobs = tuple[Any, ...]
"""One `Job` or `NO_JOB` for each attempt."""


class Cluster(NamedTuple):
    """What etcd holds: everything here is what a restore of etcd takes back."""

    jobs: Jobs
    pods: tuple[tuple[int, int], ...] = ()
    """Live pods: (attempt, uid of the Job)."""
    seq: int = 0
    """`status.ledgerSeq`."""
    witness: int = 0
    """`status.lastScheduleTime`."""
    gone: bool = False
    """The ScheduledJob was deleted."""
    triggered: bool = False
    """`status.lastTrigger` shows the trigger."""


class Op(NamedTuple):
    """A replica in the middle of something: what it read, and will act on whenever it comes to it."""

    kind: str
    attempt: int = 0
    uid: int = 0
    stage: int = 0
    view: Any = ()
    """The Job as read, or all that was listed."""
    why: str = ""


class Left(NamedTuple):
    """How often each fault, and each act of a person, may still happen."""

    crash: int = 0
    late: int = 0
    error: int = 0
    delete: int = 0
    strip: int = 0
    loss: int = 0
    restore: int = 0
    edit: int = 0
    suspend: int = 0
    backfill: int = 0
    stop: int = 0
    bury: int = 0


class Truth(NamedTuple):
    """What really happened, which nobody in the model can look at. The invariants do."""

    starts: tuple[int, ...]
    """How often Jobs of each attempt were started."""
    ends: tuple[str, ...]
    """How the first started Job of each attempt ended: Completed, Failed, "deleted", or "" so far."""
    excused: tuple[int, ...] = ()
    """Attempts that ran after all, where the commit that reopened them was lost: a documented limit."""
    wrong: str = ""
    """Something that must never happen has happened: the invariant, and a sentence."""


NO_WAY_BACK: tuple[()] = ()


class State(NamedTuple):
    """Everything at one moment."""

    ledger: Ledger
    cluster: Cluster
    truth: Truth
    left: Left
    doing: tuple[Op, ...] = ()
    """What replicas are in the middle of, in no order: a replica is nothing but that."""
    late: tuple[Op, ...] = ()
    """Requests that were given up, and may take effect at any time."""
    closed: str = ""
    """Why nothing may be decided: "", "lost" (another incarnation) or "set back"."""
    standby: Any = NO_WAY_BACK
    """The ledger that a failover would bring back."""
    backup: Any = NO_WAY_BACK
    """The cluster that a restore of etcd would bring back."""
    life: int = 0
    """Incarnation of the database."""
    unnoticed: bool = False
    """etcd was set back, and nobody has noticed yet."""


Moves = Iterator[tuple[str, State]]
"""Steps that may be taken: a sentence, in which % stands for the replica, and what is then."""


def put_row(s: State, attempt: int, row: Row) -> State:
    """Return the state with this row."""
    rows = s.ledger.rows
    return s._replace(ledger=s.ledger._replace(rows=(*rows[:attempt], row, *rows[attempt + 1 :])))


def put_job(s: State, attempt: int, job: Job | tuple[()]) -> State:
    """Return the state with this Job; one that is being deleted and that nothing holds is gone."""
    if job and job.deleting and not job.held:
        job = NO_JOB
    jobs = s.cluster.jobs
    return s._replace(cluster=s.cluster._replace(jobs=(*jobs[:attempt], job, *jobs[attempt + 1 :])))


def job_of(s: State, attempt: int, uid: int) -> Job | None:
    """Return the Job of this uid; None where it is gone, whoever has its name now."""
    job = s.cluster.jobs[attempt]
    return job if job and job.uid == uid else None


def begin(s: State, op: Op) -> State:
    """Return the state in which some replica has this ahead of it."""
    return s._replace(doing=tuple(sorted((*s.doing, op))))


def done(s: State, op: Op, then: Op | None = None) -> State:
    """Return the state in which the replica has done this, and goes on with something or with nothing."""
    doing = list(s.doing)
    doing.remove(op)
    if then is not None:
        doing.append(then)
        doing.sort()
    return s._replace(doing=tuple(doing))


def spend(s: State, fault: str) -> State:
    """Return the state with one fault less to come."""
    return s._replace(left=s.left._replace(**{fault: getattr(s.left, fault) - 1}))


def free_uid(s: State, attempt: int) -> int:
    """Return the smallest uid that nothing mentions."""
    used = set(_mentioned(s, attempt))
    uid = 1
    while uid in used:
        uid += 1
    return uid


def _mentioned(s: State, attempt: int) -> Iterator[int]:
    for cluster in (s.cluster, s.backup):
        if cluster and cluster.jobs[attempt]:
            yield cluster.jobs[attempt].uid
    for ledger in (s.ledger, s.standby):
        if ledger:
            row = ledger.rows[attempt]
            yield row.staged
            yield row.job
    for op in (*s.doing, *s.late):
        if op.kind in LISTS:
            listed = op.view[0][attempt] if op.view[0] else NO_JOB
            yield listed.uid if listed else 0
        elif op.attempt == attempt:
            yield op.uid
    yield from (uid for owner, uid in s.cluster.pods if owner == attempt)


LISTS = frozenset({"list Jobs", "list objects", "reconcile"})
"""What a replica in a quarantine is in the middle of: its view is (Jobs, status)."""
