"""`ticklock.ports.Ledger` on the simulated database, as one replica sees it through its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from tests.simulation.ledger import (
    binding,
    closures,
    deletion,
    quarantine,
    rebuilding,
    recording,
    reporting,
    schedules,
    setbacks,
    staging,
    upkeep,
)
from tests.simulation.ledger.book import Book
from tests.simulation.ledger.chronicle import Tx, Who
from tests.simulation.ledger.planning import plan_due
from ticklock.domain.clock import ClockWatch, Sample
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

T = TypeVar("T")


class Way(Protocol):
    """How a request gets to the database and its answer back."""

    async def ask(self, what: str, effect: Callable[[], T]) -> T:
        """Let the effect happen, if the request arrives; return what it answers, if that comes back."""


class Straight:
    """Nothing is ever lost."""

    async def ask(self, what: str, effect: Callable[[], T]) -> T:
        return effect()


class SimLedger:
    """Each method is one transaction, at the instant in which the request arrives."""

    def __init__(
        self,
        book: Book,
        replica: UUID,
        pod: str,
        way: Way,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self.book = book
        self.who = Who(replica, pod, ClockWatch())
        self._way = way
        self._monotonic = monotonic
        self._wall = wall

    def now(self) -> datetime | None:
        last = self.who.watch.last
        return None if last is None else last.database + timedelta(seconds=self._monotonic() - last.answered)

    async def _do(self, what: str, act: Callable[[Tx], T], *, looks_at_clock: bool = False) -> T:
        asked = self._monotonic()

        def effect() -> T:
            now = self.book.clock()
            if looks_at_clock:
                sample = Sample(asked, self._monotonic(), now)
                row = self.book.clusters.get(self.book.cluster)
                highest = None if row is None else row.highest_time
                self.who.watch = self.who.watch.seen(sample, wall=self._wall(), highest=highest)
            with self.book.transaction():
                return act(Tx(self.book, self.who, now))

        return await self._way.ask(what, effect)

    async def _decide(self, what: str, act: Callable[[Tx], T]) -> T:
        return await self._do(what, act, looks_at_clock=True)

    # ---------------------------------------------------------------------------------------------------- every replica

    async def pulse(self, *, leading: bool, lease: LeaseMark | None = None) -> Pulse:
        return await self._decide("pulse", lambda tx: upkeep.pulse(tx, leading=leading, lease=lease))

    async def lease_mark(self) -> LeaseMark | None:
        return await self._do("lease_mark", setbacks.lease_mark)

    async def set_back(self, noted: LeaseMark, found: LeaseMark) -> None:
        await self._do("set_back", lambda tx: setbacks.set_back(tx, noted, found))

    async def plan(self, *, horizon: timedelta, limit: int) -> int:
        return await self._decide("plan", lambda tx: plan_due(tx, horizon=horizon, limit=limit))

    async def claim_for_staging(self, *, ahead: timedelta, ttl: timedelta, limit: int) -> StageClaim:
        return await self._decide("claim", lambda tx: staging.claim_for_staging(tx, ahead=ahead, ttl=ttl, limit=limit))

    async def store_staged(self, staged: Sequence[tuple[StageOrder, JobUid, str]]) -> Sequence[Leftover]:
        if not staged:
            return []
        return await self._do("store_staged", lambda tx: staging.store_staged(tx, staged))

    async def defer(
        self, order: StageOrder, *, seconds: float, reason: Reason, message: str, next_suffix: bool = False
    ) -> None:
        words: dict[str, Any] = {"seconds": seconds, "reason": reason, "message": message}
        await self._do("defer", lambda tx: staging.defer(tx, order, next_suffix=next_suffix, **words))

    async def fail_unstarted(self, order: StageOrder, reason: Reason, message: str) -> None:
        await self._decide("fail_unstarted", lambda tx: staging.fail_unstarted(tx, order, reason, message))

    async def forget_staged(self, key: AttemptKey, uid: JobUid) -> bool:
        return await self._do("forget_staged", lambda tx: staging.forget_staged(tx, key, uid))

    async def bind(self, *, ttl: timedelta, limit: int, verified: frozenset[str]) -> BindOutcome:
        return await self._decide("bind", lambda tx: binding.bind(tx, ttl=ttl, limit=limit, verified=verified))

    async def claim_stranded(self, *, ttl: timedelta, limit: int) -> Sequence[Bound]:
        return await self._decide("claim_stranded", lambda tx: binding.claim_stranded(tx, ttl=ttl, limit=limit))

    async def mark_launched(self, launches: Sequence[Launch]) -> None:
        if launches:
            await self._do("mark_launched", lambda tx: recording.mark_launched(tx, launches))

    async def record(self, endings: Sequence[Ending]) -> int:
        if not endings:
            return 0
        return await self._do("record", lambda tx: recording.record(tx, endings))

    async def note_pods(self, found: Sequence[FurtherPod]) -> Mapping[PodUid, bool]:
        """Nobody watches pods here: that is left to the store and cluster tests, as is StrictPod."""
        assert not found
        return {}

    async def choose_pods(self, claims: Sequence[PodClaim], *, ttl: timedelta) -> Mapping[PodUid, PodChoice]:
        assert not claims
        return {}

    async def choose_again(self, former: PodUid, claim: PodClaim, *, ttl: timedelta) -> bool:
        raise AssertionError("no pod was ever chosen")

    async def correct_pod(self, claim: PodClaim) -> None:
        raise AssertionError("no pod was ever chosen")

    async def pods_admitted(self, claims: Sequence[PodClaim]) -> None:
        assert not claims

    async def rebuild_launched(self, job: JobView) -> bool:
        return await self._do("rebuild_launched", lambda tx: rebuilding.rebuild_launched(tx, job))

    async def rows(self, keys: Sequence[AttemptKey]) -> Mapping[AttemptKey, RowView]:
        if not keys:
            return {}
        return await self._decide("rows", lambda tx: upkeep.rows(tx, keys))

    async def still_owed(self, job: JobView) -> bool:
        if job.owner_uid is None or job.scheduled_time is None:
            return False
        return await self._decide("still_owed", lambda tx: upkeep.still_owed(tx, job))

    async def obey(self, ref: ObjectRef, standing: Standing | None) -> Sequence[Leftover]:
        return await self._decide("obey", lambda tx: deletion.obey(tx, ref, standing))

    async def give_back(self) -> None:
        await self._do("give_back", upkeep.give_back)

    async def free_lock(self, key: AttemptKey) -> None:
        await self._do("free_lock", lambda tx: recording.free_lock(tx, key))

    # ------------------------------------------------------------------------------------------------------- the leader

    async def open_term(self) -> int:
        return await self._do("open_term", upkeep.open_term)

    async def reconcile(
        self, epoch: int, objects: Sequence[Declared], gone: Sequence[ObjectRef]
    ) -> tuple[int, Sequence[Leftover]]:
        return await self._decide("reconcile", lambda tx: schedules.reconcile(tx, epoch, objects, gone))

    async def known_objects(self) -> Sequence[ObjectRef]:
        return await self._do("known_objects", schedules.known_objects)

    async def reports(self, epoch: int, *, limit: int) -> Sequence[Report]:
        return await self._do("reports", lambda tx: reporting.reports(tx, epoch, limit=limit))

    async def schedule_times(self, epoch: int) -> Sequence[ScheduleTimes]:
        return await self._do("schedule_times", lambda tx: reporting.schedule_times(tx, epoch))

    async def reported(self, epoch: int, written: Sequence[tuple[Report, bool]]) -> None:
        if written:
            await self._do("reported", lambda tx: reporting.reported(tx, epoch, written))

    async def releases(self, epoch: int, *, limit: int) -> Sequence[Release]:
        return await self._do("releases", lambda tx: reporting.releases(tx, epoch, limit=limit))

    async def released(self, epoch: int, keys: Sequence[AttemptKey]) -> None:
        if keys:
            await self._do("released", lambda tx: reporting.released(tx, epoch, keys))

    async def surplus(self, epoch: int, *, limit: int) -> Sequence[Release]:
        return await self._do("surplus", lambda tx: reporting.surplus(tx, epoch, limit=limit))

    async def expected_jobs(self, epoch: int) -> Sequence[Expected]:
        return await self._do("expected_jobs", lambda tx: upkeep.expected_jobs(tx, epoch))

    async def suspect_locks(self, epoch: int) -> Sequence[Blocker]:
        return await self._do("suspect_locks", lambda tx: upkeep.suspect_locks(tx, epoch))

    async def release_again(self, key: AttemptKey, uid: JobUid) -> None:
        await self._do("release_again", lambda tx: reporting.release_again(tx, key, uid))

    async def absent(self, keys: Sequence[AttemptKey]) -> None:
        if keys:
            await self._do("absent", lambda tx: reporting.absent(tx, keys))

    async def outbox(self, epoch: int, *, limit: int) -> Sequence[ObjectEvent]:
        return await self._do("outbox", lambda tx: reporting.outbox(tx, epoch, limit=limit))

    async def posted(self, epoch: int, ids: Sequence[int]) -> None:
        if ids:
            await self._do("posted", lambda tx: reporting.posted(tx, epoch, ids))

    async def prune(self, epoch: int, *, older_than: timedelta) -> int:
        return await self._decide("prune", lambda tx: upkeep.prune(tx, epoch, older_than=older_than))

    async def sweep(self, epoch: int) -> None:
        await self._do("sweep", lambda tx: upkeep.sweep(tx, epoch))

    async def make_partitions(self, epoch: int) -> Sequence[str]:
        """Nothing here grows: a seed lives for minutes."""
        del epoch
        return ()

    async def drop_partitions(self, epoch: int, *, audit: timedelta, job_logs: timedelta) -> Sequence[str]:
        """Nothing was made."""
        del epoch, audit, job_logs
        return ()

    # ------------------------------------------------------------------------------------------------------- quarantine

    async def tend_gate(self, epoch: int) -> Sequence[Opened]:
        return await self._do("tend_gate", lambda tx: closures.tend(tx, epoch))

    async def note_resource_version(self, epoch: int, version: int) -> bool:
        return await self._do("note_resource_version", lambda tx: setbacks.note_resource_version(tx, epoch, version))

    async def note_fall(self, epoch: int, found: LeaseMark) -> None:
        await self._do("note_fall", lambda tx: setbacks.note_fall(tx, epoch, found))

    async def begin_to_reconcile(self, epoch: int) -> str:
        return await self._do("begin_to_reconcile", lambda tx: quarantine.begin_to_reconcile(tx, epoch))

    async def reconcile_incarnation(
        self, epoch: int, jobs: Sequence[JobView], objects: Sequence[Declared], *, life: str | None = None
    ) -> Sequence[Leftover]:
        return await self._do(
            "reconcile_incarnation", lambda tx: quarantine.reconcile_incarnation(tx, epoch, jobs, objects, life=life)
        )
