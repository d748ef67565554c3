"""What must hold: checked with every change of the cluster, and once more when all is quiet.

The checker sees what the API server and the job controller did; it believes nothing that the ledger says.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.simulation.apiserver import Body, Change
from tests.simulation.controllers import ended
from tests.simulation.ledger.rows import AttemptRow
from tests.simulation.ledger.timeline import uncovered
from ticklock.domain import names
from ticklock.domain.instants import parse_instant
from ticklock.domain.model import AttemptState, ConcurrencyPolicy
from ticklock.domain.names import job_name
from ticklock.domain.reasons import Reason

if TYPE_CHECKING:
    from tests.simulation.world import World

_EARLY = timedelta(seconds=0.05)
_PUNCTUAL = timedelta(seconds=2)
_SETTLED = timedelta(seconds=13)
"""How long after the last fault claims, Lease and late requests of its time may still hold something up."""


@dataclass(slots=True)
class Facts:
    """What truly became of one Job."""

    uid: str
    name: str
    run: str
    owner: str
    tick: datetime | None
    """None for a trigger."""
    stage: int
    let_go_at: datetime | None = None
    let_go_by: str = ""
    pods: int = 0
    end: str | None = None
    gone: bool = False
    stripped: bool = False
    """Somebody took our finalizer off: then nobody may have seen its end."""
    deleted_by: str = ""


@dataclass(slots=True)
class Checker:
    """Collects violations; there must be none."""

    world: World
    failures: list[str] = field(default_factory=list)
    jobs: dict[str, Facts] = field(default_factory=dict)
    started: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Job UIDs that were let go, by run."""
    losses: int = 0
    healed_at: datetime | None = None
    left: list[str] = field(default_factory=list)

    def fail(self, words: str) -> None:
        self.world.tell("CHECK", words)
        self.failures.append(words)

    # ------------------------------------------------------------------------------------------------- with each change

    def observe(self, change: Change) -> None:
        former, new = change.former, change.new
        if change.kind == "pods" and former is None and new is not None:
            self._pod(new)
        elif change.kind != "jobs" or names.RUN_ID not in (change.body["metadata"].get("annotations") or {}):
            return
        elif new is not None:
            self._job(former, new, change.actor)
        elif former is not None:
            facts = self.jobs[former["metadata"]["uid"]]
            facts.gone = True
            facts.stripped = facts.stripped or change.actor == "people"
            self._released(former, change.actor)

    def _job(self, former: Body | None, new: Body, actor: str) -> None:
        facts = self._facts(new)
        if former is not None and former["metadata"].get("finalizers") and not new["metadata"].get("finalizers"):
            facts.stripped = facts.stripped or actor == "people"
            self._released(new, actor)
        deleting = new["metadata"].get("deletionTimestamp") is not None
        if deleting and not facts.deleted_by:
            facts.deleted_by = actor
            self._deleted(former, facts, actor)
        if not new["spec"].get("suspend") and not deleting and facts.let_go_at is None:
            facts.let_go_at, facts.let_go_by = self.world.now(), actor
            self._let_go(facts)
        if facts.end is None and ended(new):
            facts.end = next(one["type"] for one in new["status"]["conditions"])

    def _facts(self, job: Body) -> Facts:
        metadata = job["metadata"]
        if (facts := self.jobs.get(metadata["uid"])) is None:
            notes = metadata["annotations"]
            tick = parse_instant(notes[names.SCHEDULED_TIME]) if notes[names.RUN_KEY].startswith("tick:") else None
            owner = metadata["ownerReferences"][0]["uid"]
            stage = int(notes[names.STAGE])
            facts = Facts(metadata["uid"], metadata["name"], notes[names.RUN_ID], owner, tick, stage)
            self.jobs[facts.uid] = facts
        return facts

    def _pod(self, pod: Body) -> None:
        facts = self.jobs[pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]]
        facts.pods += 1
        others = [one.name for one in self.jobs.values() if one.run == facts.run and one is not facts and one.pods]
        if others and facts.let_go_by != "people":
            self.fail(f"pods of two Jobs of one attempt: {facts.name} {facts.uid}")

    def _let_go(self, facts: Facts) -> None:
        self.started[facts.run].append(facts.uid)
        if facts.let_go_by == "people":
            return  # A Job made late, by a request sent twice, waits to be taken away; who lets it go has started it.
        if len(self.started[facts.run]) > 1:
            self.fail(f"two Jobs of one attempt were started: {facts.name}: {self.started[facts.run]}")
        if facts.tick is not None and self.world.now() < facts.tick - _EARLY:
            self.fail(f"{facts.name} was started before its tick {facts.tick:%T}")
        row = self._row_bound_to(facts.uid)
        if row is None and facts.uid not in self.world.book.ever_bound:
            self.fail(f"{facts.name} was started without being bound")
        if row is not None and row.stage != facts.stage and not self.losses:
            self.fail(f"{facts.name} was started as it was before an edit: stage {facts.stage}, not {row.stage}")
        self._overlaps(facts)

    def _overlaps(self, facts: Facts) -> None:
        """Under Forbid and Replace the runs of a schedule never overlap, down to their pods."""
        schedule = self.world.book.schedules.get(facts.owner)  # type: ignore[arg-type]
        if schedule is None or schedule.concurrency is ConcurrencyPolicy.ALLOW:
            return
        row = self._row_bound_to(facts.uid)
        if row is not None and row.bound_at is not None and row.bound_at <= schedule.effective_at:
            return  # It was bound under the policy before.
        for other in self.jobs.values():
            if other is facts or other.owner != facts.owner or other.let_go_at is None or other.let_go_by == "people":
                continue
            if self._alive(other):
                self.fail(f"{facts.name} was started under {schedule.concurrency} while {other.name} was active")

    def _alive(self, facts: Facts) -> bool:
        pods = self.world.server.objects["pods"].values()
        mine = [pod for pod in pods if pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] == facts.uid]
        running = any(pod["status"]["phase"] == "Pending" for pod in mine)
        if self.losses and facts.deleted_by:
            return False  # One lock a schedule: of two runs that a loss shows being deleted, it guards the pods of one.
        return running or (facts.end is None and not facts.gone)

    def _row_bound_to(self, uid: str) -> AttemptRow | None:
        return next((row for row in self.world.book.attempts.rows.values() if row.job_uid == uid), None)

    def _deleted(self, former: Body | None, facts: Facts, actor: str) -> None:
        """No started Job is taken away but to stop it, or because it is over."""
        if facts.let_go_at is None or facts.end is not None or not actor.startswith("r") or former is None:
            return
        row = self._row_bound_to(facts.uid)
        if (row is None or row.stop_reason is not Reason.REPLACED) and not self.losses:
            self.fail(f"{facts.name} was running and was deleted by {actor}")

    def _released(self, job: Body, actor: str) -> None:
        """The witness comes before the release, for whatever ran."""
        facts = self.jobs[job["metadata"]["uid"]]
        if facts.let_go_at is None or facts.tick is None or facts.stripped or not actor.startswith("r"):
            return
        owner = next(
            (one for one in self.world.server.objects[names.PLURAL].values() if one["metadata"]["uid"] == facts.owner),
            None,
        )
        if owner is None:
            return
        witness = parse_instant((owner.get("status") or {}).get("lastScheduleTime"))
        if witness is None or witness < facts.tick:
            self.fail(f"{facts.name} was released before its witness stood: {witness}")

    # ------------------------------------------------------------------------------------------------------- when quiet

    def left_over(self) -> list[str]:
        """What must go before all is quiet."""
        world, book = self.world, self.world.book
        if world.loop.time() < max(world.api.last_arrival, world.database.last_arrival):
            return ["requests under way"]
        left = [f"open attempt {row.job_name or row.key.run_id} {row.state}" for row in book.attempts.open.values()]
        left += [f"lock {name}" for name in book.locks.rows]
        for job in world.server.objects["jobs"].values():
            if job["metadata"]["uid"] not in self.jobs:
                continue  # not ours
            if job["metadata"].get("finalizers"):
                left.append(f"finalizer on {job['metadata']['name']}")
            elif job["spec"].get("suspend") and not ended(job):
                left.append(f"suspended {job['metadata']['name']}")
        for uid, state in book.states.rows.items():
            if state.report_seq > state.reported_seq and book.schedules[uid].deleted_at is None:
                left.append(f"unreported {book.schedules[uid].ref.name}")
        if book.outbox.rows:
            left.append("Events not posted")
        return left + self._unread()

    def _unread(self) -> list[str]:
        live = {row.ref.uid: row for row in self.world.book.schedules.rows.values() if row.deleted_at is None}
        objects = {body["metadata"]["uid"]: body for body in self.world.server.objects[names.PLURAL].values()}
        left = [f"object {uid} is not known" for uid in objects if uid not in live]
        left += [f"object {uid} is gone and not buried" for uid in live if uid not in objects]
        for uid, body in objects.items():
            if uid in live and live[uid].generation != body["metadata"]["generation"]:
                left.append(f"object {uid} is not up to date")
        return left

    def at_the_end(self) -> None:
        now = self.world.now()
        for row in self.world.book.attempts.rows.values():
            if not row.state.is_open:
                self._truth(row)
        for words in uncovered(self.world.book, now, changed=self.world.people.edited, losses=self.losses):
            self.fail(words)
        self._truth_of_jobs()
        self._punctual()
        if self.world.loop.errors:
            self.fail(f"errors: {self.world.loop.errors[:3]}")

    def _truth(self, row: AttemptRow) -> None:
        """A record says what was."""
        name = row.job_name or str(row.key.run_id)
        started = self.started.get(str(row.key.run_id), [])
        if (lie := self._lie(row, self.jobs.get(row.job_uid or ""), started)) is not None:
            self.fail(f"{name} is recorded as {row.state}, {row.reason}, {lie}")

    def _lie(self, row: AttemptRow, facts: Facts | None, started: list[str]) -> str | None:
        """Say what is wrong with a record, if anything is."""
        end = facts.end if facts is not None else None
        match row.state:
            case AttemptState.COMPLETED:
                return None if end == "Complete" else f"and its end was {end}"
            case AttemptState.FAILED if row.reason is Reason.JOB_FAILED:
                return None if end == "Failed" else f"and its end was {end}"
            case AttemptState.FAILED if self.world.server.rejected.isdisjoint(self._names_of(row)):
                return f"and nothing was rejected: {row.message}"
            case AttemptState.STOPPED if row.reason is not Reason.SCHEDULE_DELETED:
                return None if facts is not None and facts.deleted_by else "and nobody deleted it"
            case AttemptState.UNKNOWN:
                return None if self.losses or self._unseen(row, facts) else "and nothing was lost"
            case _:
                return f"and was started: {started}" if started and not self._excused(row) else None

    def _unseen(self, row: AttemptRow, facts: Facts | None) -> bool:
        """Whether nobody can know what became of a run although no commit was lost."""
        schedule = self.world.book.schedules[row.uid]
        restarted = self.world.faults["db restart"] > 0 and schedule.deleted_at is not None
        if facts is not None and facts.gone and facts.let_go_at is None and schedule.starting_deadline is not None:
            return True  # Un-staged past its deadline; who saw that it had never started did not live to record it.
        return (facts is not None and facts.stripped) or (restarted and row.reason is Reason.LEDGER_LOST)

    def _names_of(self, row: AttemptRow) -> set[str]:
        ref = self.world.book.schedules[row.uid].ref
        key = self.world.book.runs[row.key.run_id].run_key
        parts = (ref.name, row.scheduled_time, self.world.book.cluster, ref.uid, key, row.key.n)
        return {job_name(*parts, suffix) for suffix in range(row.name_suffix + 1)}

    def _excused(self, row: AttemptRow) -> bool:
        """The stale verdict that the documentation names; what overruled it was lost, and its Job is gone."""
        reopened = row.reason in {Reason.SPEC_CHANGED, Reason.SCHEDULE_SUSPENDED}
        started = self.started.get(str(row.key.run_id), [])
        by_hand = any(self.jobs[uid].let_go_by == "people" for uid in started)
        return self.losses > 0 and (reopened or by_hand)

    def _truth_of_jobs(self) -> None:
        """Each Job that ran is the one that its row names."""
        for facts in self.jobs.values():
            if facts.let_go_at is None:
                continue
            row = self._row_bound_to(facts.uid)
            if row is None and not self._forgotten(facts):
                self.fail(f"{facts.name} ran and no row says so")

    def _forgotten(self, facts: Facts) -> bool:
        """Pruned, or lost below the witness: then the run is Unknown."""
        rows = [row for row in self.world.book.attempts.rows.values() if str(row.key.run_id) == facts.run]
        if rows:
            return self.losses > 0 and (rows[0].state is AttemptState.UNKNOWN or self._excused(rows[0]))
        state = self.world.book.states.get(facts.owner)  # type: ignore[arg-type]
        schedule = self.world.book.schedules.get(facts.owner)  # type: ignore[arg-type]
        if self.losses and schedule is not None and schedule.deleted_at is not None:
            return True  # An object that is gone owes nobody the rows of its past.
        return state is None or facts.tick is None or (state.pruned_through or facts.tick) >= facts.tick

    def _punctual(self) -> None:
        """After the faults every tick comes on time again, with nobody helping."""
        for facts in self.jobs.values():
            healed = self.healed_at
            if facts.tick is None or healed is None or facts.let_go_at is None:
                continue
            schedule = self.world.book.schedules.get(facts.owner)  # type: ignore[arg-type]
            if schedule is None or schedule.concurrency is not ConcurrencyPolicy.ALLOW:
                continue
            if facts.tick > healed + _SETTLED and facts.let_go_at - facts.tick > _PUNCTUAL:
                late = (facts.let_go_at - facts.tick).total_seconds()
                self.fail(f"{facts.name} was {late:.1f} s late although nothing went wrong any more")
