"""`catchUp` in the ledger: at the plan and at the bind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.store.catching_up import FORBID, LATEST, SKIP, UNSET, every, judged, minutely, minutes_of, outage, planned
from tests.store.makers import seconds
from tests.store.world import TTL, World, ending
from tests.support.databases import MAJORS
from ticklock.domain.model import Declared
from ticklock.domain.reasons import Reason
from ticklock.domain.times import Times
from ticklock.ports import BindOutcome

# ------------------------------------------------------------------------------------------------------------- the plan


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize(
    ("times", "pending", "lost"),
    [
        pytest.param(UNSET, [4], {1: Reason.OUTAGE, 2: Reason.OUTAGE, 3: Reason.OUTAGE}, id="unset: the latest"),
        pytest.param(SKIP, [], dict.fromkeys([1, 2, 3, 4], Reason.OUTAGE), id="Skip: none"),
        pytest.param(LATEST, [4], dict.fromkeys([1, 2, 3], Reason.OUTAGE), id="Latest: the latest"),
        pytest.param(every(), [1, 2, 3, 4], {}, id="All: each"),
        pytest.param(every(3), [2, 3, 4], {1: Reason.CATCH_UP_LIMIT}, id="All: up to the limit"),
        pytest.param(
            every(9, 100), [3, 4], dict.fromkeys([1, 2], Reason.CATCH_UP_WINDOW), id="All: as far as the window goes"
        ),
    ],
)
@pytest.mark.field("catchUp", check="semantics")
async def test_after_an_outage(world: World, times: Times, pending: list[int], lost: dict[int, Reason]) -> None:
    item = await outage(world, minutely(times, ago=4))
    await world.plan(seconds(0))
    assert await planned(world, item) == pending
    assert await judged(world, item) == [(minute, "Missed", reason) for minute, reason in lost.items()]
    assert len(await world.sql("SELECT * FROM job_logs WHERE status = 'Exited'")) == len(lost)
    events = [event for event in await world.ledger.outbox(world.epoch, limit=50) if event.state == "Missed"]
    assert [event.reason for event in events] == list(lost.values())


@pytest.mark.parametrize("server", MAJORS, indirect=True)
async def test_a_long_outage_is_one_record_that_tells_first_last_and_count(world: World) -> None:
    item = await outage(world, minutely(every(5), ago=3000))
    await world.plan(seconds(0))
    assert await planned(world, item) == [2996, 2997, 2998, 2999, 3000]
    (run,) = await world.sql("SELECT * FROM runs WHERE state = 'Missed'")
    assert (run.reason, run.ticks) == (Reason.OUTAGE, 2995)
    assert minutes_of(item, [run.first_tick, run.scheduled_time]) == [1, 2995]
    assert "fell into an outage: 2995 of them" in run.message
    (event,) = [one for one in await world.ledger.outbox(world.epoch, limit=50) if one.state == "Missed"]
    assert (event.ticks, run.message in event.note) == (2995, True)
    assert await world.value("SELECT count(*) FROM run_events WHERE run_id = :id", id=run.id) == 1
    assert await world.value("SELECT count(*) FROM job_logs WHERE run_id = :id", id=run.id) == 1


async def test_a_single_missed_tick_is_no_range(world: World) -> None:
    await outage(world, minutely(every(1), ago=2))
    await world.plan(seconds(0))
    (run,) = await world.sql("SELECT * FROM runs WHERE state = 'Missed'")
    assert (run.first_tick, run.ticks) == (None, None)


# ------------------------------------------------------------------------------------------------------------- the bind


async def late(world: World, times: Times, *, ago: int = 4, **changes: Any) -> Declared:
    """Planned all along, in time, and staged by nobody: the API server was away."""
    item = await outage(world, minutely(every(1000), ago=ago, **changes))
    await world.plan(seconds(0))
    assert await planned(world, item) == list(range(1, ago + 1))
    document = Times(catch_up=times.catch_up).stored()
    await world.sql(
        "UPDATE schedules SET times = CAST(:times AS jsonb) WHERE uid = :uid",
        times=None if document is None else json.dumps(document),
        uid=item.ref.uid,
    )
    return item


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize(
    ("times", "claimed", "lost"),
    [
        pytest.param(UNSET, [4], dict.fromkeys([1, 2, 3], Reason.OUTAGE), id="unset: the latest"),
        pytest.param(SKIP, [], dict.fromkeys([1, 2, 3, 4], Reason.OUTAGE), id="Skip: none"),
        pytest.param(LATEST, [4], dict.fromkeys([1, 2, 3], Reason.OUTAGE), id="Latest: the latest"),
        pytest.param(every(), [1, 2, 3, 4], {}, id="All: each"),
        pytest.param(every(3), [2, 3, 4], {1: Reason.CATCH_UP_LIMIT}, id="All: up to the limit"),
        pytest.param(
            every(9, 100), [3, 4], dict.fromkeys([1, 2], Reason.CATCH_UP_WINDOW), id="All: as far as the window goes"
        ),
    ],
)
async def test_an_outage_of_the_api_server_is_judged_alike(
    world: World, times: Times, claimed: list[int], lost: dict[int, Reason]
) -> None:
    item = await late(world, times)
    orders = await world.claim()
    assert minutes_of(item, sorted(order.scheduled_time for order in orders)) == claimed
    assert await judged(world, item) == [(minute, "Missed", reason) for minute, reason in lost.items()]


async def bind(world: World, item: Declared) -> BindOutcome:
    """Bind what is due; on a slow machine the leader may seem to be gone, and the object is to be looked at first."""
    return await world.ledger.bind(ttl=TTL, limit=1000, verified=frozenset({item.ref.uid}))


async def test_it_is_asked_again_in_the_transaction_that_binds(world: World) -> None:
    item = await late(world, every(1000))
    await world.stage()
    await world.sql("UPDATE schedules SET times = CAST(:times AS jsonb)", times=json.dumps(every(2).stored()))
    outcome = await bind(world, item)
    assert minutes_of(item, sorted(bound.scheduled_time for bound in outcome.bound)) == [3, 4]
    assert len(outcome.leftovers) == 2
    assert await judged(world, item) == [(1, "Missed", "CatchUpLimit"), (2, "Missed", "CatchUpLimit")]


async def test_those_that_ran_already_count_towards_the_limit(world: World) -> None:
    item = await late(world, every(2), ago=6)
    newest = (await world.attempts(item))[-1]
    await world.sql(
        "UPDATE attempts SET state = 'Completed', job_uid = 'u', bound_at = clock_timestamp() WHERE run_id = :id",
        id=newest.run_id,
    )
    orders = await world.claim()
    assert minutes_of(item, [order.scheduled_time for order in orders]) == [5]
    assert [reason for _, _, reason in await judged(world, item)] == ["CatchUpLimit"] * 4


async def test_those_that_ran_in_time_do_not(world: World) -> None:
    item = await late(world, every(2), ago=6)
    newest = (await world.attempts(item))[-1]
    await world.sql(
        "UPDATE attempts SET state = 'Completed', job_uid = 'u', bound_at = due_at WHERE run_id = :id",
        id=newest.run_id,
    )
    orders = await world.claim()
    assert minutes_of(item, sorted(order.scheduled_time for order in orders)) == [4, 5]


class TestUnderForbid:
    async def test_all_run_one_after_another_the_oldest_first(self, world: World) -> None:
        item = await late(world, every(), ago=3, concurrency=FORBID)
        for minute in (1, 2, 3):
            await world.sql("UPDATE attempts SET not_before = NULL WHERE state = 'planned'")
            (order,) = await world.stage()
            assert minutes_of(item, [order.scheduled_time]) == [minute], "no Job is made for those that have to wait"
            (bound,) = (await bind(world, item)).bound
            await world.launch([bound])
            await world.ledger.record([ending(bound)])
        assert [state for state, _ in await world.verdicts(item)] == ["Completed"] * 3

    async def test_while_one_runs_the_others_wait(self, world: World) -> None:
        item = await late(world, every(), ago=3, concurrency=FORBID)
        await world.stage()
        await world.launch((await bind(world, item)).bound)
        await world.sql("UPDATE attempts SET not_before = NULL WHERE state = 'planned'")
        assert await world.claim() == []
        waiting = [row for row in await world.attempts(item) if row.state == "planned"]
        assert [row.reason for row in waiting] == ["WaitingForRun"] * 2

    @pytest.mark.parametrize(
        ("freed", "claimed"),
        [
            pytest.param(5, 1, id="a moment after the run before it ended, it runs"),
            pytest.param(20, 0, id="long after, it was missed"),
        ],
    )
    async def test_under_skip_a_wait_for_a_run_is_no_lateness(self, world: World, freed: float, claimed: int) -> None:
        item = await late(world, SKIP, ago=2, concurrency=FORBID)
        first = (await world.attempts(item))[0]
        await world.sql(
            "UPDATE attempts SET state = 'Completed', job_uid = 'u', bound_at = due_at, "
            "finished_at = clock_timestamp() - CAST(:freed AS interval) WHERE run_id = :id",
            freed=seconds(freed),
            id=first.run_id,
        )
        assert len(await world.claim()) == claimed
        assert await judged(world, item) == ([] if claimed else [(2, "Missed", "Outage")])
