"""`catchUp` in the ledger: after a pause, and that nothing else brings old ticks back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.store.catching_up import LATEST, SKIP, UNSET, every, judged, minutely, minutes_of, planned
from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import broken, declared, edited, job, now, seconds, started
from tests.store.world import World
from ticklock.domain.model import Declared
from ticklock.domain.times import Times
from ticklock.ports import Standing

# -------------------------------------------------------------------------------------------------------- after a pause


async def suspended(world: World, item: Declared) -> Declared:
    """Store it suspended; return it so. The suspension began when the object was made."""
    paused = edited(item, suspend=True)
    await world.store(paused)
    await world.sql("UPDATE schedules SET paused_at = :since WHERE uid = :uid", since=item.created_at, uid=item.ref.uid)
    return paused


@pytest.mark.parametrize(
    ("times", "pending", "lost"),
    [
        pytest.param(UNSET, [], [], id="unset: nothing older runs, nothing is told"),
        pytest.param(SKIP, [], [], id="Skip: nothing older runs, nothing is told"),
        pytest.param(LATEST, [4], [1, 2, 3], id="Latest: the latest runs"),
        pytest.param(every(2), [3, 4], [1, 2], id="All: the newest up to the limit"),
        pytest.param(every(9, 100), [3, 4], [1, 2], id="All: as far as the window goes"),
    ],
)
@pytest.mark.field("catchUp", "suspend", check="semantics")
async def test_the_end_of_a_suspension(world: World, times: Times, pending: list[int], lost: list[int]) -> None:
    paused = await suspended(world, minutely(times, ago=4))
    await world.store(edited(paused, suspend=False))
    await world.plan(seconds(0))
    assert await planned(world, paused) == pending
    assert await judged(world, paused) == [(minute, "Skipped", "ScheduleSuspended") for minute in lost]


async def test_edits_meanwhile_do_not_shorten_it(world: World) -> None:
    paused = await suspended(world, minutely(UNSET, ago=4))
    again = edited(paused, times=every())
    await world.store(again)
    await world.store(edited(again, suspend=False))
    assert await planned(world, paused) == [1, 2, 3, 4]


async def test_a_suspension_that_a_dispatcher_found_counts_from_then(world: World) -> None:
    item = minutely(every(), ago=0)
    await world.store(item)
    await world.ledger.obey(item.ref, Standing(item.ref.uid, suspended=True, deleting=False))
    since = await world.value("SELECT paused_at FROM schedules WHERE uid = :uid", uid=item.ref.uid)
    assert abs((since - now()).total_seconds()) < 30
    await world.store(edited(item, suspend=True))
    assert await world.value("SELECT paused_at FROM schedules WHERE uid = :uid", uid=item.ref.uid) == since
    await world.store(edited(edited(item)))
    assert await world.value("SELECT paused_at FROM schedules WHERE uid = :uid", uid=item.ref.uid) is None


async def test_ticks_that_were_planned_when_it_began_are_planned_again(world: World) -> None:
    item = declared(expression="@every 2s", created_at=now().replace(microsecond=0) - seconds(9), times=every())
    await world.store(item)
    await world.plan(seconds(0))
    before = await world.attempts(item)
    assert len(before) >= 4
    paused = edited(item, suspend=True)
    await world.store(paused)
    assert set(await world.verdicts(item)) == {("Skipped", "ScheduleSuspended")}
    await world.sql("UPDATE schedules SET paused_at = :since", since=item.created_at)
    await world.store(edited(paused, suspend=False))
    rows = (await world.attempts(item))[: len(before)]
    assert [(row.run_id, row.state, row.stage) for row in rows] == [
        (row.run_id, "planned", row.stage + 1) for row in before
    ]


async def test_a_spec_that_could_not_be_followed_was_a_pause_too(world: World) -> None:
    item = minutely(every(), ago=3)
    await world.store(item)
    bad = broken(item)
    await world.store(bad)
    await world.sql("UPDATE schedules SET paused_at = :since", since=item.created_at + seconds(60))
    await world.store(replace(bad, generation=3, rule=item.rule, problem=None))
    assert await planned(world, item) == [2, 3]


async def test_nothing_up_to_what_was_launched_is_part_of_a_pause(world: World) -> None:
    paused = await suspended(world, minutely(every(), ago=4))
    await world.sql(
        "UPDATE schedule_state SET last_launched_tick = :tick WHERE uid = :uid",
        tick=paused.created_at + seconds(120),
        uid=paused.ref.uid,
    )
    await world.store(edited(paused, suspend=False))
    assert await planned(world, paused) == [3, 4]


async def test_what_was_made_up_for_and_lost_with_its_commits_is_not_made_up_for_again(world: World) -> None:
    """Of four ticks the first is over and witnessed, the second runs, the third has its Job, and no row knows of it."""
    paused = await suspended(world, minutely(every(), ago=4))
    first, second, third = (paused.created_at + seconds(60 * number) for number in (1, 2, 3))
    resumed = replace(edited(paused, suspend=False), witness=first, ledger_seq=1)
    running, staged = started(job(world.cluster, paused, second)), job(world.cluster, paused, third)
    await lose_incarnation(world)
    assert await reconcile_all(world, [running, staged], [resumed]) == [staged.uid]
    rows = (await world.attempts(paused))[:4]
    assert [(minutes_of(paused, [row.scheduled_time]), row.state) for row in rows] == [
        ([1], "Unknown"),
        ([2], "launched"),
        ([3], "planned"),
        ([4], "planned"),
    ]
    assert rows[1].job_uid == running.uid


async def test_a_pause_that_an_older_release_ended_is_not_taken_for_the_next_one(world: World) -> None:
    item = minutely(every(), ago=0)
    await world.store(item)
    await world.sql("UPDATE schedules SET paused_at = :long_ago", long_ago=item.created_at - seconds(3600))
    await world.store(edited(item, suspend=True))
    since = await world.value("SELECT paused_at FROM schedules WHERE uid = :uid", uid=item.ref.uid)
    assert since > item.created_at


async def test_nothing_that_was_pruned_is_part_of_a_pause(world: World) -> None:
    paused = await suspended(world, minutely(every(), ago=4))
    await world.sql("UPDATE schedule_state SET pruned_through = :tick", tick=paused.created_at + seconds(180))
    await world.store(edited(paused, suspend=False))
    assert await planned(world, paused) == [4]


# -------------------------------------------------------------------------------------------------- no surprise runs


EACH = pytest.mark.parametrize(
    "asked",
    [
        pytest.param(UNSET, id="unset"),
        pytest.param(SKIP, id="Skip"),
        pytest.param(LATEST, id="Latest"),
        pytest.param(every(), id="All"),
    ],
)


@EACH
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"expression": "* * * * * *"}, id="another schedule"),
        pytest.param({"expression": f"0 {now().hour} * * *", "time_zone": "Asia/Kolkata"}, id="another zone"),
        pytest.param({"starting_deadline": seconds(3600)}, id="a longer deadline"),
        pytest.param({"times": every()}, id="catchUp itself"),
        pytest.param({"times": Times(every_seconds=1), "expression": None}, id="a distance"),
    ],
)
@pytest.mark.field("catchUp", check="semantics")
async def test_an_edit_launches_nothing_that_was_due_before_it(
    world: World, asked: Times, change: dict[str, Any]
) -> None:
    """The schedule before the edit was in force until then: it left nothing to be made up for."""
    item = declared(expression="0 0 1 1 *", created_at=now().replace(microsecond=0) - seconds(3000), times=asked)
    await world.store(item)
    await world.set_cursor(item, now())
    before = await world.value("SELECT clock_timestamp()")
    await world.store(edited(item, **change))
    await world.plan(seconds(1))
    assert all(row.scheduled_time > before for row in await world.attempts(item))


@EACH
async def test_another_annotation_or_label_is_no_change_at_all(world: World, asked: Times) -> None:
    item = declared(expression="* * * * * *", times=asked)
    await world.store(item)
    assert (await world.ledger.reconcile(world.epoch, [replace(item, trigger=None)], []))[0] == 0


@EACH
async def test_one_made_again_owes_nothing_of_the_one_before(world: World, asked: Times) -> None:
    old = declared(expression="* * * * * *", created_at=now() - seconds(3000), times=asked)
    await world.store(old)
    new = declared(old.ref.name, expression="* * * * * *", times=asked)
    await world.store(new)
    await world.plan(seconds(1))
    assert all(row.scheduled_time > new.created_at for row in await world.attempts(new))
    assert not [row for row in await world.attempts(old) if row.state == "planned"]


@pytest.mark.parametrize(
    ("times", "pending"),
    [
        pytest.param(UNSET, [], id="unset: nothing from before"),
        pytest.param(SKIP, [], id="Skip: nothing from before"),
        pytest.param(LATEST, [4], id="Latest: the latest since its creation"),
        pytest.param(every(2), [3, 4], id="All: the newest since its creation"),
    ],
)
async def test_an_old_object_that_is_new_to_us(world: World, times: Times, pending: list[int]) -> None:
    item = minutely(times, ago=4)
    await world.store(item)
    await world.plan(seconds(0))
    assert await planned(world, item) == pending


async def test_what_its_status_bears_witness_of_is_not_made_up_for(world: World) -> None:
    item = minutely(every(), ago=4)
    await world.store(replace(item, witness=item.created_at + seconds(120)))
    await world.plan(seconds(0))
    assert await planned(world, item) == [3, 4]
