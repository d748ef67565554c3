"""The statements that look for work find it by a partial index, however many finished runs the tables hold."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from tests.store.world import AHEAD, TTL, World, wall
from ticklock.store import binding, candidates, expectations, missed, planning, reporting, terms, turns

# 5,000 schedules with 10 finished runs each; a hundred planned, of which half are staged; ten bound, ten launched.
_SEED = """
INSERT INTO schedules (cluster, uid, namespace, name, generation, created_at, effective_at, expression, job_template)
SELECT :cluster, 's' || i, 'default', 's' || i, 1, now(), now(), '* * * * *', '{}' FROM generate_series(1, 5000) i;
INSERT INTO schedule_state (cluster, uid, cursor, next_tick, report_seq, reported_seq, reported_at)
SELECT :cluster, 's' || i, now(), now() + interval '1 hour' * i, 5, CASE WHEN i <= 10 THEN 4 ELSE 5 END,
       now() - interval '1 minute'
FROM generate_series(1, 5000) i;
INSERT INTO runs (id, cluster, schedule_uid, run_key, scheduled_time, state, finished_at)
SELECT gen_random_uuid(), :cluster, 's' || i, 'tick:' || j, now() - interval '1 minute' * j,
       CASE WHEN j > 0 THEN 'Completed' ELSE 'Pending' END, CASE WHEN j > 0 THEN now() - interval '1 minute' * j END
FROM generate_series(1, 5000) i, generate_series(0, 10) j WHERE j > 0 OR i <= 120;
INSERT INTO attempts (run_id, n, cluster, schedule_uid, state, is_tick, scheduled_time, due_at, generation, staged_uid,
                      job_uid, job_name, record_seq, released_at, absent_at, finished_at, bound_at, claimed_until)
SELECT id, 1, cluster, schedule_uid, kind, true, scheduled_time, scheduled_time, 1,
       CASE WHEN number > 50 OR kind = 'Completed' THEN id::text END, CASE WHEN kind <> 'planned' THEN id::text END,
       'job',
       CASE WHEN kind = 'Completed' THEN 1 END,
       CASE WHEN kind = 'Completed' AND scheduled_time < now() - interval '2 minutes' THEN scheduled_time END,
       CASE WHEN kind = 'Completed' AND scheduled_time < now() - interval '5 minutes' THEN scheduled_time END,
       finished_at, scheduled_time, CASE WHEN kind = 'bound' THEN now() END
FROM (SELECT *, substr(schedule_uid, 2)::int AS number,
             CASE WHEN state = 'Completed' THEN state WHEN substr(schedule_uid, 2)::int <= 100 THEN 'planned'
                  WHEN substr(schedule_uid, 2)::int <= 110 THEN 'bound' ELSE 'launched' END AS kind FROM runs) r;
ANALYZE;
"""

_MISSED = {
    "run_ids": [UUID(int=0)],
    "ns": [1],
    "uids": ["s1"],
    "ticks": [wall() - timedelta(minutes=5)],
    "limits": [10],
    "now": wall(),
    "missed": wall(),
    "grace": AHEAD,
}

CASES: dict[str, tuple[TextClause, str, dict[str, Any]]] = {
    "whose turn it is": (turns.CALL, "attempts_backfill_idx", {"not_yet": turns.NOT_YET}),
    "claim for staging": (candidates.TO_STAGE, "attempts_planned_idx", {"ahead": AHEAD, "limit": 200}),
    "bind": (candidates.TO_BIND, "attempts_planned_idx", {"limit": 200, "latest": wall()}),
    "the newest tick that is due": (
        candidates._NEWEST_DUE,
        "attempts_open_idx",
        {"uids": ["s1", "s2"], "latest": wall()},
    ),
    "active runs of a schedule": (candidates._ACTIVE, "attempts_open_idx", {"uids": ["s1", "s105"]}),
    "the oldest tick that is due": (missed._OLDEST, "attempts_open_idx", {"uids": ["s1", "s2"], "now": wall()}),
    "when a schedule's runs ended": (missed._FREE_SINCE, "runs_latest_idx", {"uids": ["s1", "s2"]}),
    "newer missed ticks": (missed._NEWER, "runs_latest_idx", _MISSED),
    "stranded attempts": (binding._STRANDED, "attempts_bound_idx", {"limit": 200, "replica": None, "ttl": TTL}),
    "plan": (planning._DUE, "schedule_state_next_tick_idx", {"until": wall(), "limit": 500}),
    "unreported": (reporting._REPORTS, "schedule_state_unreported_idx", {"limit": 200}),
    "unreleased": (reporting._RELEASES, "attempts_unreleased_idx", {"limit": 200}),
    "beyond the history limits": (reporting._SURPLUS, "attempts_standing_idx", {"limit": 200}),
    "expected jobs that stand": (expectations._EXPECTED, "attempts_standing_idx", {}),
    "expected jobs that run": (expectations._EXPECTED, "attempts_open_idx", {}),
    "the pulse": (terms._PULSE, "attempts_planned_idx", {}),
}


async def test_each_uses_its_partial_index_and_reads_no_table_whole(world: World) -> None:
    # one test for all of them: filling the tables takes seconds
    await seed(world)
    wrong = {}
    for case, (statement, index, parameters) in CASES.items():
        nodes = await explain(world, statement, parameters)
        whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"} & {"attempts", "runs"}
        if whole or index not in {node.get("Index Name") for node in nodes}:
            wrong[case] = nodes
    assert wrong == {}
    assert await blocks_touched(world, candidates.TO_BIND, {"limit": 10, "latest": wall()}) < 500


async def blocks_touched(world: World, statement: TextClause, parameters: dict[str, Any]) -> int:
    async with world.db.engine.begin() as connection:
        everything = {"cluster": world.cluster, **parameters}
        explained = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}")
        (top,) = (await connection.execute(explained, everything)).scalar_one()
        await connection.rollback()
    return int(top["Plan"]["Shared Hit Blocks"]) + int(top["Plan"]["Shared Read Blocks"])


async def seed(world: World) -> None:
    for statement in _SEED.strip().split(";\n"):
        await world.sql(statement.rstrip(";").replace(":cluster", f"'{world.cluster}'::uuid"))


async def explain(world: World, statement: TextClause, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of the plan that PostgreSQL makes for a statement with these parameters."""
    async with world.db.engine.begin() as connection:
        everything = {"cluster": world.cluster, **parameters}
        plan = (await connection.execute(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), everything)).scalar_one()
        await connection.rollback()
    return list(walk(plan[0]["Plan"]))


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {key: value for key, value in node.items() if key != "Plans"}
    for child in node.get("Plans", ()):
        yield from walk(child)
