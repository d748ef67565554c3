"""Two clusters in one database: neither sees, decides or changes anything of the other."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.store.makers import declared, edited, finished, job, seconds, started
from tests.store.world import TTL, World, ending, wall, with_job
from ticklock.domain.model import ClusterId, ConcurrencyPolicy, Declared
from ticklock.domain.reasons import Reason
from ticklock.ports import Bound, Launch, StageOrder, Standing
from ticklock.store.ledger import PostgresLedger


class Neighbours:
    """The first cluster has one run of each kind; the second asks for everything, with the first one's keys."""

    item: Declared
    first: World
    second: World
    order: StageOrder
    bound: Bound


@pytest.fixture
async def neighbours(world: World) -> AsyncIterator[Neighbours]:
    made = Neighbours()
    made.first, made.second = world, World(world.url, ClusterId(uuid4()))
    await made.second.open()
    made.item = declared(expression="@every 10s", concurrency=ConcurrencyPolicy.FORBID, trigger="now")
    await world.store(made.item)
    await world.plan(seconds(31))
    made.bound = await world.run_first()
    (made.order,) = [order for order in await world.stage_some() if order.key != made.bound.key][:1]
    yield made
    await made.second.close()


Ask = Callable[[PostgresLedger, int, Neighbours], Awaitable[object]]
METHODS: dict[str, Ask] = {
    "plan": lambda ledger, _, _n: ledger.plan(horizon=timedelta(days=1), limit=10),
    "claim for staging": lambda ledger, _, _n: ledger.claim_for_staging(ahead=TTL * 99, ttl=TTL, limit=10),
    "bind": lambda ledger, _, _n: ledger.bind(ttl=TTL, limit=10, verified=frozenset()),
    "store staged": lambda ledger, _, n: ledger.store_staged([with_job(n.order, "of the neighbour")]),
    "forget staged": lambda ledger, _, n: ledger.forget_staged(n.order.key, with_job(n.order)[1]),
    "defer": lambda ledger, _, n: ledger.defer(n.order, seconds=9, reason=Reason.API_UNAVAILABLE, message=""),
    "fail unstarted": lambda ledger, _, n: ledger.fail_unstarted(n.order, Reason.JOB_REJECTED, ""),
    "claim stranded": lambda ledger, _, _n: ledger.claim_stranded(ttl=TTL, limit=10),
    "mark launched": lambda ledger, _, n: ledger.mark_launched([Launch(n.bound.key, n.bound.job_uid, wall())]),
    "record": lambda ledger, _, n: ledger.record([ending(n.bound)]),
    "rebuild": lambda ledger, _, n: ledger.rebuild_launched(
        started(job(n.first.cluster, n.item, n.order.scheduled_time))
    ),
    "rows": lambda ledger, _, n: ledger.rows([n.bound.key, n.order.key]),
    "obey": lambda ledger, _, n: ledger.obey(n.item.ref, Standing(n.item.ref.uid, suspended=True, deleting=False)),
    "give back": lambda ledger, _, _n: ledger.give_back(),
    "free lock": lambda ledger, _, n: ledger.free_lock(n.bound.key),
    "known objects": lambda ledger, _, _n: ledger.known_objects(),
    "gone": lambda ledger, epoch, n: ledger.reconcile(epoch, [], [n.item.ref]),
    "reports": lambda ledger, epoch, _n: ledger.reports(epoch, limit=10),
    "releases": lambda ledger, epoch, _n: ledger.releases(epoch, limit=10),
    "released": lambda ledger, epoch, n: ledger.released(epoch, [n.bound.key]),
    "surplus": lambda ledger, epoch, _n: ledger.surplus(epoch, limit=10),
    "expected jobs": lambda ledger, epoch, _n: ledger.expected_jobs(epoch),
    "suspect locks": lambda ledger, epoch, _n: ledger.suspect_locks(epoch),
    "absent": lambda ledger, _, n: ledger.absent([n.bound.key]),
    "outbox": lambda ledger, epoch, _n: ledger.outbox(epoch, limit=10),
    "posted": lambda ledger, epoch, _n: ledger.posted(epoch, list(range(100))),
    "prune": lambda ledger, epoch, _n: ledger.prune(epoch, older_than=timedelta(0)),
    "sweep": lambda ledger, epoch, _n: ledger.sweep(epoch),
    "tend gate": lambda ledger, epoch, _n: ledger.tend_gate(epoch),
    "make partitions": lambda ledger, epoch, _n: ledger.make_partitions(epoch),
    "drop partitions": lambda ledger, epoch, _n: ledger.drop_partitions(epoch, audit=TTL * 9**7, job_logs=TTL * 9**7),
    "resource version": lambda ledger, epoch, _n: ledger.note_resource_version(epoch, 1),
    "open term": lambda ledger, _, _n: ledger.open_term(),
}
EMPTY: tuple[object, ...] = (None, 0, False, [], {}, (0, []))
TABLES = (
    "schedules",
    "schedule_state",
    "runs",
    "attempts",
    "queue_locks",
    "job_logs",
    "run_events",
    "object_events",
    "closures",
)


async def contents(world: World) -> dict[str, list[object]]:
    tables = (*TABLES, "terms", "clusters", "replicas")
    return {
        name: list(await world.sql(f"SELECT * FROM {name} WHERE cluster = :cluster ORDER BY 1, 2, 3"))  # noqa: S608
        for name in tables
    }


@pytest.mark.parametrize("method", METHODS)
async def test_a_neighbour_sees_and_changes_nothing(neighbours: Neighbours, method: str) -> None:
    before = await contents(neighbours.first)
    answer = await METHODS[method](neighbours.second.ledger, neighbours.second.epoch, neighbours)
    assert await contents(neighbours.first) == before
    if method == "bind":
        assert (answer.bound, answer.candidates) == ((), 0)  # type: ignore[attr-defined]
    elif method == "claim for staging":
        assert (list(answer.orders), list(answer.leftovers), list(answer.blockers)) == ([], [], [])  # type: ignore[attr-defined]
    elif method not in {"resource version", "open term", "tend gate"}:
        assert answer in EMPTY


async def test_a_quarantine_of_one_is_none_of_the_other(neighbours: Neighbours) -> None:
    first, second = neighbours.first, neighbours.second
    before = await contents(first)
    await second.sql("UPDATE clusters SET incarnation = 'of another life' WHERE cluster = :cluster")
    assert (await second.ledger.pulse(leading=True)).quarantined is not None
    assert (await first.ledger.pulse(leading=False)).quarantined is None
    theirs = finished(job(first.cluster, neighbours.item, neighbours.order.scheduled_time))
    assert await second.ledger.reconcile_incarnation(second.epoch, [theirs], []) == []
    after = await contents(first)
    assert {name: after[name] for name in TABLES} == {name: before[name] for name in TABLES}


async def test_an_object_of_the_same_uid_in_both_is_two_schedules(neighbours: Neighbours) -> None:
    # as after a copy of etcd: the clusters differ, the objects' UIDs do not
    second = neighbours.second
    await second.store(edited(neighbours.item, expression="@every 9s", concurrency=ConcurrencyPolicy.ALLOW))
    await second.plan(seconds(10))
    ids = {row.run_id for row in await second.attempts(neighbours.item)}
    assert ids
    assert not ids & {row.run_id for row in await neighbours.first.attempts(neighbours.item)}
    assert len((await second.ledger.claim_for_staging(ahead=TTL * 9, ttl=TTL, limit=10)).orders) >= 1
