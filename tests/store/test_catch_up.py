"""`catchUp` in the ledger: at the plan, at the bind, and after a pause."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import broken, declared, edited, job, now, seconds, started
from tests.store.world import TTL, World, ending
from tests.support.databases import MAJORS
from ticklock.domain.catch_up import CatchUp, CatchUpPolicy
from ticklock.domain.model import ConcurrencyPolicy, Declared
from ticklock.domain.reasons import Reason
from ticklock.domain.times import NOTHING_MORE, Times
from ticklock.ports import BindOutcome, Standing

SKIP = Times(catch_up=CatchUp(CatchUpPolicy.SKIP))
LATEST = Times(catch_up=CatchUp())
UNSET = NOTHING_MORE
FORBID = ConcurrencyPolicy.FORBID


def every(limit: int = 10, window: float | None = None) -> Times:
    return Times(catch_up=CatchUp(CatchUpPolicy.ALL, limit, None if window is None else seconds(window)))


def minutely(times: Times = UNSET, *, ago: float = 0, **changes: Any) -> Declared:
    """A schedule of each full minute of its life, which began so many minutes and thirty seconds ago."""
    created = now().replace(microsecond=0) - timedelta(minutes=ago, seconds=30)
    return declared(expression="@every 1m", created_at=created, times=times, **changes)


def minutes_of(item: Declared, ticks: list[datetime]) -> list[int]:
    return [round((tick - item.created_at).total_seconds() / 60) for tick in ticks]


async def outage(world: World, item: Declared) -> Declared:
    """Let nothing have been planned since the object was made."""
    await world.store(item)
    await world.set_cursor(item, item.created_at)
    return item


async def planned(world: World, item: Declared) -> list[int]:
    return minutes_of(item, [row.scheduled_time for row in await world.attempts(item) if row.state == "planned"])


async def judged(world: World, item: Declared) -> list[tuple[int, str, str]]:
    rows = [row for row in await world.attempts(item) if row.state in {"Missed", "Skipped"}]
    return [(minutes_of(item, [row.scheduled_time])[0], row.state, row.reason) for row in rows]


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
