"""Pods in the ledger: only those of which there is something to say. The first of a Job leaves no trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, PodUid
from ticklock.domain.pods import Cause
from ticklock.domain.reasons import Reason
from ticklock.ports import FurtherPod
from ticklock.store.chronicle import Entry, chronicle
from ticklock.store.rowlocks import keyed
from ticklock.store.session import Database, sql

_NOTE = sql("""
INSERT INTO pods (cluster, run_id, n, pod_uid, pod_name, job_uid, role)
SELECT :cluster, x.run_id, x.n, x.pod_uid, x.pod_name, x.job_uid, x.role
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:pod_uids AS text[]), CAST(:pod_names AS text[]),
            CAST(:job_uids AS text[]), CAST(:roles AS text[])) AS x(run_id, n, pod_uid, pod_name, job_uid, role)
JOIN attempts a ON a.cluster = :cluster AND a.run_id = x.run_id AND a.n = x.n AND a.job_uid = x.job_uid
ON CONFLICT DO NOTHING
RETURNING pod_uid
""")

_NOTED = sql("""
SELECT p.pod_uid, s.uid AS schedule_uid, s.namespace, s.name, a.job_name
FROM pods p
JOIN attempts a ON a.run_id = p.run_id AND a.n = p.n
JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
WHERE p.cluster = :cluster AND (p.run_id, p.n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
""")

_WHY = {
    Cause.DELETED: "although the one before it had not failed but was taken away",
    Cause.UNFOUNDED: "although the one before it had not failed",
}


async def note_pods(db: Database, found: Sequence[FurtherPod]) -> dict[PodUid, bool]:
    """Write further pods down; return those that stand there now, True where it is news."""
    if not found:
        return {}
    keys = [one.key for one in found]
    async with db.transaction() as connection:
        parameters = {**keyed(db, keys), **_arrays(found)}
        news = {row.pod_uid for row in await connection.execute(_NOTE, parameters)}
        rows = {row.pod_uid: row for row in await connection.execute(_NOTED, keyed(db, keys))}
        await _alarm(connection, db, [(one, rows[one.pod_uid]) for one in found if one.pod_uid in news])
    return {one.pod_uid: one.pod_uid in news for one in found if one.pod_uid in rows}


def _arrays(found: Sequence[FurtherPod]) -> dict[str, list[Any]]:
    return {
        "pod_uids": [one.pod_uid for one in found],
        "pod_names": [one.pod_name for one in found],
        "job_uids": [one.job_uid for one in found],
        "roles": [one.cause.value for one in found],
    }


async def _alarm(connection: AsyncConnection, db: Database, news: Sequence[tuple[FurtherPod, Any]]) -> None:
    """Tell the user of those that no failure explains."""
    entries = [
        Entry(
            AttemptKey(one.key.run_id, one.key.n),
            ObjectRef(row.namespace, row.name, row.schedule_uid),
            Reason.SECOND_POD,
            f"Kubernetes made pod {one.pod_name} for Job {row.job_name}, {_WHY[one.cause]}: its program may run twice",
            AttemptState.LAUNCHED,
            row.job_name,
            one.job_uid,
        )
        for one, row in news
        if one.cause.alarming
    ]
    await chronicle(connection, db, entries, report=False)
