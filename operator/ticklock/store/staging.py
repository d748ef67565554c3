"""Staging in the ledger: who creates which suspended Job, and which Job stands for which attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from ticklock.domain.model import AttemptKey, AttemptState, JobUid, LaunchPolicy
from ticklock.domain.policy import Defer, Go, Judge
from ticklock.domain.reasons import Reason
from ticklock.failpoints import failpoint
from ticklock.ports import Blocker, Leftover, StageClaim, StageOrder
from ticklock.store.candidates import TO_STAGE, Candidate, candidates, deferred
from ticklock.store.chronicle import Announcement, Entry, announce, chronicle, judge
from ticklock.store.planning import deadline_of
from ticklock.store.rowlocks import lock_schedules, lock_states
from ticklock.store.session import Database, sql
from ticklock.store.turns import call

_CLAIM = sql("""
UPDATE attempts a
SET claim_token = c.token, claimed_by = :replica, generation = c.generation,
    claimed_until = CASE WHEN a.due_at - interval '0.5 seconds' > clock_timestamp()
                         THEN least(clock_timestamp() + CAST(:ttl AS interval), a.due_at - interval '0.5 seconds')
                         ELSE clock_timestamp() + CAST(:ttl AS interval) END
FROM (
  SELECT run_id, n, generation, nextval('claim_tokens') AS token
  FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:generations AS bigint[]),
              CAST(:ticks AS timestamptz[])) AS x(run_id, n, generation, tick)
  ORDER BY tick
) c
WHERE a.cluster = :cluster AND a.run_id = c.run_id AND a.n = c.n AND a.state = 'planned'
RETURNING a.run_id, a.n, a.claim_token
""")
"""The tokens rise with the ticks: the pods of a later run must not find themselves fenced off by an earlier one's."""

_DEFER = sql("""
UPDATE attempts a
SET not_before = d.until, deferrals = a.deferrals + 1, reason = d.reason, message = d.message, claimed_by = NULL,
    claimed_until = NULL
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:untils AS timestamptz[]), CAST(:reasons AS text[]),
            CAST(:messages AS text[])) AS d(run_id, n, until, reason, message)
WHERE a.cluster = :cluster AND a.run_id = d.run_id AND a.n = d.n AND a.state = 'planned'
""")

_DEFER_ONE = sql("""
UPDATE attempts
SET not_before = clock_timestamp() + CAST(:seconds AS interval), deferrals = deferrals + 1, reason = :reason,
    message = :message, name_suffix = name_suffix + :suffix, claimed_by = NULL, claimed_until = NULL
WHERE cluster = :cluster AND run_id = :run_id AND n = :n AND state = 'planned' AND stage = :stage AND staged_uid IS NULL
  AND claim_token = :token AND claimed_by = :replica
""")

_STORE = sql("""
UPDATE attempts a
SET staged_uid = s.uid, job_name = s.job_name, claimed_by = NULL, claimed_until = NULL, not_before = NULL,
    reason = 'Staged', message = ''
FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:stages AS int[]), CAST(:uids AS text[]),
            CAST(:names AS text[])) AS s(run_id, n, stage, uid, job_name)
WHERE a.cluster = :cluster AND a.run_id = s.run_id AND a.n = s.n AND a.state = 'planned' AND a.stage = s.stage
  AND (a.staged_uid IS NULL OR a.staged_uid = s.uid)
RETURNING a.run_id, a.n
""")

_LEFT_OVER = sql("""
SELECT a.run_id, a.n
FROM attempts a
JOIN unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[]), CAST(:stages AS int[]), CAST(:uids AS text[]))
     AS s(run_id, n, stage, uid) ON a.run_id = s.run_id AND a.n = s.n
WHERE a.cluster = :cluster AND a.job_uid IS DISTINCT FROM s.uid
  AND (a.state NOT IN ('planned', 'bound', 'launched') OR a.job_uid IS NOT NULL OR a.stage > s.stage
       OR a.staged_uid <> s.uid)
""")
"""Whose Jobs can never be bound any more: the attempt is over, another Job is it, or it is of a newer stage.

Not a Job that is the attempt by now: a replica whose claim had run out stored and bound it. Nor one without a row: its
tick may be planned again, and the Job adopted; else the janitor finds it.
"""

_FORGET = sql("""
UPDATE attempts
SET staged_uid = NULL, stage = stage + 1, reason = NULL, message = '', claimed_by = NULL, claimed_until = NULL,
    not_before = NULL
WHERE cluster = :cluster AND run_id = :run_id AND n = :n AND state = 'planned' AND staged_uid = :uid
""")

_UNSTAGE = sql("""
UPDATE attempts SET staged_uid = NULL, stage = stage + 1
WHERE cluster = :cluster AND (run_id, n) IN (SELECT * FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ns AS int[])))
  AND state = 'planned'
""")

LONGEST_WAIT = timedelta(seconds=30)
"""How long a staged Job may wait beyond its tick before it is taken away until its turn comes."""

_STILL = sql("""
SELECT 1 FROM attempts
WHERE cluster = :cluster AND run_id = :run_id AND n = :n AND state = 'planned' AND stage = :stage AND staged_uid IS NULL
FOR UPDATE
""")

_ASK_TO_STOP = sql("""
UPDATE attempts SET stop_reason = 'Replaced'
WHERE cluster = :cluster AND run_id = :run_id AND n = :n AND state IN ('bound', 'launched') AND stop_reason IS NULL
""")


async def claim_for_staging(db: Database, *, ahead: timedelta, ttl: timedelta, limit: int) -> StageClaim:
    """Claim attempts without a Job; in the same transaction judge or defer what policy does not admit."""
    async with db.decision() as (connection, now):
        await call(connection, db)
        found = await candidates(connection, db, TO_STAGE, now=now, ahead=ahead, limit=limit)
        going = [item for item in found if isinstance(item.decision, Go)]
        orders = await _claim(connection, db, going, ttl)
        leftovers = await apply_objections(connection, db, found)
        blockers = deferred([item for item in found if item.row["due_at"] <= now])
        await ask_to_stop(connection, db, blockers)
        if orders:
            await failpoint("before-claim-commit")
        return StageClaim(orders, leftovers, blockers)


async def ask_to_stop(connection: AsyncConnection, db: Database, blockers: Sequence[Blocker]) -> None:
    """Note that these runs end because policy Replace wants it; who looks them up deletes their Jobs."""
    for blocker in blockers:
        if blocker.replace:
            parameters = {"cluster": db.cluster, "run_id": blocker.key.run_id, "n": blocker.key.n}
            await connection.execute(_ASK_TO_STOP, parameters)


async def _claim(
    connection: AsyncConnection, db: Database, going: Sequence[Candidate], ttl: timedelta
) -> list[StageOrder]:
    if not going:
        return []
    parameters = {
        "cluster": db.cluster,
        "replica": db.replica,
        "ttl": ttl,
        "run_ids": [item.key.run_id for item in going],
        "ns": [item.key.n for item in going],
        "generations": [item.row["generation"] for item in going],
        "ticks": [item.row["scheduled_time"] for item in going],
    }
    tokens = {(row.run_id, row.n): row.claim_token for row in await connection.execute(_CLAIM, parameters)}
    return [_order(item, tokens[item.key.run_id, item.key.n]) for item in going]


def _order(item: Candidate, token: int) -> StageOrder:
    row = item.row
    deadline = deadline_of(row)
    return StageOrder(
        key=item.key,
        run_key=row["run_key"],
        ref=item.ref,
        generation=row["generation"],
        stage=row["stage"],
        token=token,
        suffix=row["name_suffix"],
        scheduled_time=row["scheduled_time"],
        due_at=row["due_at"],
        deadline_at=row["scheduled_time"] + deadline if deadline is not None and row["is_tick"] else None,
        job_template=row["job_template"] or {},
        policy=row["concurrency"],
        time_zone=row["time_zone"],
        deferrals=row["deferrals"],
        launch_policy=LaunchPolicy(row["launch_policy"]),
    )


async def apply_objections(connection: AsyncConnection, db: Database, found: Sequence[Candidate]) -> list[Leftover]:
    """Write the verdicts and deferrals of these candidates; return the Jobs that the verdicts leave over."""
    verdicts = [(item, item.decision) for item in found if isinstance(item.decision, Judge)]
    entries = [Entry(item.key, item.ref, it.reason, it.message, it.state) for item, it in verdicts]
    taken = await judge(connection, db, entries)
    deferrals = [(item, item.decision) for item in found if isinstance(item.decision, Defer)]
    await _defer_all(connection, db, deferrals)
    idle = [item for item, it in deferrals if item.row["staged_uid"] and it.until - item.row["due_at"] > LONGEST_WAIT]
    await _unstage(connection, db, idle)
    judged = [item for item, _ in verdicts if item.key in taken and item.row["staged_uid"]]
    return [leftover_of(item) for item in (*judged, *idle)]


async def _unstage(connection: AsyncConnection, db: Database, idle: Sequence[Candidate]) -> None:
    """Let go of Jobs that wait for too long: a suspended Job counts against quotas, and its template grows old."""
    if idle:
        keys = {"run_ids": [item.key.run_id for item in idle], "ns": [item.key.n for item in idle]}
        await connection.execute(_UNSTAGE, {"cluster": db.cluster, **keys})


async def _defer_all(connection: AsyncConnection, db: Database, deferrals: Sequence[tuple[Candidate, Defer]]) -> None:
    if not deferrals:
        return
    parameters = {
        "cluster": db.cluster,
        "run_ids": [item.key.run_id for item, _ in deferrals],
        "ns": [item.key.n for item, _ in deferrals],
        "untils": [it.until for _, it in deferrals],
        "reasons": [it.reason.value for _, it in deferrals],
        "messages": [it.message for _, it in deferrals],
    }
    await connection.execute(_DEFER, parameters)
    first = [
        Entry(item.key, item.ref, it.reason, it.message, AttemptState.PLANNED)
        for item, it in deferrals
        if item.row["deferrals"] == 0
    ]
    await chronicle(connection, db, first, report=False)


def leftover_of(item: Candidate) -> Leftover:
    """Return the staged Job of a candidate."""
    return Leftover(item.ref.namespace, item.row["job_name"], JobUid(item.row["staged_uid"]), item.key)


async def store_staged(db: Database, staged: Sequence[tuple[StageOrder, JobUid, str]]) -> list[Leftover]:
    """Store the Jobs of attempts that are still planned at the order's stage; return those that must never start."""
    if not staged:
        return []
    parameters = {
        "cluster": db.cluster,
        "run_ids": [order.key.run_id for order, _, _ in staged],
        "ns": [order.key.n for order, _, _ in staged],
        "stages": [order.stage for order, _, _ in staged],
        "uids": [uid for _, uid, _ in staged],
        "names": [name for _, _, name in staged],
    }
    async with db.transaction() as connection:
        await lock_states(connection, db, [order.key for order, _, _ in staged])
        kept = {(row.run_id, row.n) for row in await connection.execute(_STORE, parameters)}
        entries = [
            Entry(order.key, order.ref, Reason.STAGED, f"Job {name} waits suspended", AttemptState.PLANNED, name, uid)
            for order, uid, name in staged
            if (order.key.run_id, order.key.n) in kept
        ]
        await chronicle(connection, db, entries, report=False)
        over = {(row.run_id, row.n) for row in await connection.execute(_LEFT_OVER, parameters)}
        await failpoint("before-staged-commit")
    return [
        Leftover(order.ref.namespace, name, uid, order.key)
        for order, uid, name in staged
        if (order.key.run_id, order.key.n) in over - kept
    ]


async def defer(
    db: Database, order: StageOrder, *, seconds: float, reason: Reason, message: str, next_suffix: bool = False
) -> None:
    """Give the claim back, if it is still ours; the attempt is looked at again after `seconds`.

    A Job that was refused for good is told now, while there is time to mend its template.
    """
    parameters = {
        "cluster": db.cluster,
        "run_id": order.key.run_id,
        "n": order.key.n,
        "stage": order.stage,
        "token": order.token,
        "seconds": timedelta(seconds=seconds),
        "reason": reason.value,
        "message": message,
        "suffix": int(next_suffix),
        "replica": db.replica,
    }
    async with db.transaction() as connection:
        deferred = await connection.execute(_DEFER_ONE, parameters)
        if deferred.rowcount == 1 and reason is Reason.JOB_REJECTED:
            note = f"run {order.key.run_id}: its Job for {order.scheduled_time:%FT%TZ} would be refused: {message}"
            await announce(connection, db, [Announcement(order.ref, "Warning", reason, "Stage", note)])


async def fail_unstarted(db: Database, order: StageOrder, reason: Reason, message: str) -> None:
    """End a planned attempt as Failed although no Job of it ever started.

    Nothing happens where an edit or another replica was faster: what failed then is not what is to be started now.
    """
    parameters = {"cluster": db.cluster, "run_id": order.key.run_id, "n": order.key.n, "stage": order.stage}
    async with db.decision() as (connection, _):
        await lock_schedules(connection, db, [order.ref.uid])
        if (await connection.execute(_STILL, parameters)).first() is not None:
            await judge(connection, db, [Entry(order.key, order.ref, reason, message, AttemptState.FAILED)])


async def forget_staged(db: Database, key: AttemptKey, uid: JobUid) -> bool:
    """Plan an attempt anew whose staged Job is going away; its next Job carries a higher stage."""
    async with db.transaction() as connection:
        result = await connection.execute(
            _FORGET, {"cluster": db.cluster, "run_id": key.run_id, "n": key.n, "uid": uid}
        )
        return result.rowcount == 1
