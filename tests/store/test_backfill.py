"""Backfills: past ticks run because a person asks for them, and none of them twice."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import broken, declared, edited, key_of, now, seconds
from tests.store.world import TTL, World, ending, wall, with_job
from ticklock.domain.errors import Conflict, Refused, Unready
from ticklock.domain.model import AttemptState, ConcurrencyPolicy, Declared
from ticklock.domain.reasons import Reason
from ticklock.ports import BackfillAnswer, BackfillOrder, Bound
from ticklock.store import backfilling
from ticklock.store.ledger import PostgresLedger

FOREVER = timedelta(seconds=-60)
"""Nothing is too young to be pruned."""


def old(name: str = "nightly", *, age: float = 3600, every: int = 600, **changes: Any) -> Declared:
    """Return an object made an hour ago that ticks every ten minutes, of which the ledger hears only now."""
    return declared(
        name, expression=f"@every {every}s", created_at=now().replace(microsecond=0) - seconds(age), **changes
    )


def ticks_of(item: Declared, *, every: int = 600, until: datetime | None = None) -> list[datetime]:
    end, tick, found = until or now(), item.created_at + seconds(every), list[datetime]()
    while tick <= end:
        found.append(tick)
        tick += seconds(every)
    return found


async def ask(world: World, item: Declared, ledger: PostgresLedger | None = None, **changes: Any) -> BackfillAnswer:
    """Ask for all ticks since the object was made."""
    plain = BackfillOrder(item.created_at, now(), max_parallel=1, limit=100, by="ann@desk")
    return await backfilling.backfill((ledger or world.ledger).db, item.ref, replace(plain, **changes))


async def bind_all(world: World, ledger: PostgresLedger | None = None) -> list[Bound]:
    """Stage and bind whatever may; however slow the machine is, and the leader with it."""
    ledger = ledger or world.ledger
    verified = frozenset(row.uid for row in await world.sql("SELECT uid FROM schedules"))
    claim = await ledger.claim_for_staging(ahead=timedelta(0), ttl=TTL, limit=1000)
    await ledger.store_staged([with_job(order) for order in claim.orders])
    return list((await ledger.bind(ttl=TTL, limit=1000, verified=verified)).bound)


async def finish(world: World, bound: list[Bound]) -> None:
    await world.launch(bound)
    await world.ledger.record([ending(one) for one in bound])


async def clear(world: World, bound: Bound) -> None:
    """Let an ended run be witnessed, released, gone and pruned."""
    for report in await world.ledger.reports(world.epoch, limit=10):
        await world.ledger.reported(world.epoch, [(report, True)])
    await world.ledger.released(world.epoch, [bound.key])
    await world.ledger.absent([bound.key])
    await world.ledger.prune(world.epoch, older_than=FOREVER)


async def trail(world: World, item: Declared, tick: datetime) -> list[tuple[str, str]]:
    key = key_of(world.cluster, item, tick)
    rows = await world.sql(
        "SELECT status, message FROM run_events WHERE run_id = :run_id ORDER BY event_id", run_id=key.run_id
    )
    return [(row.status, row.message) for row in rows]


async def missed(world: World, item: Declared) -> list[datetime]:
    """Let all ticks up to now fall into an outage, the last of them excepted; return them."""
    await world.store(item)
    await world.set_cursor(item, item.created_at)
    await world.plan(timedelta(0))
    rows = [row.scheduled_time for row in await world.attempts(item) if row.state == "Missed"]
    assert len(rows) > 2
    return rows


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


class TestHowManyAtATime:
    async def test_the_next_one_begins_when_one_is_over(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item, max_parallel=2)
        begun = list[datetime]()
        while bound := await bind_all(world):
            assert len(bound) <= 2 - (len(begun) % 2)
            assert await bind_all(world) == []
            begun += [one.scheduled_time for one in bound]
            await finish(world, bound)
        assert begun == ticks_of(item)

    async def test_ten_replicas_together_bind_no_more(self, world: World) -> None:
        item = old()
        await world.store(item)
        answer = await ask(world, item, max_parallel=2)
        ledgers = [world.replica(f"replica-{n}", pool_size=1) for n in range(10)]
        begun = 0
        while begun < len(answer.wanted):
            await world.make_due(item=item)  # as if all had been called at once
            bound = [
                one for share in await asyncio.gather(*(bind_all(world, ledger) for ledger in ledgers)) for one in share
            ]
            assert len(bound) <= 2
            begun += len(bound)
            await finish(world, bound)

    async def test_those_called_too_soon_wait_for_their_turn(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item)
        await world.make_due(item=item)  # as if many replicas had called at once
        (bound,) = await bind_all(world)
        assert bound.scheduled_time in ticks_of(item)
        assert (await world.verdicts(item)).count(("planned", "WaitingForTurn")) == len(ticks_of(item)) - 1

    async def test_under_forbid_one_at_a_time_whatever_is_allowed(self, world: World) -> None:
        item = old(concurrency=ConcurrencyPolicy.FORBID)
        await world.store(item)
        await ask(world, item, max_parallel=5)
        begun = list[Bound]()
        while bound := await bind_all(world):
            assert len(bound) == 1
            assert await bind_all(world) == []
            begun += bound
            await finish(world, bound)
        assert len(begun) == len(ticks_of(item))

    async def test_under_replace_it_stops_nobody(self, world: World) -> None:
        item = old(concurrency=ConcurrencyPolicy.REPLACE)
        await world.store(item)
        await ask(world, item, max_parallel=5)
        (bound,) = await bind_all(world)
        assert await bind_all(world) == []
        assert (await world.attempt(bound.key)).stop_reason is None

    async def test_what_was_not_begun_can_be_taken_back_and_asked_for_again(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item)
        (bound,) = await bind_all(world)
        number = len(ticks_of(item)) - 1
        assert await backfilling.cancel(world.db, item.ref, by="ann") == number
        assert (await world.verdicts(item)).count(("Skipped", "BackfillCancelled")) == number
        assert await backfilling.cancel(world.db, item.ref, by="ann") == 0
        await finish(world, [bound])
        assert len((await ask(world, item)).wanted) == number


class TestWhatIsForgotten:
    async def test_a_pruned_tick_that_was_bound_is_known_by_its_audit_trail(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item, end=ticks_of(item)[-1], max_parallel=100)
        bound = await bind_all(world)
        await finish(world, bound)
        for one in bound:
            await clear(world, one)
        await world.sql("UPDATE schedule_state SET pruned_through = :all", all=ticks_of(item)[-1])
        assert await world.attempts(item) == []
        answer = await ask(world, item)
        assert (list(answer.wanted), {one.why for one in answer.left}) == ([], {"Decided"})

    async def test_one_that_was_missed_and_pruned_may_run(self, world: World) -> None:
        item = old()
        ticks = await missed(world, item)
        await world.ledger.prune(world.epoch, older_than=FOREVER)
        assert (await world.state_of(item)).pruned_through == ticks[-1]
        assert [one.tick for one in (await ask(world, item, end=ticks[-1])).wanted] == ticks

    async def test_where_the_audit_trail_is_gone_too_nothing_is_run(self, world: World) -> None:
        item = old(age=86400 * 70, every=86400)
        await world.store(item)
        await world.sql("UPDATE schedule_state SET pruned_through = :all", all=now())
        answer = await ask(world, item, begin=item.created_at, end=item.created_at + timedelta(days=20))
        assert (list(answer.wanted), {one.why for one in answer.left}) == ([], {"Pruned"})


class TestALossOfCommits:
    async def test_after_a_plain_restart_it_goes_on(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item)
        first = await bind_all(world)
        await finish(world, first)
        seen = replace(item, ledger_seq=1, witness=now())
        await lose_incarnation(world)
        with pytest.raises(Unready):
            await ask(world, item)
        await reconcile_all(world, [], [seen])
        (bound,) = await bind_all(world)
        assert bound.scheduled_time == ticks_of(item)[1]

    async def test_where_records_are_lost_nothing_of_the_past_is_run_again(self, world: World) -> None:
        item = old()
        ticks = await missed(world, item)
        # Its ticks were backfilled, ran, were recorded under a higher number, released; then all of that was lost.
        seen = replace(item, ledger_seq=20, witness=ticks[-1])
        await lose_incarnation(world)
        await reconcile_all(world, [], [seen])
        answer = await ask(world, item, end=ticks[-1])
        assert (list(answer.wanted), {one.why for one in answer.left}) == ([], {"Doubted"})

    async def test_what_waits_is_unknown_where_records_are_lost(self, world: World) -> None:
        item = old()
        await world.store(item)
        await ask(world, item)
        await lose_incarnation(world)
        await reconcile_all(world, [], [replace(item, ledger_seq=20, witness=None)])
        assert {state for state, _ in await world.verdicts(item)} == {"Unknown"}

    async def test_an_object_with_a_past_that_the_ledger_does_not_know_is_not_believed(self, world: World) -> None:
        item = old(ledger_seq=7, witness=now() - seconds(700))
        await world.store(item)
        assert {one.why for one in (await ask(world, item)).left} == {"Doubted"}


async def test_a_spec_that_is_edited_meanwhile_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    item = old()
    await world.store(item)
    ticks = backfilling._ticks

    def slow(row: dict[str, Any], order: BackfillOrder) -> list[datetime]:
        row["generation"] -= 1
        return ticks(row, order)

    monkeypatch.setattr(backfilling, "_ticks", slow)
    with pytest.raises(Conflict, match="was edited meanwhile"):
        await ask(world, item, end=wall())
