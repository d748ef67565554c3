"""Kubernetes, as the engine sees it. Every method raises only the words of `ticklock.domain.errors`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ticklock.domain.model import AttemptKey, AttemptState, Declared, JobUid, ObjectRef, RunState
from ticklock.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class JobView:
    """What we need to know of a Job, read from one version of it."""

    namespace: str
    name: str
    uid: JobUid
    resource_version: str
    owner_uid: str | None
    """UID of the controlling ownerReference."""
    owner_name: str | None
    key: AttemptKey | None
    """From our annotations; None where they are missing or unreadable: then it is not ours."""
    run_key: str | None
    stage: int
    scheduled_time: datetime | None
    suspended: bool
    held: bool
    """Our finalizer is still on it."""
    deleting: bool
    started_at: datetime | None
    finished: AttemptState | None
    """COMPLETED or FAILED once the condition stands, else None."""
    finished_at: datetime | None
    message: str
    """Reason and message of the final condition, for people."""
    active_pods: int
    failed_pods: int
    generation: int = 1
    """Raised by each change of its spec: a Job of generation 1 is as it was created."""
    created_at: datetime | None = None
    deleting_since: datetime | None = None
    """Its deletionTimestamp."""
    gated: bool = False
    """Its pods come with our scheduling gate."""
    wanted_pods: int = 1
    """How many pods it asks for in all, failures left out; for an Indexed Job, for each index."""


class Jobs(Protocol):
    """Jobs on the API server. Reads are consistent (no resourceVersion parameter)."""

    async def create(self, namespace: str, manifest: Mapping[str, Any]) -> JobView:
        """Create a Job; the answer is the 201's own body.

        Raises Conflict (409: the name is taken, or is being deleted), Refused (400, 422, and 413), Transient (403, 404
        of the namespace, 429, 5xx, time-out, broken connection: whether it was created is unknown).
        """

    async def read(self, namespace: str, name: str) -> JobView | None:
        """Return the Job, or None where there is none."""

    async def launch(self, namespace: str, name: str, uid: JobUid) -> JobView | None:
        """Let exactly this Job go, and no other of its name; repeatable.

        Returns the Job as answered, or None where that UID is gone: a 404, or a 422 whose causes name `metadata.uid`,
        confirmed by a read. Every other refusal is Transient.
        """

    async def delete(self, job: JobView, *, only_if_unchanged: bool) -> JobView | None:
        """Delete with propagation Background and preconditions: uid, and resourceVersion too where asked.

        Returns the object as it stands after the call (terminating, held by our finalizer), None where it is gone.
        Raises Conflict where a precondition failed.
        """

    async def release(self, namespace: str, name: str, uid: JobUid) -> bool:
        """Take our finalizer off (JSON-patch with a test on uid). True where it is off now or the Job is gone."""

    async def live_pods(self, namespace: str, uid: JobUid) -> int:
        """Count the pods of this Job UID that have not ended (phase neither Succeeded nor Failed)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a ScheduledJob's own object says right now; read by a dispatcher when nobody leads."""

    uid: str
    suspended: bool
    deleting: bool


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The object's status after a write, and the version to write on next time."""

    resource_version: str
    status: Mapping[str, Any]


class Objects(Protocol):
    """ScheduledJobs on the API server."""

    async def list_all(self) -> tuple[Sequence[Declared], str]:
        """Return every ScheduledJob, paginated, and the list's resourceVersion."""

    async def standing(self, namespace: str, name: str) -> Standing | None:
        """Read what a launch must obey; None where the object is gone."""

    async def read_status(self, ref: ObjectRef) -> StatusAnswer | None:
        """Return the status as stored; None where the object (this UID) is gone."""

    async def write_status(
        self, ref: ObjectRef, resource_version: str, status: Mapping[str, Any]
    ) -> StatusAnswer | None:
        """Merge-PATCH /status on that version. Conflict where it moved on; None where this UID is gone."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """One Kubernetes Event to be posted. `name` is deterministic, so that posting again is harmless."""

    id: int
    ref: ObjectRef | None
    """The object that it is about; None: the installation itself."""
    type: str
    """Normal or Warning."""
    reason: Reason
    action: str
    note: str
    at: datetime
    related_job: str | None = None
    related_uid: str | None = None
    state: RunState | None = None
    """Where it tells the end of a run."""
    ticks: int = 1
    """How many ticks it tells of."""


class Events(Protocol):
    """Events of events.k8s.io/v1."""

    async def post(self, event: ObjectEvent) -> None:
        """Post it; an Event of that name that is there already counts as posted, a vanished namespace too.

        What is about the installation is posted about its Lease.
        """


class ObjectFeed(Protocol):
    """Watch of all ScheduledJobs: edges only; a list now and then is the truth."""

    async def run(self, submit: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Call `submit(type, body)` in this loop's thread for each event, until cancelled."""


class JobFeed(Protocol):
    """Watch of all Jobs of ours: a list, then changes, then lists again with a difference."""

    async def run(
        self, on_change: Callable[[JobView, bool], Awaitable[None]], on_listed: Callable[[], Awaitable[None]]
    ) -> None:
        """Call `on_change(job, gone)` for each appearance, change and disappearance, `on_listed()` after each list.

        A disappearance is reported with the last version seen. Runs until cancelled; survives dropped watches and 410.
        """

    def known(self) -> Sequence[JobView]:
        """Return the Jobs as last seen."""

    async def list_all(self) -> tuple[Sequence[JobView], str]:
        """Return every Job of ours by a consistent paginated LIST, and the list's resourceVersion."""


class Remains(Protocol):
    """What an installation leaves in a cluster; for who removes it. No ledger is asked: it may be gone already."""

    async def jobs(self) -> Sequence[JobView]:
        """Return every Job that carries our finalizer or our label, in all namespaces."""

    async def schedules(self) -> Mapping[str, int]:
        """Count the ScheduledJobs of each namespace; none where their kind is not known."""

    async def lease(self) -> LeaseRecord | None:
        """Return the Lease of the installation, None where there is none."""

    async def remove_lease(self, seen: LeaseRecord) -> None:
        """Delete the Lease as it was seen; gone already is as good. Conflict where it has changed since."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The Lease as stored."""

    holder: str
    duration: float
    transitions: int
    raw: Mapping[str, Any]
    """The whole object, for the optimistic write back; compared by value to notice a renewal."""


@dataclass(frozen=True, slots=True)
class LeaseMark:
    """At which resourceVersion a Lease stood."""

    uid: str
    version: int


@dataclass(frozen=True, slots=True)
class Fall:
    """The Lease was seen at a lower resourceVersion than before: the cluster was set back."""

    highest: int
    found: LeaseMark


class LeaseStore(Protocol):
    """One `coordination.k8s.io/v1` Lease."""

    async def read(self) -> LeaseRecord | None:
        """Return it, None where there is none."""

    async def create(self, holder: str, duration: float, now: datetime) -> LeaseRecord:
        """Create it with us as the holder. Conflict where it exists."""

    async def update(
        self, seen: LeaseRecord, holder: str, duration: float, now: datetime, *, transitions: int, acquired: bool
    ) -> LeaseRecord:
        """Write on the version seen. Conflict where it moved on."""
