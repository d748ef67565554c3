"""Edits whose commits were lost, or that came back with an older cluster, are in force before anything is decided."""

import pytest

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import declared, edited, job, started
from tests.store.world import World

ITEM = declared()


async def lose_commits(world: World) -> None:
    await lose_incarnation(world)


async def set_back(world: World) -> None:
    await world.ledger.note_resource_version(world.epoch, 100)
    await world.ledger.note_resource_version(world.epoch, 1)


async def spec_of(world: World) -> tuple[int, bool]:
    row = await world.one("SELECT * FROM schedules WHERE uid = :uid", uid=ITEM.ref.uid)
    return row.generation, row.suspend


async def test_a_suspension_that_was_lost_keeps_what_is_planned_from_running(world: World) -> None:
    await world.store(ITEM)
    await world.plan()
    assert [row.state for row in await world.attempts()] == ["planned"]
    await lose_commits(world)
    await reconcile_all(world, [], [edited(ITEM, suspend=True)])
    assert await spec_of(world) == (2, True)
    assert await world.verdicts() == [("Skipped", "ScheduleSuspended")]
    await world.plan()
    assert [row.state for row in await world.attempts()] == ["Skipped"]


async def test_a_job_that_was_staged_by_the_old_spec_is_taken_away(world: World) -> None:
    await world.store(ITEM)
    await world.plan()
    (row,) = await world.attempts()
    staged = job(world.cluster, ITEM, row.scheduled_time)
    await lose_commits(world)
    assert await reconcile_all(world, [staged], [edited(ITEM, suspend=True)]) == [staged.uid]
    assert await world.verdicts() == [("Skipped", "ScheduleSuspended")]


async def test_a_started_run_keeps_its_row(world: World) -> None:
    await world.store(ITEM)
    await world.plan()
    bound = await world.run_first()
    view = started(job(world.cluster, ITEM, bound.scheduled_time, uid=bound.job_uid, name=bound.job_name))
    await lose_commits(world)
    assert await reconcile_all(world, [view], [edited(ITEM, suspend=True)]) == []
    assert (await world.attempt(bound.key)).state == "launched"
    assert await spec_of(world) == (2, True)


async def test_an_expression_that_was_lost_decides_which_ticks_are_owed(world: World) -> None:
    await world.store(ITEM)
    await world.plan()
    await lose_commits(world)
    await reconcile_all(world, [], [edited(ITEM, expression="@every 1h")])
    assert await world.verdicts() == [("Skipped", "SpecChanged")]


@pytest.mark.parametrize("suspend", [True, False], ids=["suspended", "not suspended"])
async def test_a_cluster_that_was_set_back_is_obeyed_at_once(world: World, *, suspend: bool) -> None:
    old = edited(ITEM, suspend=suspend)
    await world.store(old)
    await world.store(edited(old, suspend=not suspend))
    await set_back(world)
    await reconcile_all(world, [], [old])
    assert (await spec_of(world))[1] is suspend


async def test_where_nothing_new_is_said_nothing_is_staged_anew(world: World) -> None:
    await world.store(ITEM)
    await world.plan()
    await lose_commits(world)
    await reconcile_all(world, [], [ITEM])
    assert [(row.state, row.stage) for row in await world.attempts()] == [("planned", 1)]
