"""Backfills: past ticks run because a person asks for them, and none of them twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.store.backfilled import ask, bind_all, finish, missed, old, ticks_of, trail
from tests.store.makers import broken, declared, edited, key_of, now, seconds
from tests.store.world import TTL, World, ending
from ticklock.domain.errors import Conflict, Refused
from ticklock.domain.model import AttemptState
from ticklock.domain.reasons import Reason
from ticklock.store.ledger import PostgresLedger


class TestWhatRuns:
    async def test_ticks_that_never_had_a_run_do_and_the_oldest_begin(self, world: World) -> None:
        item = old()
        await world.store(item)
        answer = await ask(world, item, max_parallel=2)
        assert [one.tick for one in answer.wanted] == ticks_of(item)
        assert list(answer.left) == []
        assert [one.scheduled_time for one in await bind_all(world)] == ticks_of(item)[:2]

    async def test_a_missed_tick_runs_and_its_verdict_stays_in_the_audit_trail(self, world: World) -> None:
        item = old()
        ticks = await missed(world, item)
        before = await world.attempt(key_of(world.cluster, item, ticks[0]))
        answer = await ask(world, item, end=ticks[0])
        assert [(one.tick, one.former and one.former.state) for one in answer.wanted] == [(ticks[0], "Missed")]
        (bound,) = [one for one in await bind_all(world) if one.scheduled_time == ticks[0]]
        await finish(world, [bound])
        told = await trail(world, item, ticks[0])
        assert [status for status, _ in told] == [
            *("Outage", "Backfilled", "Staged", "Bound", "Launched"),
            "JobCompleted",
        ]
        assert f"backfill {answer.backfill}, asked for by ann@desk; it was Missed, Outage: " in told[1][1]
        assert (await world.attempt(bound.key)).stage == before.stage + 1
        assert (await world.run_of(bound.key)).state == "Completed"
        assert await world.log_of(bound.key) == ("Completed", "")

    async def test_a_skipped_tick_runs(self, world: World) -> None:
        item = declared(expression="@every 2s")
        await world.store(item)
        await world.plan(seconds(3))
        await world.store(edited(item, suspend=True))
        tick = (await world.attempts(item))[0].scheduled_time
        while now() < tick:
            await world.ledger.pulse(leading=True)
        answer = await ask(world, item, end=tick)
        assert [(one.former and one.former.reason) for one in answer.wanted] == ["ScheduleSuspended"]

    async def test_one_event_tells_of_them_all(self, world: World) -> None:
        item = old()
        await world.store(item)
        answer = await ask(world, item, by="ann")
        (event,) = await world.ledger.outbox(world.epoch, limit=10)
        assert (event.reason, event.type) == (Reason.BACKFILLED, "Normal")
        assert event.note.startswith(f"backfill {answer.backfill}, asked for by ann: {len(answer.wanted)} runs of ")

    async def test_neither_a_suspension_nor_a_deadline_nor_a_newer_tick_is_about_them(self, world: World) -> None:
        item = old(suspend=True, starting_deadline=seconds(1))
        await world.store(item)
        await ask(world, item, max_parallel=100)
        assert len(await bind_all(world)) == len(ticks_of(item))
        assert all(one.deadline_at is None for one in await bind_all(world))

    async def test_they_come_after_what_the_timetable_wants_now(self, world: World) -> None:
        item = old(every=10, age=60)
        await world.store(item)
        await ask(world, item)
        await world.plan(seconds(12))
        await world.make_due(item=item)
        claim = await world.ledger.claim_for_staging(ahead=timedelta(0), ttl=TTL, limit=1)
        assert [order.scheduled_time > item.created_at + seconds(60) for order in claim.orders] == [True]

    async def test_an_edit_stages_them_anew_and_suspends_none(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item)
        await world.claim(timedelta(0))
        await world.store(edited(item, suspend=True))
        (bound,) = await bind_all(world)
        assert bound.scheduled_time == ticks_of(item)[0]
        assert (await world.attempt(bound.key)).priority == 2

    async def test_none_of_them_moves_the_witness(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item)
        await finish(world, await bind_all(world))
        assert (await world.state_of(item)).last_launched_tick is None


class TestWhatIsLeftAlone:
    async def test_whatever_was_bound_to_a_job_however_it_ended(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item, max_parallel=100)
        bound = await bind_all(world)
        ends = [
            (AttemptState.COMPLETED, Reason.JOB_COMPLETED),
            (AttemptState.FAILED, Reason.JOB_FAILED),
            (AttemptState.STOPPED, Reason.JOB_DELETED),
            (AttemptState.UNKNOWN, Reason.JOB_VANISHED),
            (AttemptState.MISSED, Reason.DEADLINE_EXCEEDED),
        ]
        ended = sorted(bound, key=lambda one: one.scheduled_time)
        await world.launch(ended)
        await world.ledger.record([ending(one, *end) for one, end in zip(ended, ends, strict=False)])
        answer = await ask(world, item)
        assert list(answer.wanted) == []
        assert [one.why for one in answer.left][:6] == [*(state.value for state, _ in ends), "Running"]

    async def test_the_same_command_starts_nothing_again(self, world: World) -> None:
        item = old()
        await world.store(item)
        first, second = await ask(world, item), await ask(world, item)
        assert first.backfill is not None
        assert (second.backfill, list(second.wanted)) == (None, [])
        assert {one.why for one in second.left} == {"Pending"}
        assert await world.value("SELECT count(*) FROM backfills") == 1

    async def test_ten_at_once_start_each_tick_once(self, world: World) -> None:
        item = old()
        await missed(world, item)
        ledgers = [world.replica(f"replica-{n}", pool_size=1) for n in range(10)]

        async def once(ledger: PostgresLedger) -> int:
            while True:
                try:
                    return len((await ask(world, item, ledger)).wanted)
                except Conflict:
                    continue

        shares = await asyncio.gather(*(once(ledger) for ledger in ledgers))
        assert sorted(shares)[:9] == [0] * 9
        rows = await world.sql("SELECT run_id FROM attempts WHERE backfill IS NOT NULL")
        assert len(rows) == len({row.run_id for row in rows}) == max(shares)

    async def test_what_the_timetable_is_about_to_run(self, world: World) -> None:
        item = old(every=10, age=60)
        await world.store(item)
        await world.set_cursor(item, item.created_at + seconds(20))
        answer = await ask(world, item)
        assert {one.why for one in answer.left} == {"Owed"}
        assert [one.tick for one in answer.wanted] == [item.created_at + seconds(10)]

    async def test_what_was_before_the_object_unless_somebody_vouches_for_it(self, world: World) -> None:
        item = declared(expression="0 0 * * *", created_at=now().replace(microsecond=0))
        await world.store(item)
        begin = item.created_at - timedelta(days=3)
        answer = await ask(world, item, begin=begin)
        assert (list(answer.wanted), [one.why for one in answer.left]) == ([], ["BeforeCreation"] * 3)
        answer = await ask(world, item, begin=begin, before_creation=True)
        assert (len(answer.wanted), list(answer.left)) == (3, [])

    async def test_a_dry_run_says_so_and_writes_nothing(self, world: World) -> None:
        item = old()
        ticks = await missed(world, item)
        tables = ("attempts", "runs", "backfills", "run_events", "job_logs", "object_events")
        before = [await world.sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608 - of this test
        answer = await ask(world, item, dry=True)
        assert [one.tick for one in answer.wanted] == ticks
        assert answer.backfill is None
        assert [await world.sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables] == before  # noqa: S608

    async def test_more_than_allowed_is_refused_as_a_whole(self, world: World) -> None:
        item = old()
        await world.store(item)
        answer = await ask(world, item, limit=2)
        assert answer.too_many
        assert await world.attempts(item) == []

    @pytest.mark.parametrize(
        ("spoil", "changes", "words"),
        [
            pytest.param(None, {"end": now() + timedelta(days=1)}, "which lies ahead", id="the future"),
            pytest.param(broken, {}, "cannot be followed: spec.schedule: no such month", id="a spec without sense"),
            pytest.param(lambda item: replace(item, deleting=True), {}, "was deleted", id="an object that is gone"),
        ],
    )
    async def test_an_order_without_sense_is_refused(
        self, world: World, spoil: Any, changes: dict[str, Any], words: str
    ) -> None:
        item = old()
        await world.store(item)
        if spoil is not None:
            await world.store(spoil(item))
        with pytest.raises(Refused, match=words):
            await ask(world, item, **changes)
