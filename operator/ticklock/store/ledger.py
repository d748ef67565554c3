"""The ledger as the engine sees it: one method a transaction, each written in the file named after what it does."""
# ruff: noqa: D102 - every method is documented in the port

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from ticklock.domain.model import AttemptKey, Declared, JobUid, ObjectRef, PodUid
from ticklock.domain.reasons import Reason
from ticklock.ports import (
    BindOutcome,
    Blocker,
    Bound,
    Ending,
    Expected,
    FurtherPod,
    JobView,
    Launch,
    LeaseMark,
    Leftover,
    ObjectEvent,
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
    Standing,
)
from ticklock.store import (
    admission,
    binding,
    closures,
    deletion,
    expectations,
    housekeeping,
    locks,
    partitions,
    planning,
    pods,
    quarantine,
    rebuilding,
    recording,
    reporting,
    schedules,
    setbacks,
    staging,
    terms,
)
from ticklock.store.session import Database


class PostgresLedger:
    """`ticklock.ports.Ledger` on PostgreSQL."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def pulse(self, *, leading: bool, lease: LeaseMark | None = None) -> Pulse:
        return await terms.pulse(self.db, leading=leading, lease=lease)

    async def lease_mark(self) -> LeaseMark | None:
        return await setbacks.lease_mark(self.db)

    async def set_back(self, noted: LeaseMark, found: LeaseMark) -> None:
        await setbacks.set_back(self.db, noted, found)

    async def plan(self, *, horizon: timedelta, limit: int) -> int:
        return await planning.plan_due(self.db, horizon=horizon, limit=limit)

    async def claim_for_staging(self, *, ahead: timedelta, ttl: timedelta, limit: int) -> StageClaim:
        return await staging.claim_for_staging(self.db, ahead=ahead, ttl=ttl, limit=limit)

    async def store_staged(self, staged: Sequence[tuple[StageOrder, JobUid, str]]) -> Sequence[Leftover]:
        return await staging.store_staged(self.db, staged)

    async def defer(
        self, order: StageOrder, *, seconds: float, reason: Reason, message: str, next_suffix: bool = False
    ) -> None:
        await staging.defer(self.db, order, seconds=seconds, reason=reason, message=message, next_suffix=next_suffix)

    async def fail_unstarted(self, order: StageOrder, reason: Reason, message: str) -> None:
        await staging.fail_unstarted(self.db, order, reason, message)

    async def forget_staged(self, key: AttemptKey, uid: JobUid) -> bool:
        return await staging.forget_staged(self.db, key, uid)

    async def bind(self, *, ttl: timedelta, limit: int, verified: frozenset[str]) -> BindOutcome:
        return await binding.bind(self.db, ttl=ttl, limit=limit, verified=verified)

    async def claim_stranded(self, *, ttl: timedelta, limit: int) -> Sequence[Bound]:
        return await binding.claim_stranded(self.db, ttl=ttl, limit=limit)

    async def mark_launched(self, launches: Sequence[Launch]) -> None:
        await recording.mark_launched(self.db, launches)

    async def record(self, endings: Sequence[Ending]) -> int:
        return await recording.record(self.db, endings)

    async def note_pods(self, found: Sequence[FurtherPod]) -> Mapping[PodUid, bool]:
        return await pods.note_pods(self.db, found)

    async def choose_pods(self, claims: Sequence[PodClaim], *, ttl: timedelta) -> Mapping[PodUid, PodChoice]:
        return await admission.choose_pods(self.db, claims, ttl=ttl)

    async def choose_again(self, former: PodUid, claim: PodClaim, *, ttl: timedelta) -> bool:
        return await admission.choose_again(self.db, former, claim, ttl=ttl)

    async def correct_pod(self, claim: PodClaim) -> None:
        await admission.correct_pod(self.db, claim)

    async def pods_admitted(self, claims: Sequence[PodClaim]) -> None:
        await admission.pods_admitted(self.db, claims)

    async def rebuild_launched(self, job: JobView) -> bool:
        return await rebuilding.rebuild_launched(self.db, job)

    async def rows(self, keys: Sequence[AttemptKey]) -> Mapping[AttemptKey, RowView]:
        return await expectations.rows(self.db, keys)

    async def still_owed(self, job: JobView) -> bool:
        return await expectations.still_owed(self.db, job)

    async def obey(self, ref: ObjectRef, standing: Standing | None) -> Sequence[Leftover]:
        return await deletion.obey(self.db, ref, standing)

    async def give_back(self) -> None:
        await terms.give_back(self.db)

    async def free_lock(self, key: AttemptKey) -> None:
        await locks.free_lock(self.db, key)

    async def open_term(self) -> int:
        return await terms.open_term(self.db)

    async def reconcile(
        self, epoch: int, objects: Sequence[Declared], gone: Sequence[ObjectRef]
    ) -> tuple[int, Sequence[Leftover]]:
        return await schedules.reconcile(self.db, epoch, objects, gone)

    async def known_objects(self) -> Sequence[ObjectRef]:
        return await schedules.known_objects(self.db)

    async def reports(self, epoch: int, *, limit: int) -> Sequence[Report]:
        return await reporting.reports(self.db, epoch, limit=limit)

    async def schedule_times(self, epoch: int) -> Sequence[ScheduleTimes]:
        return await reporting.schedule_times(self.db, epoch)

    async def reported(self, epoch: int, written: Sequence[tuple[Report, bool]]) -> None:
        await reporting.reported(self.db, epoch, written)

    async def releases(self, epoch: int, *, limit: int) -> Sequence[Release]:
        return await reporting.releases(self.db, epoch, limit=limit)

    async def released(self, epoch: int, keys: Sequence[AttemptKey]) -> None:
        await reporting.released(self.db, epoch, keys)

    async def surplus(self, epoch: int, *, limit: int) -> Sequence[Release]:
        return await reporting.surplus(self.db, epoch, limit=limit)

    async def expected_jobs(self, epoch: int) -> Sequence[Expected]:
        return await expectations.expected_jobs(self.db, epoch)

    async def suspect_locks(self, epoch: int) -> Sequence[Blocker]:
        return await expectations.suspect_locks(self.db, epoch)

    async def release_again(self, key: AttemptKey, uid: JobUid) -> None:
        await reporting.release_again(self.db, key, uid)

    async def absent(self, keys: Sequence[AttemptKey]) -> None:
        await reporting.absent(self.db, keys)

    async def outbox(self, epoch: int, *, limit: int) -> Sequence[ObjectEvent]:
        return await reporting.outbox(self.db, epoch, limit=limit)

    async def posted(self, epoch: int, ids: Sequence[int]) -> None:
        await reporting.posted(self.db, epoch, ids)

    async def prune(self, epoch: int, *, older_than: timedelta) -> int:
        return await housekeeping.prune(self.db, epoch, older_than=older_than)

    async def sweep(self, epoch: int) -> None:
        await housekeeping.sweep(self.db, epoch)

    async def make_partitions(self, epoch: int) -> Sequence[str]:
        return await partitions.make_partitions(self.db, epoch)

    async def drop_partitions(self, epoch: int, *, audit: timedelta, job_logs: timedelta) -> Sequence[str]:
        return await partitions.drop_partitions(self.db, epoch, audit=audit, job_logs=job_logs)

    async def tend_gate(self, epoch: int) -> Sequence[Opened]:
        return await closures.tend(self.db, epoch)

    async def note_resource_version(self, epoch: int, version: int) -> bool:
        return await setbacks.note_resource_version(self.db, epoch, version)

    async def note_fall(self, epoch: int, found: LeaseMark) -> None:
        await setbacks.note_fall(self.db, epoch, found)

    async def begin_to_reconcile(self, epoch: int) -> str:
        return await quarantine.begin_to_reconcile(self.db, epoch)

    async def reconcile_incarnation(
        self, epoch: int, jobs: Sequence[JobView], objects: Sequence[Declared], *, life: str | None = None
    ) -> Sequence[Leftover]:
        return await quarantine.reconcile_incarnation(self.db, epoch, jobs, objects, life=life)
