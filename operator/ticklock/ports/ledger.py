"""PostgreSQL, as the engine sees it. Each method is a whole transaction; none is open across a call to the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from ticklock.domain.model import AttemptKey, Declared, JobUid, ObjectRef, PodUid
from ticklock.domain.reasons import Reason
from ticklock.ports.cluster import JobView, LeaseMark, ObjectEvent, Standing
from ticklock.ports.facts import (
    BindOutcome,
    Blocker,
    Bound,
    Ending,
    Expected,
    FurtherPod,
    Launch,
    Leftover,
    Opened,
    PodChoice,
    PodClaim,
    Pulse,
    Release,
    Report,
    RowView,
    ScheduleTimes,
    StageClaim,
    StageOrder,
)


class Ledger(Protocol):
    """The rows that decide. Only the database's clock decides what is due."""

    # -- every replica
    async def pulse(self, *, leading: bool, lease: LeaseMark | None = None) -> Pulse:
        """Write the replica's heartbeat, and where the Lease stands if it leads; read the installation's state."""

    async def lease_mark(self) -> LeaseMark | None:
        """Return where the Lease stood by the last heartbeat of a leader; None before the first."""

    async def set_back(self, noted: LeaseMark, found: LeaseMark) -> None:
        """Close the gate: a Lease that was noted so was found so. Nothing where another one is noted by now."""

    async def plan(self, *, horizon: timedelta, limit: int) -> int:
        """Turn the ticks up to now + horizon into rows and move the cursors; return how many schedules were planned."""

    async def claim_for_staging(self, *, ahead: timedelta, ttl: timedelta, limit: int) -> StageClaim:
        """Claim planned attempts that have no Job yet; judge or defer what policy does not admit."""

    async def store_staged(self, staged: Sequence[tuple[StageOrder, JobUid, str]]) -> Sequence[Leftover]:
        """Store (order, uid, job name) where still planned at that stage, and give the claims back.

        Returns the Jobs that lost.
        """

    async def defer(
        self, order: StageOrder, *, seconds: float, reason: Reason, message: str, next_suffix: bool = False
    ) -> None:
        """Give the claim back and try again later; `next_suffix` where the name is somebody else's."""

    async def fail_unstarted(self, order: StageOrder, reason: Reason, message: str) -> None:
        """End a planned attempt as Failed without a Job."""

    async def forget_staged(self, key: AttemptKey, uid: JobUid) -> bool:
        """Plan an attempt anew, at a higher stage, whose staged Job is going away. False where that is not its Job."""

    async def bind(self, *, ttl: timedelta, limit: int, verified: frozenset[str]) -> BindOutcome:
        """Decide: bind due staged attempts, judge or defer them. `verified`: schedule UIDs read while nobody leads."""

    async def claim_stranded(self, *, ttl: timedelta, limit: int) -> Sequence[Bound]:
        """Claim bound attempts whose claim ran out."""

    async def mark_launched(self, launches: Sequence[Launch]) -> None:
        """Bound becomes launched, where still bound to that UID."""

    async def record(self, endings: Sequence[Ending]) -> int:
        """Write outcomes; return how many were news. Repeating is harmless. Raises Unready in quarantine."""

    async def rebuild_launched(self, job: JobView) -> bool:
        """Make a row say launched that is not bound to the unsuspended Job under its name; True where it did not."""

    async def rows(self, keys: Sequence[AttemptKey]) -> Mapping[AttemptKey, RowView]:
        """Return what stands in the ledger for these attempts.

        Raises Unready in quarantine: a missing row means nothing then.
        """

    async def still_owed(self, job: JobView) -> bool:
        """Tell whether the tick of a Job without a row is still to be planned: then the Job may yet be adopted."""

    async def obey(self, ref: ObjectRef, standing: Standing | None) -> Sequence[Leftover]:
        """Judge the planned ticks of an object that was found suspended, deleted or replaced while nobody leads."""

    async def give_back(self) -> None:
        """Give every claim of this replica back and remove its heartbeat; for a graceful stop."""

    async def free_lock(self, key: AttemptKey) -> None:
        """Give a concurrency lock back whose run is over: no Job and no live pod of it was found."""

    # -- the leader; each write carries the term's epoch and raises Superseded where the term is over
    async def open_term(self) -> int:
        """Begin a term: raise the epoch and return it."""

    async def reconcile(
        self, epoch: int, objects: Sequence[Declared], gone: Sequence[ObjectRef]
    ) -> tuple[int, Sequence[Leftover]]:
        """Store specs, tombstones and triggers; return how many objects changed anything, and the Jobs left over."""

    async def known_objects(self) -> Sequence[ObjectRef]:
        """Return the schedules that are not tombstones."""

    async def reports(self, epoch: int, *, limit: int) -> Sequence[Report]:
        """Return schedules whose status is older than the ledger."""

    async def schedule_times(self, epoch: int) -> Sequence[ScheduleTimes]:
        """Return every schedule that is not a tombstone, as the metrics tell it."""

    async def reported(self, epoch: int, written: Sequence[tuple[Report, bool]]) -> None:
        """Note what was written; False: the object is gone."""

    async def releases(self, epoch: int, *, limit: int) -> Sequence[Release]:
        """Return recorded attempts that are witnessed, or whose object is gone, and still hold the finalizer."""

    async def released(self, epoch: int, keys: Sequence[AttemptKey]) -> None:
        """Note that the finalizers are off."""

    async def surplus(self, epoch: int, *, limit: int) -> Sequence[Release]:
        """Return released Jobs beyond their schedule's history limits."""

    async def expected_jobs(self, epoch: int) -> Sequence[Expected]:
        """Return attempts whose Job is not known to be gone, young ones left out: the watch may not show them yet."""

    async def suspect_locks(self, epoch: int) -> Sequence[Blocker]:
        """Return the holders of locks whose run is over but may have live pods, or that were held for very long."""

    async def release_again(self, key: AttemptKey, uid: JobUid) -> None:
        """Note that our finalizer is on this attempt's Job after all: it is released once more, when witnessed."""

    async def absent(self, keys: Sequence[AttemptKey]) -> None:
        """Note that these attempts' Jobs are confirmed gone."""

    async def outbox(self, epoch: int, *, limit: int) -> Sequence[ObjectEvent]:
        """Return Events not yet posted, oldest first."""

    async def posted(self, epoch: int, ids: Sequence[int]) -> None:
        """Remove posted Events."""

    async def prune(self, epoch: int, *, older_than: timedelta) -> int:
        """Remove runs that are over, absent and old, raising `pruned_through` in the same transaction."""

    async def sweep(self, epoch: int) -> None:
        """Remove dead replicas' heartbeats; report suspect locks."""

    async def make_partitions(self, epoch: int) -> Sequence[str]:
        """Make what the audit trail and the JobLogs of the next months will need; return what was missing."""

    async def drop_partitions(self, epoch: int, *, audit: timedelta, job_logs: timedelta) -> Sequence[str]:
        """Drop the months in which all is older than that; Transient while somebody else uses the tables."""

    # -- the gate
    async def tend_gate(self, epoch: int) -> Sequence[Opened]:
        """Keep the book of when the gate was closed, and tell it; return closures that are over, each one once."""

    async def note_resource_version(self, epoch: int, version: int) -> bool:
        """Remember the highest resourceVersion seen; False, and quarantine, where it has fallen."""

    async def note_fall(self, epoch: int, found: LeaseMark) -> None:
        """Close the gate: the Lease was found so, and had been seen at a higher version."""

    async def begin_to_reconcile(self, epoch: int) -> str:
        """Name the life that the database leads; asked for before the cluster is listed."""

    async def reconcile_incarnation(
        self, epoch: int, jobs: Sequence[JobView], objects: Sequence[Declared], *, life: str | None = None
    ) -> Sequence[Leftover]:
        """Apply the rules of quarantine to what the cluster shows; return suspended Jobs to be un-staged first.

        Called again with what stands then, until it returns nothing; the ledger is then open again. Raises Transient
        where the database leads another life than the one named before the lists.
        """


class PodLedger(Protocol):
    """What the ledger says of pods, below the Job."""

    async def note_pods(self, found: Sequence[FurtherPod]) -> Mapping[PodUid, bool]:
        """Write pods down that are more than their Job asks for; return those that stand there, True where it is news.

        One whose attempt is not bound to its Job (yet) is left out. Repeating is harmless.
        """

    async def choose_pods(self, claims: Sequence[PodClaim], *, ttl: timedelta) -> Mapping[PodUid, PodChoice]:
        """Decide: where no pod of an attempt is chosen, this one is; return, by pod asked for, which one is.

        Left out where the attempt is not bound to that Job (yet), or is over. A claim that ran out is taken over.
        """

    async def choose_again(self, former: PodUid, claim: PodClaim, *, ttl: timedelta) -> bool:
        """Choose another pod, where `former` is the chosen one and is known never to have started nor ever to start."""

    async def correct_pod(self, claim: PodClaim) -> None:
        """Make this the chosen pod: the Job bears witness that it was chosen, and the ledger has lost that."""

    async def pods_admitted(self, claims: Sequence[PodClaim]) -> None:
        """Note that the gates of these chosen pods are off."""
