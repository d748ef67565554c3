"""Ticks become rows, and the cursor moves with them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.store.makers import declared, edited, key_of, now, seconds
from tests.store.world import World, wall
from ticklock.domain.backlog import MISSED_ROWS
from ticklock.domain.errors import Transient
from ticklock.domain.model import AttemptState
from ticklock.domain.reasons import Reason
from ticklock.store import planning


async def test_every_tick_up_to_the_horizon_becomes_one_pending_run(world: World) -> None:
    item = declared(expression="@every 2s")
    await world.store(item)
    await world.plan(seconds(20))
    ticks = [row.scheduled_time for row in await world.attempts(item)]
    assert ticks == [item.created_at + seconds(2 * (i + 1)) for i in range(len(ticks))]
    assert 9 <= len(ticks) <= 11
    assert await world.verdicts(item) == [("planned", None)] * len(ticks)


async def test_planning_again_gives_nothing_new(world: World) -> None:
    await world.store(declared(expression="@every 2s"))
    await world.plan(seconds(20))
    before = [row.run_id for row in await world.attempts()]
    assert await world.plan(seconds(20)) in {0, 1}
    await world.plan(seconds(19))
    assert [row.run_id for row in await world.attempts()][: len(before)] == before


async def test_planning_in_chunks_gives_the_same_rows(world: World) -> None:
    item = declared(expression="*/3 * * * * *")
    await world.store(item)
    for horizon in (1, 2, 5, 5.5, 11, 30):
        await world.plan(seconds(horizon))
    in_chunks = [row.run_id for row in await world.attempts(item)]
    state = await world.state_of(item)
    await world.sql("DELETE FROM runs WHERE schedule_uid = :uid", uid=item.ref.uid)
    await world.set_cursor(item, item.created_at)
    await world.plan(state.cursor - wall())
    at_once = [row.run_id for row in await world.attempts(item)]
    assert at_once == in_chunks[: len(at_once)]
    assert len(in_chunks) - len(at_once) <= 1


async def test_planning_after_a_loss_gives_the_same_ids(world: World) -> None:
    item = declared(expression="@every 3s")
    await world.store(item)
    await world.plan()
    before = [row.run_id for row in await world.attempts(item)]
    await world.sql("DELETE FROM runs WHERE schedule_uid = :uid", uid=item.ref.uid)
    await world.set_cursor(item, item.created_at)
    await world.plan()
    after = [row.run_id for row in await world.attempts(item)]
    assert after[: len(before)] == before
    assert before[0] == key_of(world.cluster, item, item.created_at + seconds(3)).run_id


async def test_a_crash_between_rows_and_cursor_leaves_neither(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    item = declared(expression="@every 3s")
    await world.store(item)
    before = await world.state_of(item)

    async def crash(connection: AsyncConnection, *_: object) -> None:
        # Ends this very connection, as a killed replica would: PostgreSQL rolls back.
        pid = await connection.exec_driver_sql("SELECT pg_backend_pid()")
        await world.sql("SELECT pg_terminate_backend(:pid)", pid=pid.scalar_one())
        await connection.exec_driver_sql("SELECT 1")

    with monkeypatch.context() as patched:
        patched.setattr(planning, "move_cursors", crash)
        with pytest.raises(Transient):
            await world.replica().plan(horizon=seconds(12), limit=10)
    assert await world.attempts() == []
    assert (await world.state_of(item)).cursor == before.cursor
    await world.plan()
    assert len(await world.attempts()) >= 3


async def test_replicas_that_plan_at_once_plan_each_schedule_once(world: World) -> None:
    await world.store(*(declared(f"s{i}", expression="@every 2s") for i in range(60)))
    replicas = [world.replica(f"r{i}") for i in range(5)]
    planned = await asyncio.gather(*(replica.plan(horizon=seconds(9), limit=25) for replica in replicas))
    assert sum(planned) == 60
    rows = await world.attempts()
    assert len({row.run_id for row in rows}) == len(rows) >= 240
    assert await world.value("SELECT count(*) FROM run_events WHERE status = 'Planned'") == len(rows)


async def test_nothing_at_or_below_pruned_through_is_planned_again(world: World) -> None:
    item = declared(expression="@every 2s")
    await world.store(item)
    pruned = item.created_at + seconds(10)
    await world.sql(
        "UPDATE schedule_state SET pruned_through = :pruned WHERE uid = :uid", pruned=pruned, uid=item.ref.uid
    )
    await world.plan(seconds(20))
    assert min(row.scheduled_time for row in await world.attempts(item)) == pruned + seconds(2)


async def test_the_cursor_never_moves_back(world: World) -> None:
    item = declared(expression="@every 2s")
    await world.store(item)
    await world.plan(seconds(20))
    far = (await world.state_of(item)).cursor
    await world.sql("UPDATE schedule_state SET next_tick = clock_timestamp() WHERE uid = :uid", uid=item.ref.uid)
    await world.plan(seconds(1))
    assert (await world.state_of(item)).cursor == far


async def test_the_first_tick_lies_after_the_creation(world: World) -> None:
    created = now().replace(microsecond=0) - seconds(7)
    item = declared(expression="*/2 * * * * *", created_at=created)
    await world.store(item)
    await world.plan(seconds(1))
    ticks = [row.scheduled_time for row in await world.attempts(item)]
    assert min(ticks) > created
    assert min(ticks) <= created + seconds(2)


async def test_an_old_object_that_is_new_to_us_owes_nothing(world: World) -> None:
    item = declared(expression="* * * * * *", created_at=now() - timedelta(days=9))
    before = now()
    await world.store(item)
    await world.plan(seconds(1))
    assert all(row.scheduled_time > before for row in await world.attempts(item))


async def test_a_schedule_that_cannot_be_planned_stops_nobody_else(world: World) -> None:
    broken, sound = declared("broken"), declared("sound")
    await world.store(broken, sound)
    await world.sql("UPDATE schedules SET expression = 'nonsense' WHERE uid = :uid", uid=broken.ref.uid)
    assert await world.plan() == 2
    assert await world.verdicts(broken) == []
    assert len(await world.verdicts(sound)) >= 1
    mended = edited(broken, expression="@every 4s")
    await world.store(mended)
    await world.plan()
    assert len(await world.verdicts(broken)) >= 2


class TestAfterAnOutage:
    async def test_only_the_latest_tick_is_pending_the_others_are_missed(self, world: World) -> None:
        item = declared(
            expression="@every 1m", created_at=now().replace(microsecond=0) - timedelta(minutes=10, seconds=30)
        )
        await world.store(item)
        await world.set_cursor(item, item.created_at)
        await world.plan(seconds(1))
        verdicts = await world.verdicts(item)
        assert verdicts == [("Missed", Reason.OUTAGE)] * 9 + [("planned", None)]
        logs = await world.sql("SELECT status, remark FROM job_logs")
        assert {log.status for log in logs} == {"Exited"}
        assert len(logs) == 9

    async def test_beyond_the_deadline_even_the_latest_is_missed(self, world: World) -> None:
        item = declared(
            expression="@every 1m",
            created_at=now().replace(microsecond=0) - timedelta(minutes=4, seconds=30),
            starting_deadline=seconds(20),
        )
        await world.store(item)
        await world.set_cursor(item, item.created_at)
        await world.plan(seconds(1))
        assert await world.verdicts(item) == [("Missed", Reason.DEADLINE_EXCEEDED)] * 4

    async def test_a_long_one_is_one_row_with_its_range(self, world: World) -> None:
        item = declared(expression="@every 1m", created_at=now().replace(microsecond=0) - timedelta(days=3, seconds=30))
        await world.store(item)
        await world.set_cursor(item, item.created_at)
        await world.plan(seconds(1))
        missed, pending = await world.attempts(item)
        assert (missed.state, pending.state) == ("Missed", "planned")
        assert missed.scheduled_time == pending.scheduled_time - seconds(60)
        first = item.created_at + seconds(60)
        assert f"all ticks from {first:%FT%TZ} to {missed.scheduled_time:%FT%TZ}" in missed.message

    @pytest.mark.parametrize(
        ("lost", "rows"),
        [
            pytest.param(MISSED_ROWS, MISSED_ROWS, id="a hundred are told one by one"),
            pytest.param(MISSED_ROWS + 1, 1, id="a hundred and one are told as a range"),
        ],
    )
    @pytest.mark.parametrize("deadline", [None, seconds(20)], ids=["the latest runs", "the latest is too late"])
    async def test_the_limit_counts_the_missed(
        self, world: World, lost: int, rows: int, deadline: timedelta | None
    ) -> None:
        ticks = lost + (deadline is None)
        created = now().replace(microsecond=0) - timedelta(minutes=ticks, seconds=30)
        item = declared(expression="@every 1m", created_at=created, starting_deadline=deadline)
        await world.store(item)
        await world.set_cursor(item, item.created_at)
        await world.plan(seconds(1))
        states = [state for state, _ in await world.verdicts(item)]
        assert states == [AttemptState.MISSED] * rows + [AttemptState.PLANNED] * (deadline is None)


async def test_times_are_utc_whatever_zone_the_server_lives_in(world: World) -> None:
    name = await world.value("SELECT current_database()")
    async with world.db.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET timezone = 'America/New_York'")
        await plain.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET datestyle = 'SQL, DMY'")
    replica = world.replica("elsewhere")
    item = declared(expression="@every 1m", created_at=now().replace(microsecond=0) - timedelta(minutes=4, seconds=20))
    await replica.pulse(leading=False)
    await world.store(item)
    await world.set_cursor(item, item.created_at)
    await replica.plan(horizon=seconds(1), limit=10)
    assert (await replica.pulse(leading=False)).db_now.tzinfo in {UTC, None} or (
        await replica.pulse(leading=False)
    ).db_now.utcoffset() == timedelta(0)
    missed = (await world.attempts(item))[0]
    claim = await replica.claim_for_staging(ahead=seconds(1), ttl=seconds(10), limit=10)
    assert all(order.scheduled_time.utcoffset() == timedelta(0) for order in claim.orders)
    assert missed.scheduled_time == item.created_at + seconds(60)
    assert datetime.fromisoformat(str(missed.scheduled_time)).astimezone(UTC) == missed.scheduled_time
