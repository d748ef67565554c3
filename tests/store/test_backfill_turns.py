"""Backfills: how many of them run at a time, and what becomes of them when rows are forgotten or lost."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.store.backfilled import FOREVER, ask, bind_all, clear, finish, missed, old, ticks_of
from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import now, seconds
from tests.store.world import World, wall
from ticklock.domain.errors import Conflict, Unready
from ticklock.domain.model import ConcurrencyPolicy
from ticklock.ports import BackfillOrder, Bound
from ticklock.store import backfilling


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
