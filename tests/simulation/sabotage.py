"""Guards of the protocol, switched off one at a time: by wrapping ports in the test tree, never in the product.

For each of them some seed must fail. A check that cannot fail is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.simulation.ledger import binding, candidates, quarantine, recording, reporting, staging
from tests.simulation.ledger.chronicle import Tx
from tests.simulation.ledger.rows import AttemptRow
from tests.simulation.ledger.sim_ledger import SimLedger
from tests.simulation.network import Weather
from tests.simulation.replica import Knobs
from tests.simulation.scenario import Plan
from ticklock.domain.errors import Conflict, Transient
from ticklock.domain.model import AttemptState, JobUid
from ticklock.domain.policy import Go
from ticklock.domain.reasons import Reason
from ticklock.engine import dispatcher, janitor, stager, unstaging
from ticklock.engine.janitor import contradict
from ticklock.kube.client import LAUNCHING, Content
from ticklock.kube.errors import ApiError
from ticklock.kube.view import view
from ticklock.ports import BindOutcome, Bound, Jobs, JobView, Ledger, Leftover, Release, RowView

Patch = tuple[Any, str, Any]
"""A module or class, the name of one of its functions, what stands there instead while the guard is off."""


class Around:
    """A port whose methods all go to another one, but for those that a subclass replaces."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(frozen=True, slots=True)
class Sabotage:
    """Which guard is off, and how."""

    says: str = "every guard stands"
    patches: tuple[Patch, ...] = ()
    jobs: Callable[[Any], Any] | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    """What of the scenario must be so that the guard is needed at all."""
    arrange: Callable[[Any], None] | None = None
    """Puts faults into a World in place of those that it would draw."""

    def on_jobs(self, jobs: Jobs) -> Jobs:
        return jobs if self.jobs is None else self.jobs(jobs)

    @property
    def without(self) -> Sabotage:
        """The same circumstances with every guard in its place."""
        return Sabotage(changes=self.changes)

    def __enter__(self) -> None:
        for place, name, other in self.patches:
            _FORMER.append((place, name, getattr(place, name)))
            setattr(place, name, other)

    def __exit__(self, *_: object) -> None:
        while _FORMER:
            place, name, former = _FORMER.pop()
            setattr(place, name, former)


_FORMER: list[Patch] = []
NOTHING = Sabotage()


# ------------------------------------------------------------------------------------------------------------- the Jobs


class LaunchByName(Around):
    """The PATCH names no uid: whatever stands under the name when it arrives is let go."""

    async def launch(self, namespace: str, name: str, uid: JobUid) -> JobView | None:
        try:
            patch = [{"op": "replace", "path": "/spec/suspend", "value": False}]
            return view(await self._inner._patch(namespace, name, patch, Content.JSON_PATCH, manner=LAUNCHING))
        except ApiError:
            return await self._inner.launch(namespace, name, uid)  # type: ignore[no-any-return]


class PlainDelete(Around):
    """The DELETE that un-stages carries no resourceVersion."""

    async def delete(self, job: JobView, *, only_if_unchanged: bool) -> JobView | None:
        del only_if_unchanged
        return await self._inner.delete(job, only_if_unchanged=False)  # type: ignore[no-any-return]


class TimeoutIsGone(Around):
    """A launch without an answer is read as: the Job is gone."""

    async def launch(self, namespace: str, name: str, uid: JobUid) -> JobView | None:
        try:
            return await self._inner.launch(namespace, name, uid)  # type: ignore[no-any-return]
        except Transient:
            return None


class TimeoutIsLaunched(Around):
    """A launch without an answer is taken for done."""

    async def launch(self, namespace: str, name: str, uid: JobUid) -> JobView | None:
        try:
            return await self._inner.launch(namespace, name, uid)  # type: ignore[no-any-return]
        except Transient:
            return await self._inner.read(namespace, name)  # type: ignore[no-any-return]


class LaunchAtCreation(Around):
    """The Job is let go as soon as it is there: nobody waits for the bind."""

    async def create(self, namespace: str, manifest: Any) -> JobView:
        made: JobView = await self._inner.create(namespace, manifest)
        await self._inner.launch(namespace, made.name, made.uid)
        return made


# ----------------------------------------------------------------------------------------------------------- the ledger


async def _bind_as_seen(self: SimLedger, *, ttl: timedelta, limit: int, verified: frozenset[str]) -> BindOutcome:
    """Look in one transaction, decide in another, without comparing."""
    ahead = timedelta(0)

    def look(tx: Tx) -> list[candidates.Candidate]:
        tx.gate()
        return candidates.candidates(tx, staged=True, ahead=ahead, limit=limit)

    found = await self._decide("bind: look", look)
    going = [item for item in found if isinstance(item.decision, Go) and item.ref.uid not in verified]

    def write(tx: Tx) -> list[Bound]:
        return [_bound_as_seen(tx, item, ttl) for item in going if item.row.key in tx.book.attempts]

    bound = await self._decide("bind: write", write) if going else []
    return BindOutcome(bound, (), (), len(found))


def _bound_as_seen(tx: Tx, item: candidates.Candidate, ttl: timedelta) -> Bound:
    claim: dict[str, Any] = {
        "claim_token": tx.book.next_token(),
        "claimed_by": tx.who.replica,
        "claimed_until": tx.now + ttl,
    }
    state, uid = AttemptState.BOUND, item.row.staged_uid
    row = replace(item.row, state=state, job_uid=uid, bound_at=tx.now, reason=Reason.BOUND, **claim)
    tx.book.attempts.put(row.key, row)
    return binding.as_bound(row, item.schedule, stranded=False)


def _released_unseen(tx: Tx, epoch: int, *, limit: int) -> list[Release]:
    """Release what is recorded, whether or not the status shows it."""
    tx.fence(epoch)
    rows = [row for row in tx.book.attempts.rows.values() if row.record_seq is not None and row.released_at is None]
    return [reporting._release(tx, row) for row in rows if row.job_uid][:limit]


def _no_gate(tx: Tx) -> None:
    del tx


def _any_stage(row: AttemptRow | None, order: Any, uid: JobUid) -> bool:
    del order
    return row is not None and row.state is AttemptState.PLANNED and row.staged_uid in {None, uid}


def _forgets_witness(owner: Any, scheduled: Any, *, is_tick: bool) -> bool:
    del owner, scheduled, is_tick
    return False


def _adopts(tx: Tx, jobs: Sequence[JobView], objects: Any, *, set_back: bool) -> list[Leftover]:
    """Let suspended Jobs stand as they are found."""
    del tx, jobs, objects, set_back
    return []


def _bound_again(tx: Tx, *, ttl: timedelta, limit: int) -> list[Any]:
    """Take a claim that ran out for proof that nothing was started: the attempt gets another Job."""
    tx.gate()
    for row in list(tx.book.attempts.open.values()):
        if row.state is AttemptState.BOUND and (row.claimed_until or tx.now) <= tx.now:
            anew: dict[str, Any] = {"state": AttemptState.PLANNED, "job_uid": None, "staged_uid": None}
            free: dict[str, Any] = {"claimed_by": None, "claimed_until": None, "name_suffix": row.name_suffix + 1}
            tx.book.attempts.put(row.key, replace(row, stage=row.stage + 1, **anew, **free))
    del ttl, limit
    return []


def _no_late_lock(tx: Tx, row: AttemptRow) -> None:
    del tx, row


def _always_free(tx: Tx, item: Any) -> bool:
    del tx, item
    return True


def _no_blocker(tx: Tx, schedule: Any, lock: Any) -> None:
    del tx, schedule, lock


# ----------------------------------------------------------------------------------------------------------- the engine


def _unbound_is_odd(job: JobView, row: RowView | None) -> bool:
    """The janitor's rule without its care: a suspended Job that is not bound is a leftover."""
    return contradict(job, row) or (job.suspended and row is not None and row.job_uid is None)


async def _deletes_at_sight(jobs: Jobs, ledger: Ledger, leftover: Leftover) -> unstaging.Fate:
    """Un-stage without looking at what stands after the deletion."""
    del ledger
    job = await jobs.read(leftover.namespace, leftover.job_name)
    if job is not None and job.uid == leftover.job_uid:
        await jobs.delete(job, only_if_unchanged=False)
        await jobs.release(job.namespace, job.name, job.uid)
    return unstaging.Fate.NEVER_STARTED


class _GoneError(Exception):
    """A deletion met a 409."""


class _ConflictRaises(Around):
    async def delete(self, job: JobView, *, only_if_unchanged: bool) -> JobView | None:
        try:
            return await self._inner.delete(job, only_if_unchanged=only_if_unchanged)  # type: ignore[no-any-return]
        except Conflict as conflict:
            raise _GoneError from conflict


_UNSTAGE = unstaging.unstage


async def _gone_at_conflict(jobs: Jobs, ledger: Ledger, leftover: Leftover) -> unstaging.Fate:
    """Un-stage, but take a 409 for the proof that it is done."""
    try:
        return await _UNSTAGE(_ConflictRaises(jobs), ledger, leftover)
    except _GoneError:
        return unstaging.Fate.NEVER_STARTED


async def _fails_at_once(self: Any, order: Any, error: Any) -> None:
    """Take a create without an answer for a failure of the run."""
    await self.ledger.fail_unstarted(order, Reason.JOB_REJECTED, str(error))


def _unstaging(other: Any) -> tuple[Patch, ...]:
    places = (unstaging, dispatcher, janitor, stager)
    return tuple((place, "unstage", other) for place in places)


def _of(policy: str, *, deadline: int | None = None, keep: int = 3) -> tuple[Plan, ...]:
    return (Plan("s0", "@every 2s", policy, deadline, keep, 0, None),)


_LATE = Weather(late=0.2, twice=0.2)
_LONG: dict[str, Any] = {"trouble": 24.0, "losses": 0, "restarts": 0}
_BUSY: dict[str, Any] = {**_LONG, "people": 16, "api": Weather(slow=0.4), "schedules": _of("Allow")}
_HURRY: dict[str, Any] = {**_LONG, "api": Weather(late=0.25, slow=0.25), "schedules": _of("Allow", deadline=2)}
_EARLY: dict[str, Any] = {**_LONG, "watch_delay": 2.0, "knobs": Knobs(ahead=timedelta(seconds=5))}
_LOST: dict[str, Any] = {"losses": 3, "trouble": 24.0}
_LOST_AND_LATE = {**_LOST, "api": _LATE}

SABOTAGES: dict[str, Sabotage] = {
    "bind without compare-and-set": Sabotage("a decision can be taken twice", ((SimLedger, "bind", _bind_as_seen),)),
    "launch before the bind": Sabotage("the suspended Job is let go at once", jobs=LaunchAtCreation),
    "launch without uid": Sabotage(
        "another Job under the name is let go",
        jobs=LaunchByName,
        changes={"losses": 6, "trouble": 30.0, "api": Weather(late=0.4, twice=0.4), "schedules": _of("Replace")},
    ),
    "un-staging without resourceVersion": Sabotage(
        "a Job launched meanwhile is killed", jobs=PlainDelete, changes=_HURRY
    ),
    "un-staging without a second look": Sabotage(
        "a started Job counts as one that never was", _unstaging(_deletes_at_sight), changes=_HURRY
    ),
    "409 read as gone": Sabotage(
        "a Job that was launched counts as one that never was", _unstaging(_gone_at_conflict), changes=_HURRY
    ),
    "time-out of a launch taken for gone": Sabotage("a run that ran is Unknown", jobs=TimeoutIsGone),
    "time-out of a launch taken for done": Sabotage(
        "a Job stays suspended for ever", jobs=TimeoutIsLaunched, changes={"api": Weather(lost=0.1)}
    ),
    "time-out of a create taken for failure": Sabotage(
        "a run fails whose Job can still be made", ((stager.Stager, "_postpone", _fails_at_once),)
    ),
    "claims trusted for safety": Sabotage(
        "a claim that ran out proves nothing", ((binding, "claim_stranded", _bound_again),)
    ),
    "janitor deletes unbound": Sabotage(
        "what was just staged is taken away", ((janitor, "contradict", _unbound_is_odd),), changes=_EARLY
    ),
    "release before witness": Sabotage("nothing remembers the run", ((reporting, "releases", _released_unseen),)),
    "staged at any stage": Sabotage(
        "an edit starts the old template", ((staging, "_may_store", _any_stage),), changes=_BUSY
    ),
    "no incarnation check": Sabotage("lost commits are not noticed", ((Tx, "gate", _no_gate),), changes=_LOST),
    "witness not believed": Sabotage(
        "a run below the witness runs again",
        ((quarantine, "_witnessed", _forgets_witness),),
        changes={**_LOST, "schedules": _of("Allow", keep=0)},
    ),
    "quarantine adopts suspended Jobs": Sabotage(
        "a launch under way meets a run that is planned",
        ((quarantine, "_unstage_unbound", _adopts),),
        changes={**_LOST_AND_LATE, "schedules": _of("Forbid")},
    ),
    "lock at an uncertain end": Sabotage(
        "a run that began without a lock leaves its pods unguarded",
        ((recording, "_take_suspect", _no_late_lock),),
        changes={**_LONG, "people": 16, "schedules": _of("Allow")},
    ),
    "Forbid without lock and look": Sabotage(
        "runs overlap", ((binding, "_take_lock", _always_free), (candidates, "_blocker", _no_blocker))
    ),
}
"""By name."""
