"""Which pod of a StrictPod attempt may start: decided once, like the Job itself.

Promise: at most one pod of an attempt is the chosen one; another takes its place only where the first is known never to
have started. Not promised: that a decision outlives a loss of commits; therefore the Job bears witness of it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, ObjectRef, PodUid
from ticklock.domain.reasons import Reason
from ticklock.ports import PodChoice, PodClaim
from ticklock.store.chronicle import Entry, chronicle
from ticklock.store.rowlocks import keyed, lock_states
from ticklock.store.session import Database, sql

_ASKED = """
unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:job_uids AS text[]), CAST(:pod_uids AS text[]),
       CAST(:pod_names AS text[])) AS x(run_id, n, job_uid, pod_uid, pod_name)
"""

_CHOOSE = sql(f"""
INSERT INTO pods (cluster, run_id, n, pod_uid, pod_name, job_uid, role, claimed_by, claimed_until)
SELECT :cluster, x.run_id, x.n, x.pod_uid, x.pod_name, x.job_uid, 'chosen', :replica,
       clock_timestamp() + CAST(:ttl AS interval)
FROM {_ASKED} JOIN attempts a ON a.cluster = :cluster AND a.run_id = x.run_id AND a.n = x.n AND a.job_uid = x.job_uid
WHERE a.state IN ('bound', 'launched')
ON CONFLICT DO NOTHING
RETURNING run_id, n, pod_uid, pod_name
""")  # noqa: S608 - constants of this module
"""The decision: the primary key and the unique index on 'chosen' let one row of an attempt through."""

_TAKE_OVER = sql(f"""
UPDATE pods p SET claimed_by = :replica, claimed_until = clock_timestamp() + CAST(:ttl AS interval)
FROM {_ASKED}
WHERE p.cluster = :cluster AND p.run_id = x.run_id AND p.n = x.n AND p.pod_uid = x.pod_uid AND p.role = 'chosen'
  AND p.claimed_until <= clock_timestamp()
""")  # noqa: S608 - constants of this module

_STANDING = sql("""
SELECT p.run_id, p.n, p.pod_uid, p.pod_name, p.job_uid, p.role, p.claimed_by
FROM pods p JOIN attempts a ON a.run_id = p.run_id AND a.n = p.n
WHERE p.cluster = :cluster AND (p.run_id, p.n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
  AND p.role IN ('chosen', 'withdrawn') AND a.state IN ('bound', 'launched')
""")

_SET_ASIDE = sql("""
UPDATE pods SET role = :role WHERE cluster = :cluster AND run_id = :run_id AND n = :n AND role = 'chosen'
  AND pod_uid <> :pod_uid AND (CAST(:former AS text) IS NULL OR pod_uid = :former)
""")

_PUT_IN = sql("""
INSERT INTO pods (cluster, run_id, n, pod_uid, pod_name, job_uid, role, claimed_by, claimed_until)
VALUES (:cluster, :run_id, :n, :pod_uid, :pod_name, :job_uid, 'chosen', :replica,
        clock_timestamp() + CAST(:ttl AS interval))
ON CONFLICT (run_id, n, pod_uid) DO UPDATE SET role = 'chosen', claimed_by = excluded.claimed_by,
    claimed_until = excluded.claimed_until
""")

_ADMITTED = sql("""
UPDATE pods p SET admitted_at = clock_timestamp(), claimed_by = NULL
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:pod_uids AS text[])) AS x(run_id, n, pod_uid)
WHERE p.cluster = :cluster AND p.run_id = x.run_id AND p.n = x.n AND p.pod_uid = x.pod_uid AND p.role = 'chosen'
  AND p.admitted_at IS NULL
RETURNING p.run_id, p.n, p.pod_uid, p.pod_name
""")

_OWNERS = sql("""
SELECT a.run_id, a.n, a.job_name, a.job_uid, s.uid, s.namespace, s.name
FROM attempts a JOIN schedules s ON s.cluster = a.cluster AND s.uid = a.schedule_uid
WHERE a.cluster = :cluster AND (a.run_id, a.n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
""")

_AT_ONCE = timedelta(0)

Pod = tuple[AttemptKey, str]
"""The attempt it is of, and its name."""


async def choose_pods(db: Database, claims: Sequence[PodClaim], *, ttl: timedelta) -> dict[PodUid, PodChoice]:
    """Choose these pods where no other is; return, for each asked for, which one is."""
    if not claims:
        return {}
    parameters = {**_arrays(db, claims), "replica": db.replica, "ttl": ttl}
    async with db.decision() as (connection, _):
        chosen = (await connection.execute(_CHOOSE, parameters)).all()
        await connection.execute(_TAKE_OVER, parameters)
        standing = (await connection.execute(_STANDING, keyed(db, [claim.key for claim in claims]))).all()
        news = [(AttemptKey(row.run_id, row.n), row.pod_name) for row in chosen]
        await _tell(connection, db, news, reason=Reason.POD_CHOSEN, words="is the one that may start")
    return {claim.pod_uid: choice for claim in claims if (choice := _choice(db, claim, standing)) is not None}


def _choice(db: Database, claim: PodClaim, standing: Sequence[Any]) -> PodChoice | None:
    of_attempt = [row for row in standing if (row.run_id, row.n) == (claim.key.run_id, claim.key.n)]
    chosen = next((row for row in of_attempt if row.role == "chosen" and row.job_uid == claim.job_uid), None)
    if chosen is None:
        return None
    withdrawn = frozenset(PodUid(row.pod_uid) for row in of_attempt if row.role == "withdrawn")
    return PodChoice(PodUid(chosen.pod_uid), chosen.pod_name, chosen.claimed_by == db.replica, withdrawn)


async def choose_again(db: Database, former: PodUid, claim: PodClaim, *, ttl: timedelta) -> bool:
    """Put another pod in the place of one that is known never to have started."""
    async with db.decision() as (connection, _):
        aside = await connection.execute(_SET_ASIDE, _one(db, claim, role="withdrawn", former=former))
        if aside.rowcount != 1:
            return False
        await connection.execute(_PUT_IN, {**_one(db, claim), "replica": db.replica, "ttl": ttl})
        words = f"takes the place of one that never started ({former})"
        await _tell(connection, db, [(claim.key, claim.pod_name)], reason=Reason.POD_CHOSEN, words=words)
        return True


async def correct_pod(db: Database, claim: PodClaim) -> None:
    """Make the pod that the Job names the chosen one; whoever asks next lets it go, if it still waits."""
    async with db.decision() as (connection, _):
        await connection.execute(_SET_ASIDE, _one(db, claim, role="held", former=None))
        await connection.execute(_PUT_IN, {**_one(db, claim), "replica": None, "ttl": _AT_ONCE})
        words = "is the one that may start, as its Job says"
        await _tell(connection, db, [(claim.key, claim.pod_name)], reason=Reason.POD_CHOSEN, words=words)


async def pods_admitted(db: Database, claims: Sequence[PodClaim]) -> None:
    """Note that the gates of these pods are off, and show it in the status."""
    if not claims:
        return
    async with db.transaction() as connection:
        await lock_states(connection, db, [claim.key for claim in claims])
        rows = (await connection.execute(_ADMITTED, _arrays(db, claims))).all()
        news = [(AttemptKey(row.run_id, row.n), row.pod_name) for row in rows]
        await _tell(connection, db, news, reason=Reason.POD_ADMITTED, words="was let go", report=True)


async def _tell(
    connection: AsyncConnection, db: Database, pods: Sequence[Pod], *, reason: Reason, words: str, report: bool = False
) -> None:
    if not pods:
        return
    rows = await connection.execute(_OWNERS, keyed(db, [key for key, _ in pods]))
    owners = {AttemptKey(row.run_id, row.n): row for row in rows}
    entries = [
        Entry(
            key,
            ObjectRef(owners[key].namespace, owners[key].name, owners[key].uid),
            reason,
            f"pod {pod} {words}",
            AttemptState.LAUNCHED,
            owners[key].job_name,
            owners[key].job_uid,
        )
        for key, pod in pods
        if key in owners
    ]
    await chronicle(connection, db, entries, report=report)


def _arrays(db: Database, claims: Sequence[PodClaim]) -> dict[str, Any]:
    return {
        **keyed(db, [claim.key for claim in claims]),
        "job_uids": [claim.job_uid for claim in claims],
        "pod_uids": [claim.pod_uid for claim in claims],
        "pod_names": [claim.pod_name for claim in claims],
    }


def _one(db: Database, claim: PodClaim, **more: object) -> dict[str, Any]:
    return {
        "cluster": db.cluster,
        "run_id": claim.key.run_id,
        "n": claim.key.n,
        "job_uid": claim.job_uid,
        "pod_uid": claim.pod_uid,
        "pod_name": claim.pod_name,
        **more,
    }
