"""While the ledger is another one than the cluster was compared with, nothing is decided."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.store.losses import first_answer, lose_incarnation, reconcile_all
from tests.store.makers import declared, job, job_of, key_of, now, seconds, started
from tests.store.world import TTL, World, ending
from ticklock.domain.errors import Unready
from ticklock.domain.model import AttemptState, JobUid
from ticklock.domain.reasons import Reason
from ticklock.ports import Ending, StageOrder
from ticklock.store.ledger import PostgresLedger
from ticklock.store.migrate import migrate
from tools.devcluster.postgres import Postgres

ITEM = declared()
ORDER = StageOrder(
    key=key_of(World.NOBODY, ITEM, now()),
    run_key="tick:0",
    ref=ITEM.ref,
    generation=1,
    stage=1,
    token=1,
    suffix=0,
    scheduled_time=now(),
    due_at=now(),
    deadline_at=None,
    job_template={},
    policy="Allow",
)
NO_END = Ending(ORDER.key, JobUid("none"), AttemptState.COMPLETED, Reason.JOB_COMPLETED, "")
DECISIONS: dict[str, Callable[[PostgresLedger, int], Awaitable[object]]] = {
    "plan": lambda ledger, _: ledger.plan(horizon=seconds(3), limit=10),
    "claim for staging": lambda ledger, _: ledger.claim_for_staging(ahead=TTL, ttl=TTL, limit=10),
    "bind": lambda ledger, _: ledger.bind(ttl=TTL, limit=10, verified=frozenset()),
    "claim stranded": lambda ledger, _: ledger.claim_stranded(ttl=TTL, limit=10),
    "fail unstarted": lambda ledger, _: ledger.fail_unstarted(ORDER, Reason.JOB_REJECTED, ""),
    "obey": lambda ledger, _: ledger.obey(ITEM.ref, None),
    "reconcile": lambda ledger, epoch: ledger.reconcile(epoch, [ITEM], []),
    "prune": lambda ledger, epoch: ledger.prune(epoch, older_than=timedelta(0)),
    "record": lambda ledger, _: ledger.record([NO_END]),
    "still owed": lambda ledger, _: ledger.still_owed(job(World.NOBODY, ITEM, now())),
}


class TestTheGate:
    @pytest.mark.parametrize("method", DECISIONS)
    async def test_a_fresh_database_decides_nothing(self, fresh_world: World, method: str) -> None:
        await fresh_world.ledger.pulse(leading=True)
        epoch = await fresh_world.ledger.open_term()
        with pytest.raises(Unready, match="Quarantine"):
            await DECISIONS[method](fresh_world.ledger, epoch)
        assert await fresh_world.ledger.reconcile_incarnation(epoch, [], []) == []
        await DECISIONS[method](fresh_world.ledger, epoch)

    @pytest.mark.parametrize("method", DECISIONS)
    async def test_another_incarnation_decides_nothing(self, world: World, method: str) -> None:
        await lose_incarnation(world)
        with pytest.raises(Unready, match="restarted or was replaced"):
            await DECISIONS[method](world.ledger, world.epoch)

    async def test_without_a_row_of_the_cluster_nothing_is_decided(self, fresh_world: World) -> None:
        with pytest.raises(Unready):
            await fresh_world.plan()

    async def test_without_a_schema_nothing_is_decided(self, empty_database: str) -> None:
        stranger = World(empty_database)
        try:
            with pytest.raises(Unready, match="ticklock migrate"):
                await stranger.plan()
        finally:
            await stranger.close()

    async def test_marks_are_written_meanwhile_and_ends_wait(self, world: World) -> None:
        item = declared()
        await world.store(item)
        await world.plan()
        await world.stage()
        await world.make_due()
        (bound,) = (await world.bind()).bound
        await lose_incarnation(world)
        await world.launch([bound])
        with pytest.raises(Unready, match="Quarantine"):
            await world.ledger.record([ending(bound)])
        await reconcile_all(world, [started(job_of(bound))], [item])
        assert await world.ledger.record([ending(bound)]) == 1

    async def test_the_pulse_tells_it_and_when_it_is_over(self, world: World) -> None:
        await lose_incarnation(world)
        assert "restarted" in str((await world.ledger.pulse(leading=True)).quarantined)
        await reconcile_all(world, [], [])
        assert (await world.ledger.pulse(leading=True)).quarantined is None

    async def test_a_restart_of_the_server_closes_it_for_everybody(self) -> None:
        with Postgres() as server:
            migrate(server.url)
            world = World(server.url)
            try:
                await world.open(ITEM)
                await world.plan()
                await asyncio.to_thread(server.restart)
                for ledger in (world.ledger, world.replica()):
                    await first_answer(ledger)
                    for decide in DECISIONS.values():
                        with pytest.raises(Unready, match="restarted or was replaced"):
                            await decide(ledger, world.epoch)
                await reconcile_all(world, [], [ITEM])
                await DECISIONS["plan"](world.ledger, world.epoch)
                assert len(await world.attempts()) >= 1
            finally:
                await world.close()
