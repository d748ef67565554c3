"""Audit trail and JobLogs lie in partitions of a month: every row finds a place, old months go, nothing else does."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import TextClause, text

from tests.store.makers import declared, edited, seconds
from tests.store.test_indexes import walk
from tests.store.world import World, ending, wall
from tests.support.databases import MAJORS
from ticklock.domain.errors import Refused, Transient, Unready
from ticklock.domain.model import AttemptState
from ticklock.ports import Bound
from ticklock.store import chronicle
from ticklock.store.partitions import TABLES, Partitioned, months

DAYS = timedelta(days=1)
EVENTS, LOGS = TABLES


async def partitions(world: World, one: Partitioned) -> list[str]:
    rows = await world.sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = CAST(CAST(:table AS text) AS regclass) ORDER BY 1",
        table=one.table,
    )
    return [row.relname for row in rows]


async def write(world: World, one: Partitioned, at: datetime, cluster: object = None) -> None:
    """Write a row of that time."""
    row = {
        EVENTS: "INSERT INTO run_events (cluster, run_id, status, timestamp) VALUES (:of, gen_random_uuid(), 'x', :at)",
        LOGS: "INSERT INTO job_logs (cluster, app_id, job_name, status, run_id, n, created_time) "
        "VALUES (:of, gen_random_uuid(), 'x', 'Exited', gen_random_uuid(), 1, :at)",
    }[one]
    await world.sql(row, at=at, of=cluster or world.cluster)


async def places(world: World, one: Partitioned) -> list[str]:
    """Return the partition of each row, oldest first."""
    statement = f"SELECT tableoid::regclass::text FROM {one.table} WHERE run_id IS NOT NULL ORDER BY {one.key}"  # noqa: S608
    rows = await world.sql(statement)
    return [row[0] for row in rows]


async def add_month(world: World, one: Partitioned, month: datetime) -> str:
    """Make the partition of any month, as if it had been made in its time."""
    (begin, end), name = tuple(months(month, 2)), one.partition(month)
    await world.sql(f"CREATE TABLE {name} PARTITION OF {one.table} FOR VALUES FROM ('{begin}') TO ('{end}')")
    return name


async def drop(world: World, *, audit: float = 90, logs: float = 90) -> Sequence[str]:
    return await world.ledger.drop_partitions(world.epoch, audit=audit * DAYS, job_logs=logs * DAYS)


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize("one", TABLES, ids=lambda one: one.table)
class TestEveryRowHasAPlace:
    async def test_migrating_makes_this_month_and_the_next_three(self, world: World, one: Partitioned) -> None:
        ahead = [one.partition(month) for month in months(wall(), 4)]
        assert await partitions(world, one) == sorted([*ahead, one.rest])
        assert await world.ledger.make_partitions(world.epoch) == []

    @pytest.mark.parametrize(
        ("at", "month"),
        [
            pytest.param(wall(), True, id="now"),
            pytest.param(wall() + 60 * DAYS, True, id="in two months"),
            pytest.param(datetime(1999, 1, 1, tzinfo=UTC), False, id="long ago"),
            pytest.param(datetime(2999, 1, 1, tzinfo=UTC), False, id="written by a clock far ahead"),
        ],
    )
    async def test_a_row_of_any_time(self, world: World, one: Partitioned, at: datetime, *, month: bool) -> None:
        await write(world, one, at)
        assert await places(world, one) == [one.partition(at) if month else one.rest]

    async def test_rows_that_came_before_their_partition_move_into_it(self, world: World, one: Partitioned) -> None:
        await world.sql(f"DROP TABLE {one.partition(wall())}")
        for at in (wall(), wall() - 400 * DAYS):
            await write(world, one, at)
        assert set(await places(world, one)) == {one.rest}
        assert await world.ledger.make_partitions(world.epoch) == [one.partition(wall())]
        assert await places(world, one) == [one.rest, one.partition(wall())]
        await write(world, one, wall())
        assert len(await places(world, one)) == 3

    async def test_several_that_make_them_at_once_agree(self, world: World, one: Partitioned) -> None:
        for month in list(months(wall(), 4))[1:]:
            await world.sql(f"DROP TABLE {one.partition(month)}")
        await asyncio.gather(*(world.ledger.make_partitions(world.epoch) for _ in range(2)))
        assert len(await partitions(world, one)) == 5

    async def test_others_write_while_one_is_made(self, world: World, one: Partitioned) -> None:
        await world.sql(f"DROP TABLE {one.partition(wall() + 80 * DAYS)}")
        async with world.db.engine.begin() as writing:
            await writing.execute(text(f"LOCK TABLE {one.partition(wall())} IN ROW EXCLUSIVE MODE"))
            await writing.execute(text(f"LOCK TABLE ONLY {one.table} IN ROW EXCLUSIVE MODE"))
            assert len(await world.ledger.make_partitions(world.epoch)) == 1


@pytest.mark.parametrize("one", TABLES, ids=lambda one: one.table)
class TestOldMonths:
    async def test_a_month_goes_when_all_of_it_is_old(self, world: World, one: Partitioned) -> None:
        gone, half = [await add_month(world, one, wall() - age * DAYS) for age in (130, 90)]
        await write(world, one, wall() - 130 * DAYS)
        assert await drop(world) == [gone]
        assert half in await partitions(world, one)
        assert await places(world, one) == []

    async def test_what_has_no_partition_of_its_own_goes_by_its_day(self, world: World, one: Partitioned) -> None:
        for age in (91, 89):
            await write(world, one, wall() - age * DAYS)
        assert await drop(world) == []
        assert len(await places(world, one)) == 1

    async def test_each_table_has_its_own_time(self, world: World, one: Partitioned) -> None:
        gone = {table: await add_month(world, table, wall() - 130 * DAYS) for table in TABLES}
        wish = {EVENTS: {"audit": 30, "logs": 3650}, LOGS: {"audit": 3650, "logs": 30}}[one]
        assert await drop(world, **wish) == [gone[one]]

    async def test_of_several_clusters_the_longest_wish_counts(self, world: World, one: Partitioned) -> None:
        gone = await add_month(world, one, wall() - 130 * DAYS)
        other = World(world.url)
        try:
            await other.open()
            await drop(other, audit=365, logs=365)
            assert await drop(world) == []
            await drop(other, audit=30, logs=30)
            assert await partitions(world, one) == sorted(set(await partitions(world, one)) - {gone})
        finally:
            await other.close()

    async def test_a_table_that_somebody_else_attached_stays(self, world: World, one: Partitioned) -> None:
        name = f"{one.table}_of_2001"
        await world.sql(
            f"CREATE TABLE {name} PARTITION OF {one.table} FOR VALUES FROM ('2001-01-01') TO ('2002-01-01')"
        )
        assert await drop(world) == []
        assert name in await partitions(world, one)

    async def test_a_table_in_use_is_left_for_later(self, world: World, one: Partitioned) -> None:
        gone = await add_month(world, one, wall() - 130 * DAYS)
        async with world.db.engine.begin() as reading:
            await reading.execute(text(f"SELECT count(*) FROM {one.table}"))  # noqa: S608
            with pytest.raises(Transient):
                await drop(world)
        assert await drop(world) == [gone]

    @pytest.mark.parametrize(
        "doubt",
        [
            pytest.param("UPDATE clusters SET quarantine_reason = 'why' WHERE cluster = :cluster", id="in quarantine"),
            pytest.param(None, id="while the clock is not believed"),
        ],
    )
    async def test_nothing_goes_in_doubt(self, world: World, one: Partitioned, doubt: str | None) -> None:
        gone = await add_month(world, one, wall() - 130 * DAYS)
        if doubt is not None:
            await world.sql(doubt)
        else:
            world.db.wall = lambda: wall() + 900 * DAYS
            world.db.watch = type(world.db.watch)()
        with pytest.raises(Unready):
            await drop(world)
        assert gone in await partitions(world, one)


async def logs_of(world: World, bound: Bound) -> list[Any]:
    return list(
        await world.sql(
            "SELECT *, tableoid::regclass::text AS place FROM job_logs WHERE run_id = :id ORDER BY id",
            id=bound.key.run_id,
        )
    )


class TestOneLogOfAnAttempt:
    async def test_its_columns(self, world: World) -> None:
        rows = await world.sql(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attrelid = 'job_logs'::regclass AND attnum > 0"
        )
        assert {
            "id": "bigint",
            "app_id": "uuid",
            "job_name": "text",
            "status": "text",
            "remark": "text",
            "created_time": "timestamp with time zone",
            "updated_time": "timestamp with time zone",
            "run_id": "uuid",
            "n": "integer",
        }.items() <= {row[0]: row[1] for row in rows}.items()

    async def test_a_run_that_ends_in_another_month_is_written_where_it_began(self, world: World) -> None:
        await world.store(declared())
        await world.plan()
        bound = await world.run_first()
        began = wall() - 40 * DAYS
        place = await add_month(world, LOGS, began)
        for table, column in (("job_logs", "created_time"), ("attempts", "logged_at")):
            moved = f"UPDATE {table} SET {column} = :began WHERE run_id = :id"  # noqa: S608
            await world.sql(moved, began=began, id=bound.key.run_id)
        await world.ledger.record([ending(bound)])
        (log,) = await logs_of(world, bound)
        assert (log.status, log.place, log.created_time) == ("Completed", place, began)
        assert log.updated_time > wall() - seconds(60)

    async def test_what_is_planned_again_is_logged_anew(self, world: World) -> None:
        item = declared(expression="@every 5s")
        await world.store(item)
        await world.plan()
        held = edited(item, suspend=True)
        await world.store(held)
        first = await world.sql("SELECT * FROM job_logs")
        assert {log.status for log in first} == {"Exited"}
        await world.store(edited(held, suspend=False))
        assert await world.sql("SELECT * FROM job_logs") == []
        await world.run_first()
        (log,) = await world.sql("SELECT * FROM job_logs")
        assert log.status == "Processing"
        assert log.created_time > max(one.created_time for one in first)

    async def test_it_outlives_the_run_that_is_pruned_and_so_does_its_audit_trail(self, world: World) -> None:
        await world.store(declared())
        await world.plan()
        bound = await world.run_first()
        await world.ledger.record([ending(bound)])
        await world.ledger.released(world.epoch, [bound.key])
        await world.ledger.absent([bound.key])
        await world.sql(
            "UPDATE runs SET finished_at = finished_at - interval '2 days' WHERE id = :id", id=bound.key.run_id
        )
        assert await world.ledger.prune(world.epoch, older_than=DAYS) == 1
        assert [log.status for log in await logs_of(world, bound)] == ["Completed"]
        events = await world.sql("SELECT status FROM run_events WHERE run_id = :id", id=bound.key.run_id)
        assert [event.status for event in events][-1] == "JobCompleted"

    async def test_each_state_of_an_attempt_has_one(self, world: World) -> None:
        for n, state in enumerate((AttemptState.COMPLETED, AttemptState.FAILED)):
            await world.store(declared(f"of-{n}"))
            await world.plan()
            bound = await world.run_first()
            await world.ledger.record([ending(bound, state)])
            await world.ledger.record([ending(bound, state)])
            assert len(await logs_of(world, bound)) == 1


_MANY_LOGS = """
INSERT INTO job_logs (cluster, app_id, job_name, status, run_id, n, created_time)
SELECT gen_random_uuid(), gen_random_uuid(), 'x', 'Exited', gen_random_uuid(), 1,
       clock_timestamp() - interval '1 minute' * i
FROM generate_series(1, 200000) i
"""


async def test_the_log_of_an_attempt_is_met_by_one_index_of_one_partition(world: World) -> None:
    for age in (35, 70, 105, 140):
        await add_month(world, LOGS, wall() - age * DAYS)
    await world.store(declared())
    await world.plan()
    bound = await world.run_first()
    await world.sql(_MANY_LOGS)
    await world.sql("ANALYZE")
    common = {"cluster": world.cluster, "replica": world.db.replica, "run_ids": [bound.key.run_id], "ns": [1]}
    cases: dict[str, tuple[TextClause, dict[str, Any]]] = {
        "begin": (chronicle._LOG_BEGIN, {**common, "names": ["x"]}),
        "end": (chronicle._LOG_END, {**common, "names": ["x"], "statuses": ["Completed"], "remarks": [""]}),
        "take back": (chronicle._UNLOG, {"run_ids": [bound.key.run_id]}),
    }
    wrong = {case: found for case, asked in cases.items() if not (found := await plan_of(world, *asked))["good"]}
    assert wrong == {}


async def plan_of(world: World, statement: TextClause, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the plan with what it touched; good if it read no table whole and few pages."""
    async with world.db.engine.begin() as connection:
        asked = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}")
        (top,) = (await connection.execute(asked, parameters)).scalar_one()
        await connection.rollback()
    nodes = list(walk(top["Plan"]))
    read = [node for node in nodes if node["Node Type"] == "Seq Scan" and "job_logs" in node["Relation Name"]]
    whole = [node for node in read if node["Actual Rows"] + node.get("Rows Removed by Filter", 0) > 0]  # not empty ones
    touched = top["Plan"]["Shared Hit Blocks"] + top["Plan"]["Shared Read Blocks"]
    return {"good": not whole and touched < 100, "whole": whole, "touched": touched, "nodes": nodes}


async def test_a_role_that_owns_nothing_writes_all_the_same(world: World) -> None:
    """Its partitions are made by whoever migrates; until then rows go where there is place."""
    user = f"guest_{world.cluster.hex[:8]}"
    await world.sql(f"CREATE ROLE {user} LOGIN PASSWORD 'guest' NOSUPERUSER")
    await world.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}")
    await world.sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}")
    for one in TABLES:
        await world.sql(f"DROP TABLE {one.partition(wall())}")
    password = world.db.engine.url.password
    guest = World(world.url.replace(f"postgres:{password}@", f"{user}:guest@"), world.cluster)
    try:
        await guest.open(declared())
        await guest.plan()
        bound = await guest.run_first()
        with pytest.raises(Refused, match=r"must be owner|permission denied"):
            await guest.ledger.make_partitions(guest.epoch)
        assert [log.place for log in await logs_of(world, bound)] == ["job_logs_default"]
    finally:
        await guest.close()
        await world.sql(f"DROP OWNED BY {user}")
        await world.sql(f"DROP ROLE {user}")
