"""Replicas on one real database, and a look behind the curtain: time passes by moving it in the rows."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from ticklock.domain.model import AttemptKey, AttemptState, ClusterId, Declared, JobUid, ReplicaId
from ticklock.domain.reasons import Reason
from ticklock.ports import BindOutcome, Bound, Ending, JobView, Launch, Leftover, StageOrder
from ticklock.store.connections import connect
from ticklock.store.ledger import PostgresLedger
from ticklock.store.session import Database

TTL = timedelta(seconds=10)
AHEAD = timedelta(seconds=3)
HORIZON = timedelta(seconds=3)


def wall() -> datetime:
    return datetime.now(UTC)


class World:
    """One database, one cluster in it, any number of replicas."""

    NOBODY = ClusterId(UUID(int=0))

    def __init__(self, url: str, cluster: ClusterId | None = None) -> None:
        self.url = url
        self.cluster = cluster or ClusterId(uuid4())
        self.epoch = 0
        self._databases: list[Database] = []
        self.ledger = self.replica("first")
        self.db = self.ledger.db

    # ------------------------------------------------------------------------------------------------------ replicas

    def replica(self, pod: str = "other", *, pool_size: int = 2, **options: Any) -> PostgresLedger:
        """Return one more replica, with connections of its own."""
        engine = connect(options.pop("url", self.url), pool_size=pool_size)
        cluster = options.pop("cluster", self.cluster)
        db = Database(engine, cluster, ReplicaId(uuid4()), pod, options.pop("wall", wall), **options)
        self._databases.append(db)
        return PostgresLedger(db)

    async def close(self) -> None:
        for db in self._databases:
            await db.engine.dispose()

    # ---------------------------------------------------------------------------------------------------------- rows

    async def sql(self, statement: str, **parameters: Any) -> Sequence[Any]:
        """Run one statement in a transaction of its own; return its rows, if it has any."""
        async with self.db.engine.begin() as connection:
            result = await connection.execute(text(statement), {"cluster": self.cluster, **parameters})
            return result.all() if result.returns_rows else ()

    async def one(self, statement: str, **parameters: Any) -> Any:
        rows = await self.sql(statement, **parameters)
        assert len(rows) == 1, rows
        return rows[0]

    async def value(self, statement: str, **parameters: Any) -> Any:
        return (await self.one(statement, **parameters))[0]

    async def attempts(self, item: Declared | None = None) -> Sequence[Any]:
        """Return the attempts, oldest tick first."""
        return await self.sql(
            "SELECT * FROM attempts WHERE cluster = :cluster AND (CAST(:uid AS text) IS NULL OR schedule_uid = :uid) "
            "ORDER BY scheduled_time, run_id, n",
            uid=item.ref.uid if item else None,
        )

    async def attempt(self, key: AttemptKey) -> Any:
        return await self.one("SELECT * FROM attempts WHERE run_id = :run_id AND n = :n", run_id=key.run_id, n=key.n)

    async def verdicts(self, item: Declared | None = None) -> list[tuple[str, str | None]]:
        """Return (state, reason) of each attempt, oldest tick first."""
        return [(row.state, row.reason) for row in await self.attempts(item)]

    async def state_of(self, item: Declared) -> Any:
        return await self.one("SELECT * FROM schedule_state WHERE cluster = :cluster AND uid = :uid", uid=item.ref.uid)

    async def run_of(self, key: AttemptKey) -> Any:
        return await self.one("SELECT * FROM runs WHERE id = :run_id", run_id=key.run_id)

    async def log_of(self, key: AttemptKey) -> tuple[str, str]:
        """Return status and remark of an attempt's line in the JobLog."""
        row = await self.one("SELECT * FROM job_logs WHERE run_id = :run_id AND n = :n", run_id=key.run_id, n=key.n)
        return row.status, row.remark

    async def locks(self) -> dict[str, bool]:
        """Return the names of the schedules whose locks are held, and whether each is suspect."""
        return {row.job_name: row.suspect for row in await self.sql("SELECT * FROM queue_locks")}

    async def lose_incarnation(self) -> None:
        """Let the database be another one than the one that was compared with the cluster."""
        await self.sql("UPDATE clusters SET incarnation = 'of another life' WHERE cluster = :cluster")

    # ---------------------------------------------------------------------------------------------------------- time

    async def make_due(self, *, seconds: float = 0.01, item: Declared | None = None) -> None:
        """Let planned attempts be due since so many seconds; their ticks stay what they are."""
        await self.sql(
            "UPDATE attempts SET due_at = clock_timestamp() - CAST(:late AS interval), not_before = NULL "
            "WHERE cluster = :cluster AND state = 'planned' AND (CAST(:uid AS text) IS NULL OR schedule_uid = :uid)",
            late=timedelta(seconds=seconds),
            uid=item.ref.uid if item else None,
        )

    async def expire_claims(self) -> None:
        """Let every claim have run out."""
        await self.sql(
            "UPDATE attempts SET claimed_until = clock_timestamp() - interval '1 second' "
            "WHERE cluster = :cluster AND claimed_until IS NOT NULL"
        )

    async def set_cursor(self, item: Declared, cursor: datetime) -> None:
        """Let planning have stopped there: an outage."""
        await self.sql(
            "UPDATE schedule_state SET cursor = :cursor, next_tick = :cursor WHERE cluster = :cluster AND uid = :uid",
            cursor=cursor,
            uid=item.ref.uid,
        )
        await self.sql(
            "UPDATE schedules SET created_at = least(created_at, :cursor) WHERE cluster = :cluster AND uid = :uid",
            cursor=cursor,
            uid=item.ref.uid,
        )

    # --------------------------------------------------------------------------------------------------------- steps

    async def open(self, *objects: Declared) -> "World":
        """Open the gate of the fresh database, and a term; store these objects. The Events about that are posted."""
        await self.ledger.pulse(leading=True)
        self.epoch = await self.ledger.open_term()
        assert list(await self.ledger.reconcile_incarnation(self.epoch, (), ())) == []
        await self.ledger.posted(self.epoch, [item.id for item in await self.ledger.outbox(self.epoch, limit=10)])
        if objects:
            await self.store(*objects)
        return self

    async def store(self, *objects: Declared) -> Sequence[Leftover]:
        _, leftovers = await self.ledger.reconcile(self.epoch, objects, ())
        return leftovers

    async def plan(self, horizon: timedelta = timedelta(seconds=12)) -> int:
        return await self.ledger.plan(horizon=horizon, limit=1000)

    async def claim(self, ahead: timedelta = timedelta(hours=1)) -> list[StageOrder]:
        return list((await self.ledger.claim_for_staging(ahead=ahead, ttl=TTL, limit=1000)).orders)

    async def leftovers_of_claim(self) -> Sequence[Leftover]:
        claim = await self.ledger.claim_for_staging(ahead=timedelta(hours=1), ttl=TTL, limit=1000)
        assert list(claim.orders) == []
        return claim.leftovers

    async def stage(self) -> list[StageOrder]:
        """Claim everything planned and store a Job for each."""
        orders = await self.claim()
        assert list(await self.ledger.store_staged([with_job(order) for order in orders])) == []
        return orders

    async def stage_some(self) -> list[StageOrder]:
        """Store a Job for each planned attempt, whatever policy says of it now."""
        await self.sql("UPDATE schedules SET concurrency = 'Allow' WHERE cluster = :cluster")
        orders = await self.stage()
        await self.sql("UPDATE schedules SET concurrency = 'Forbid' WHERE cluster = :cluster")
        return orders

    async def bind(self, limit: int = 1000) -> BindOutcome:
        """Bind what is due, with every object just read: the heartbeat of its leader may be old on a slow machine."""
        return await self.ledger.bind(ttl=TTL, limit=limit, verified=await self.uids())

    async def uids(self) -> frozenset[str]:
        """Name every schedule of the cluster."""
        rows = await self.sql("SELECT uid FROM schedules WHERE cluster = :cluster")
        return frozenset(row.uid for row in rows)

    async def launch(self, bound: Iterable[Bound]) -> None:
        await self.ledger.mark_launched([Launch(one.key, one.job_uid, wall()) for one in bound])

    async def run_first(self) -> Bound:
        """Stage, bind and launch the oldest planned attempt, whenever its tick is."""
        order = min(await self.claim(), key=lambda one: one.scheduled_time)
        await self.ledger.store_staged([with_job(order)])
        await self._due_now(order.key)
        (bound,) = (await self.bind()).bound
        await self.launch([bound])
        await self._unclaim()
        return bound

    async def _due_now(self, key: AttemptKey) -> None:
        await self.sql(
            "UPDATE attempts SET due_at = clock_timestamp(), claimed_until = NULL WHERE run_id = :run_id",
            run_id=key.run_id,
        )

    async def _unclaim(self) -> None:
        await self.sql("UPDATE attempts SET claimed_until = NULL WHERE state = 'planned'")


def with_job(order: StageOrder, uid: str | None = None) -> tuple[StageOrder, JobUid, str]:
    """Return an order with the Job that was made for it."""
    name = f"{order.ref.name}-{int(order.scheduled_time.timestamp())}"
    return order, JobUid(uid or f"uid-{order.key.run_id}-{order.stage}"), name


def ending(
    bound: Bound,
    state: AttemptState = AttemptState.COMPLETED,
    reason: Reason = Reason.JOB_COMPLETED,
    message: str = "",
) -> Ending:
    """Return how a bound attempt ended, just now."""
    return Ending(bound.key, bound.job_uid, state, reason, message, started_at=wall(), finished_at=wall())


async def lift(world: World, jobs: list[JobView], objects: list[Declared]) -> list[JobUid]:
    """Open the gate; whatever is to be un-staged is gone at the next look. Return what that was."""
    standing, taken = list(jobs), list[JobUid]()
    while leftovers := await world.ledger.reconcile_incarnation(world.epoch, standing, objects):
        gone = {left.job_uid for left in leftovers}
        taken += sorted(gone)
        standing = [one for one in standing if one.uid not in gone]
    return taken
