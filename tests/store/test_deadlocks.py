"""Batches that meet: every duty of four replicas on the same fifty schedules, all at once, round after round."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

import pytest
from sqlalchemy import text

from tests.store.makers import declared, seconds
from tests.store.world import AHEAD, TTL, World, ending, wall, with_job
from tests.support.databases import MAJORS
from ticklock.domain.errors import Transient
from ticklock.domain.model import AttemptKey, AttemptState, ConcurrencyPolicy, Declared
from ticklock.domain.reasons import Reason
from ticklock.ports import Bound, Launch
from ticklock.store.ledger import PostgresLedger

T = TypeVar("T")
_SECONDS = 3.0
_PATIENCE = 40.0
_DUTIES = ("plan", "stage", "bind", "mark", "record", "reconcile", "report")
_POLICIES = [ConcurrencyPolicy.ALLOW, ConcurrencyPolicy.FORBID, ConcurrencyPolicy.REPLACE]


class Crowd:
    """One replica's duties, each drawing at random from what there is to do."""

    def __init__(self, world: World, ledger: PostgresLedger, objects: list[Declared], seed: int) -> None:
        self.world = world
        self.ledger = ledger
        self.objects = objects
        self.random = Random(seed)
        self.bound: list[Bound] = []
        self.seen: Counter[tuple[AttemptKey, str]] = Counter()
        self.troubles: list[Transient] = []
        self.done: Counter[str] = Counter()

    async def run(self, over: Callable[[], bool]) -> None:
        async with asyncio.TaskGroup() as group:
            for duty in self.duties():
                group.create_task(self.repeat(duty, over))

    def duties(self) -> list[Callable[[], Awaitable[int]]]:
        return [self.plan, self.stage, self.bind, self.mark, self.record, self.spoil]

    async def repeat(self, duty: Callable[[], Awaitable[int]], over: Callable[[], bool]) -> None:
        while not over():
            try:
                self.done[duty.__name__] += await duty()
            except Transient as trouble:
                self.troubles.append(trouble)
            await asyncio.sleep(self.random.uniform(0, 0.01))

    async def plan(self) -> int:
        return await self.ledger.plan(horizon=seconds(3), limit=40)

    async def stage(self) -> int:
        claim = await self.ledger.claim_for_staging(ahead=AHEAD, ttl=TTL, limit=40)
        orders = self.shuffled(claim.orders)
        await self.ledger.store_staged([with_job(order) for order in orders])
        return len(orders)

    async def bind(self) -> int:
        outcome = await self.ledger.bind(ttl=TTL, limit=40, verified=frozenset())
        self.bound.extend(outcome.bound)
        self.seen.update((one.key, one.job_uid) for one in outcome.bound)
        return len(outcome.bound)

    async def mark(self) -> int:
        some = self.shuffled(self.bound)[:30]
        await self.ledger.mark_launched([Launch(one.key, one.job_uid, wall()) for one in some])
        return len(some)

    async def record(self) -> int:
        some = self.shuffled(self.bound)[:30]
        ends = [
            (AttemptState.COMPLETED, Reason.JOB_COMPLETED),
            (AttemptState.FAILED, Reason.JOB_FAILED),
            (AttemptState.STOPPED, Reason.JOB_DELETED),
        ]
        news = await self.ledger.record([ending(one, *self.random.choice(ends)) for one in some])
        for one in some:
            self.bound.remove(one)
        for one in some[:5]:
            await self.ledger.free_lock(one.key)
        await self.ledger.absent([one.key for one in some])
        return news

    async def spoil(self) -> int:
        """Take staged Jobs away, defer, give everything back."""
        rows = await self.world.sql("SELECT run_id, n, staged_uid FROM attempts WHERE state = 'planned' LIMIT 5")
        for row in rows:
            if row.staged_uid and self.random.random() < 0.2:
                await self.ledger.forget_staged(AttemptKey(row.run_id, row.n), row.staged_uid)
        if self.random.random() < 0.05:
            await self.ledger.give_back()
        return len(rows)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.random.sample(list(items), len(items))


class Leader(Crowd):
    """A replica that leads as well: edits, reports, releases, prunes."""

    def duties(self) -> list[Callable[[], Awaitable[int]]]:
        return [*super().duties(), self.reconcile, self.report, self.keep_house]

    async def reconcile(self) -> int:
        self.objects = [self.changed(item) for item in self.shuffled(self.objects)]
        changed, _ = await self.ledger.reconcile(self.world.epoch, self.objects, ())
        return changed

    def changed(self, item: Declared) -> Declared:
        assert item.rule is not None
        match self.random.randrange(6):
            case 0:
                rule = replace(item.rule, expression=self.random.choice(["@every 1s", "@every 2s", "* * * * * *"]))
            case 1:
                rule = replace(item.rule, concurrency=self.random.choice(_POLICIES))
            case 2:
                return replace(item, trigger=f"t{self.random.random()}")
            case _:
                return item
        return replace(item, rule=rule, generation=item.generation + 1)

    async def report(self) -> int:
        reports = await self.ledger.reports(self.world.epoch, limit=100)
        await self.ledger.reported(self.world.epoch, [(report, True) for report in self.shuffled(list(reports))])
        releases = self.shuffled(list(await self.ledger.releases(self.world.epoch, limit=100)))
        await self.ledger.released(self.world.epoch, [release.key for release in releases])
        return len(reports)

    async def keep_house(self) -> int:
        await self.ledger.sweep(self.world.epoch)
        await self.ledger.pulse(leading=True)
        await self.ledger.expected_jobs(self.world.epoch)
        return await self.ledger.prune(self.world.epoch, older_than=seconds(0.5))


@pytest.mark.parametrize("server", MAJORS, indirect=True)
async def test_no_deadlock_and_nothing_bound_twice(world: World) -> None:
    objects = [declared(f"s{i}", expression="@every 1s", concurrency=_POLICIES[i % 3]) for i in range(50)]
    await world.store(*objects)
    crowds = [Crowd(world, world.replica(f"r{i}", pool_size=7), objects, i) for i in range(3)]
    leading = world.replica("leader", pool_size=10)
    await leading.pulse(leading=True)
    world.epoch = await leading.open_term()
    crowds.append(Leader(world, leading, objects, 99))
    began = time.monotonic()

    def done() -> Counter[str]:
        return sum((crowd.done for crowd in crowds), Counter[str]())

    def over() -> bool:
        """Long enough, and every duty has met the others; a slow machine gets more time for that."""
        spent = time.monotonic() - began
        return spent > _PATIENCE or (spent > _SECONDS and min(done()[duty] for duty in _DUTIES) > 0)

    async with asyncio.TaskGroup() as group:
        for crowd in crowds:
            group.create_task(crowd.run(over))
    # a wait that was cut short is tried again; a circle of waits is a wrong lock order
    states = [trouble.__cause__.orig.sqlstate for crowd in crowds for trouble in crowd.troubles]  # type: ignore[union-attr]
    assert "40P01" not in states, states
    assert set(states) <= {"55P03"}
    assert min(done()[duty] for duty in _DUTIES) > 0, done()
    await assert_consistent(world, crowds)


async def assert_consistent(world: World, crowds: list[Crowd]) -> None:
    seen = sum((crowd.seen for crowd in crowds), Counter[tuple[AttemptKey, str]]())
    assert set(seen.values()) <= {1}
    assert len({key for key, _ in seen}) == len(seen), "an attempt was bound to two Jobs"
    for row in await world.attempts():
        uid = {uid for key, uid in seen if key == AttemptKey(row.run_id, row.n)}
        assert {row.job_uid} - {None} == uid
    wrong = await world.sql(_WRONG)
    assert wrong == []


_WRONG = """
SELECT 'run and attempt differ', r.id::text, r.state, a.state FROM runs r JOIN attempts a ON a.run_id = r.id
WHERE r.state <> CASE a.state WHEN 'planned' THEN 'Pending' WHEN 'bound' THEN 'Pending' WHEN 'launched' THEN 'Running'
                              ELSE a.state END
UNION ALL
SELECT 'lock held by a run that is certainly over', l.run_id::text, a.state, l.job_name
FROM queue_locks l JOIN attempts a ON a.run_id = l.run_id AND a.n = l.n
WHERE a.state IN ('planned', 'Completed', 'Failed')
UNION ALL
SELECT 'recorded beyond the ledger', a.run_id::text, a.record_seq::text, st.ledger_seq::text
FROM attempts a JOIN schedule_state st ON st.cluster = a.cluster AND st.uid = a.schedule_uid
WHERE a.record_seq > st.ledger_seq
UNION ALL
SELECT 'bound or over without a JobLog', a.run_id::text, a.state, '' FROM attempts a
WHERE a.state <> 'planned' AND NOT EXISTS (SELECT FROM job_logs j WHERE j.run_id = a.run_id AND j.n = a.n)
"""


async def test_a_deadlock_would_be_seen(world: World) -> None:
    # the check above can fail: a real deadlock leaves the store's transactions as Transient
    await world.store(declared("a"), declared("b"))
    first, second = asyncio.Event(), asyncio.Event()

    suspend = text("UPDATE schedules SET suspend = true WHERE name = :name")

    async def cross(mine: str, other: str, here: asyncio.Event, there: asyncio.Event) -> None:
        async with world.replica(mine).db.transaction() as connection:
            await connection.execute(suspend, {"name": mine})
            here.set()
            await there.wait()
            await connection.execute(suspend, {"name": other})

    outcomes = await asyncio.gather(
        cross("a", "b", first, second), cross("b", "a", second, first), return_exceptions=True
    )
    (trouble,) = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(trouble, Transient)
    assert "deadlock detected" in str(trouble)
    assert isinstance(trouble.__cause__, Exception)
