"""Pods that were too many, each written down once. The only pod of a Job leaves no trace here."""

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
_MAY_RUN_TWICE = "its program may run twice"


async def note_pods(db: Database, found: Sequence[FurtherPod]) -> dict[PodUid, bool]:
    """Write further pods down; return those that stand there now, True where it is news."""
    if not found:
        return {}
    keys = [one.key for one in found]
    async with db.transaction() as connection:
        parameters = {**keyed(db, keys), **_arrays(found)}
        news = {row.pod_uid for row in await connection.execute(_NOTE, parameters)}
        rows = {row.pod_uid: row for row in await connection.execute(_NOTED, keyed(db, keys))}
        await _tell(connection, db, [(one, rows[one.pod_uid]) for one in found if one.pod_uid in news])
    return {one.pod_uid: one.pod_uid in news for one in found if one.pod_uid in rows}


def _arrays(found: Sequence[FurtherPod]) -> dict[str, list[Any]]:
    return {
        "pod_uids": [one.pod_uid for one in found],
        "pod_names": [one.pod_name for one in found],
        "job_uids": [one.job_uid for one in found],
        "roles": [one.cause.value for one in found],
    }


async def _tell(connection: AsyncConnection, db: Database, news: Sequence[tuple[FurtherPod, Any]]) -> None:
    """Tell the user of those that no failure explains, and of those that were held back."""
    entries = [
        Entry(
            AttemptKey(one.key.run_id, one.key.n),
            ObjectRef(row.namespace, row.name, row.schedule_uid),
            *_words(one, row.job_name),
            AttemptState.LAUNCHED,
            row.job_name,
            one.job_uid,
        )
        for one, row in news
        if one.cause is not Cause.RETRY
    ]
    await chronicle(connection, db, entries, report=False)


def _words(one: FurtherPod, job: str) -> tuple[Reason, str]:
    if one.cause is Cause.HELD:
        return Reason.POD_HELD, f"Kubernetes made one more pod {one.pod_name} for Job {job}; it was not let go"
    why = f"{_WHY[one.cause]}: {_MAY_RUN_TWICE}"
    return Reason.SECOND_POD, f"Kubernetes made pod {one.pod_name} for Job {job}, {why}"
