"""Edits whose commits were lost, or that came back with an older cluster, are in force before anything is decided."""

import pytest

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import declared, edited, job, started
from tests.store.world import World
from ticklock.domain.model import Declared


@pytest.fixture
def item() -> Declared:
    """An object made an instant ago: its one planned tick lies ahead."""
    return declared()


async def lose_commits(world: World) -> None:
    await lose_incarnation(world)


async def set_back(world: World) -> None:
    await world.ledger.note_resource_version(world.epoch, 100)
    await world.ledger.note_resource_version(world.epoch, 1)


async def spec_of(world: World, item: Declared) -> tuple[int, bool]:
    row = await world.one("SELECT * FROM schedules WHERE uid = :uid", uid=item.ref.uid)
    return row.generation, row.suspend


async def test_a_suspension_that_was_lost_keeps_what_is_planned_from_running(world: World, item: Declared) -> None:
    await world.store(item)
    await world.plan()
    assert [row.state for row in await world.attempts()] == ["planned"]
    await lose_commits(world)
    await reconcile_all(world, [], [edited(item, suspend=True)])
    assert await spec_of(world, item) == (2, True)
    assert await world.verdicts() == [("Skipped", "ScheduleSuspended")]
    await world.plan()
    assert [row.state for row in await world.attempts()] == ["Skipped"]


async def test_a_job_that_was_staged_by_the_old_spec_is_taken_away(world: World, item: Declared) -> None:
    await world.store(item)
    await world.plan()
    (row,) = await world.attempts()
    staged = job(world.cluster, item, row.scheduled_time)
    await lose_commits(world)
    assert await reconcile_all(world, [staged], [edited(item, suspend=True)]) == [staged.uid]
    assert await world.verdicts() == [("Skipped", "ScheduleSuspended")]


async def test_a_started_run_keeps_its_row(world: World, item: Declared) -> None:
    await world.store(item)
    await world.plan()
    bound = await world.run_first()
    view = started(job(world.cluster, item, bound.scheduled_time, uid=bound.job_uid, name=bound.job_name))
    await lose_commits(world)
    assert await reconcile_all(world, [view], [edited(item, suspend=True)]) == []
    assert (await world.attempt(bound.key)).state == "launched"
    assert await spec_of(world, item) == (2, True)


async def test_an_expression_that_was_lost_decides_which_ticks_are_owed(world: World, item: Declared) -> None:
    await world.store(item)
    await world.plan()
    await lose_commits(world)
    await reconcile_all(world, [], [edited(item, expression="@every 1h")])
    assert await world.verdicts() == [("Skipped", "SpecChanged")]


@pytest.mark.parametrize("suspend", [True, False], ids=["suspended", "not suspended"])
async def test_a_cluster_that_was_set_back_is_obeyed_at_once(world: World, item: Declared, *, suspend: bool) -> None:
    old = edited(item, suspend=suspend)
    await world.store(old)
    await world.store(edited(old, suspend=not suspend))
    await set_back(world)
    await reconcile_all(world, [], [old])
    assert (await spec_of(world, item))[1] is suspend


async def test_where_nothing_new_is_said_nothing_is_staged_anew(world: World, item: Declared) -> None:
    await world.store(item)
    await world.plan()
    await lose_commits(world)
    await reconcile_all(world, [], [item])
    assert [(row.state, row.stage) for row in await world.attempts()] == [("planned", 1)]
