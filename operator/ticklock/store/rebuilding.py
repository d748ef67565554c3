"""Rows rebuilt from what the cluster shows: an unsuspended Job of ours is a launched run, whatever the row says.

A Job is believed only where it says the same thing twice: its run id must be that of its owner and run key, and its
owner must be known in its namespace. So nobody can write the runs of another namespace by annotating a Job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, ScheduleUid, run_id, tick_key
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, JobView
from ticklock.store.chronicle import Entry, begin_logs, chronicle, judge
from ticklock.store.recording import record_locked, witness
from ticklock.store.rowlocks import lock_specs
from ticklock.store.session import Database, sql
from ticklock.store.witnesses import LOST, Witnesses

log = structlog.get_logger(__name__)

_TOMBSTONE = sql("""
INSERT INTO schedules (cluster, uid, namespace, name, generation, created_at, effective_at, deleted_at)
VALUES (:cluster, :uid, :namespace, :name, 0, clock_timestamp(), clock_timestamp(), clock_timestamp())
ON CONFLICT (cluster, uid) DO NOTHING
""")

_STATE = sql("""
INSERT INTO schedule_state (cluster, uid, cursor, doubted_through)
VALUES (:cluster, :uid, clock_timestamp(), clock_timestamp())
ON CONFLICT (cluster, uid) DO NOTHING
""")

_AT_HOME = sql("SELECT 1 FROM schedules WHERE cluster = :cluster AND uid = :uid AND namespace = :namespace")

_RUN = sql("""
INSERT INTO runs (id, cluster, schedule_uid, run_key, scheduled_time, state, reason)
VALUES (:run_id, :cluster, :uid, :run_key, :scheduled_time, 'Running', 'Launched')
ON CONFLICT (id) DO UPDATE SET state = 'Running', reason = 'Launched', message = '', finished_at = NULL
""")

_CURRENT = sql("""
SELECT state, job_uid, released_at FROM attempts WHERE cluster = :cluster AND run_id = :run_id AND n = :n FOR UPDATE
""")

_OTHER = sql("""
SELECT n, state FROM attempts
WHERE cluster = :cluster AND run_id = :run_id AND n <> :n AND state IN ('planned', 'bound', 'launched') FOR UPDATE
""")

_ATTEMPT = sql("""
INSERT INTO attempts (run_id, n, cluster, schedule_uid, state, is_tick, scheduled_time, due_at, stage, generation,
                      job_name, staged_uid, job_uid, reason, launched_at, bound_at, logged_at,
                      suspect)
VALUES (:run_id, :n, :cluster, :uid, 'launched', :is_tick, :scheduled_time, :scheduled_time, :stage, 0, :job_name,
        :job_uid, :job_uid, 'Launched', :started_at, clock_timestamp(), clock_timestamp(), :suspect)
ON CONFLICT (run_id, n) DO UPDATE
SET state = 'launched', staged_uid = :job_uid, job_uid = :job_uid, job_name = :job_name, stage = :stage,
    reason = 'Launched', message = '', launched_at = coalesce(attempts.launched_at, :started_at),
    bound_at = coalesce(attempts.bound_at, clock_timestamp()),
    logged_at = coalesce(attempts.logged_at, clock_timestamp()), finished_at = NULL, record_seq = NULL,
    released_at = NULL, absent_at = NULL, claimed_by = NULL, claimed_until = NULL,
    suspect = attempts.suspect OR :suspect
""")


def believable(db: Database, job: JobView) -> bool:
    """Tell whether what a Job says of itself fits together."""
    if job.key is None or job.owner_uid is None or job.scheduled_time is None or job.run_key is None:
        return False
    if job.run_key.startswith("tick:") and job.run_key != tick_key(job.scheduled_time):
        return False
    return job.key.run_id == run_id(db.cluster, ScheduleUid(job.owner_uid), job.run_key)


async def rebuild_launched(db: Database, job: JobView) -> bool:
    """Make the row of an unsuspended Job say launched; True where it did not say so."""
    if not believable(db, job):
        log.warning("job is not believed", job=job.name, namespace=job.namespace, owner=job.owner_uid)
        return False
    async with db.transaction() as connection:
        await ensure_owners(connection, db, [job])
        await lock_specs(connection, db, [job.owner_uid or ""])
        return await rebuild(connection, db, job)


async def ensure_owners(connection: AsyncConnection, db: Database, jobs: Sequence[JobView]) -> None:
    """Give runs without a schedule a tombstone to belong to; an object that turns up after all revives it."""
    for job in {job.owner_uid: job for job in jobs if job.owner_uid}.values():
        owner = {"uid": job.owner_uid, "namespace": job.namespace, "name": job.owner_name or ""}
        await connection.execute(_TOMBSTONE, {"cluster": db.cluster, **owner})
        await connection.execute(_STATE, {"cluster": db.cluster, "uid": job.owner_uid})


async def rebuild_all(
    connection: AsyncConnection, db: Database, jobs: Sequence[JobView], witnesses: Witnesses
) -> Counter[str]:
    """Rebuild what was started and record what has ended, for Jobs in order; return how many of each.

    A run has one open attempt. Where Jobs of several attempts stand, the end of an earlier one is recorded before the
    next is looked at. The others are recorded at once, in the end: there may be thousands.
    """
    begun = [job for job in jobs if not job.suspended]
    attempts_of = Counter(job.key.run_id for job in begun if job.key is not None)
    alone, rebuilt, recorded = list[JobView](), set[AttemptKey | None](), set[AttemptKey]()
    for job in begun:
        if not job.deleting or job.started_at is not None:
            is_tick = (job.run_key or "").startswith("tick:")
            suspect = witnesses.cover(job.owner_uid, job.scheduled_time, is_tick=is_tick)
            if await rebuild(connection, db, job, suspect=suspect):
                rebuilt.add(job.key)
        if job.key is not None and attempts_of[job.key.run_id] > 1:
            recorded |= await record_ended(connection, db, [job])
        else:
            alone.append(job)
    recorded |= await record_ended(connection, db, alone)
    return Counter(launched=len(rebuilt - recorded), recorded=len(recorded))


def in_order(jobs: Iterable[JobView]) -> list[JobView]:
    """Return Jobs of ours by run and attempt."""
    keyed = [(job.key, job) for job in jobs if job.key is not None]
    return [job for _, job in sorted(keyed, key=lambda pair: (pair[0].run_id, pair[0].n, pair[1].uid))]


async def rebuild(connection: AsyncConnection, db: Database, job: JobView, *, suspect: bool = False) -> bool:
    """Do so within a transaction that holds the schedule, for a Job that is believed."""
    owner = {"cluster": db.cluster, "uid": job.owner_uid, "namespace": job.namespace}
    if job.key is None or (await connection.execute(_AT_HOME, owner)).first() is None:
        return False
    parameters = {"cluster": db.cluster, "run_id": job.key.run_id, "n": job.key.n}
    current = (await connection.execute(_CURRENT, parameters)).one_or_none()
    if current is not None and not _to_rebuild(current, job):
        return False
    if not await _make_way(connection, db, job, job.key):
        return False
    await _write(connection, db, job, job.key, suspect=suspect)
    log.warning("row rebuilt from a started Job", job=job.name, namespace=job.namespace, run=str(job.key.run_id))
    return True


def _to_rebuild(current: Any, job: JobView) -> bool:
    if current.job_uid is None:
        return True
    if current.job_uid == job.uid:
        # Given up as Unknown, and there it is: its end can still be told, as long as we hold it.
        return bool(current.state == AttemptState.UNKNOWN and current.released_at is None and job.held)
    facts = {"job": job.name, "namespace": job.namespace, "uid": job.uid, "bound": current.job_uid}
    log.error("two Jobs of one attempt were started", **facts)
    return False


async def _make_way(connection: AsyncConnection, db: Database, job: JobView, key: AttemptKey) -> bool:
    """See to it that no other attempt of the run is open; False where one is, and may be running.

    Attempts follow each other: that a later one was started shows that an earlier, planned one was over.
    """
    parameters = {"cluster": db.cluster, "run_id": key.run_id, "n": key.n}
    other = (await connection.execute(_OTHER, parameters)).one_or_none()
    if other is None:
        return True
    if other.n < key.n and other.state == AttemptState.PLANNED:
        message = f"attempt {key.n} of this run was found started, so this one is over; {LOST}"
        earlier = AttemptKey(key.run_id, other.n)
        entry = Entry(earlier, _owner(job), Reason.LEDGER_LOST, message, AttemptState.UNKNOWN)
        return bool(await judge(connection, db, [entry]))
    facts = {"job": job.name, "namespace": job.namespace, "uid": job.uid, "attempt": key.n, "open": other.n}
    log.error("two attempts of one run were started", **facts)
    return False


def _owner(job: JobView) -> ObjectRef:
    return ObjectRef(job.namespace, job.owner_name or "", ScheduleUid(job.owner_uid or ""))


async def _write(connection: AsyncConnection, db: Database, job: JobView, key: AttemptKey, *, suspect: bool) -> None:
    ref = _owner(job)
    common = {
        "cluster": db.cluster,
        "uid": ref.uid,
        "run_id": key.run_id,
        "n": key.n,
        "run_key": job.run_key,
        "scheduled_time": job.scheduled_time,
        "is_tick": (job.run_key or "").startswith("tick:"),
        "stage": job.stage,
        "job_name": job.name,
        "job_uid": job.uid,
        "started_at": job.started_at,
        "suspect": suspect,
    }
    await connection.execute(_RUN, common)
    await connection.execute(_ATTEMPT, common)
    if job.scheduled_time is not None and common["is_tick"]:
        await witness(connection, db, [(ref.uid, job.scheduled_time)])
    await begin_logs(connection, db, [(key, ref.name)])
    message = f"Job {job.name} was found started; its row is rebuilt"
    await chronicle(
        connection, db, [Entry(key, ref, Reason.LAUNCHED, message, AttemptState.LAUNCHED, job.name, job.uid)]
    )


async def record_ended(connection: AsyncConnection, db: Database, jobs: Sequence[JobView]) -> set[AttemptKey]:
    """Record the started Jobs that have ended: who watched them may have recorded that before it was lost.

    Returns the attempts for which that was news.
    """
    endings = [ending for job in jobs if not job.suspended and (ending := _ending(job)) is not None]
    return await record_locked(connection, db, endings) if endings else set()


def _ending(job: JobView) -> Ending | None:
    if job.key is None:
        return None
    if job.finished is not None:
        reason = Reason.JOB_COMPLETED if job.finished is AttemptState.COMPLETED else Reason.JOB_FAILED
        return Ending(job.key, job.uid, job.finished, reason, job.message, job.started_at, job.finished_at)
    if job.deleting and job.started_at is not None:
        stopped, reason = AttemptState.STOPPED, Reason.JOB_DELETED
        return Ending(job.key, job.uid, stopped, reason, "the Job was deleted", job.started_at)
    return None
