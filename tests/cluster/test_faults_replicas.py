"""Replicas that are killed or stopped in the middle: nothing is launched twice, and nothing is left out."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import DEAD_SECONDS, every_tick_once
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.accounting import Tally, TickName
    from tests.support.place import Place, Planted
    from tests.support.stack import Stack
    from tools.devcluster.replica import Replica


def busy(place: Place, number: int = 9) -> list[Planted]:
    schedules = [place.plant(f"busy-{at}", f"@every {2 + at % 3}s") for at in range(number)]
    schedules[-1].wait_launched()
    return schedules


def launched_by(replica: Replica) -> float:
    with suppress(OSError):
        return replica.metrics().value("ticklock_launches_total")
    return 0.0


def of_the_dead(tally: Tally, ids: set[str]) -> set[TickName]:
    """The ticks that one of these had bound and another one launched."""
    return {
        name
        for name, row in tally.rows.items()
        if str(row["bound_by"]) in ids and row["launched_by"] is not None and str(row["launched_by"]) not in ids
    }


def check(tally: Tally, dead: set[str]) -> None:
    assert len(tally.lags) == len(tally.due) > 0
    late, taken = tally.late(), of_the_dead(tally, dead)
    others = {name: (lag, told(tally, name)) for name, lag in late.items() if name not in taken}
    assert not others, f"late although nobody who died had claimed them: {others}"
    assert not tally.lost_in_waiting()


def told(tally: Tally, name: TickName) -> dict[str, object]:
    """What the ledger says of a tick: who bound and launched it, and how late that was."""
    row = tally.rows[name]
    at = {field: round(row[field].timestamp() - name.tick, 2) for field in ("bound_at", "launched_at") if row[field]}
    return {**at, "bound_by": str(row["bound_by"]), "launched_by": str(row["launched_by"])}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("leading", [pytest.param(True, id="the leader"), pytest.param(False, id="the other")])
def test_a_killed_replica_loses_no_tick_and_doubles_none(stack: Stack, place: Place, leading: bool) -> None:  # noqa: FBT001
    schedules = busy(place)
    victim = stack.leader() if leading else stack.other()
    survivor = next(one for one in stack.replicas if one is not victim)
    holder, dead = stack.installation.holder(), stack.rows.pod_ids()[victim.pod]
    victim.kill9()
    killed = time.time()
    if leading:
        stack.installation.wait_leader(other_than=holder, seconds=25)
        assert stack.leader() is survivor
    victim.start()
    victim.wait_ready()
    tally = every_tick_once(stack, schedules, until=max(time.time(), killed + 14) + 2)
    check(tally, dead)
    eventually(lambda: launched_by(victim) > 0, what="the one that came back takes part")
    assert all(len(jobs) == 1 for one in schedules for jobs in stack.sights.launched(one.uid).values())


@pytest.mark.timeout(150)
def test_the_leader_stopped_for_longer_than_its_lease_steps_down_and_doubles_nothing(
    stack: Stack, place: Place
) -> None:
    schedules = busy(place)
    leader, other = stack.leader(), stack.other()
    holder, asleep = stack.installation.holder(), stack.rows.pod_ids()[leader.pod]
    leader.pause()
    paused = time.time()
    stack.installation.wait_leader(other_than=holder, seconds=25)
    eventually(lambda: time.time() > paused + 20, what="it has slept for 20 s")
    leader.resume()
    eventually(lambda: leader.metrics().value("ticklock_leader") == 0, what="it has stepped down", seconds=10)
    tally = every_tick_once(stack, schedules, until=time.time() + 4)
    # It may sleep in the middle of a transaction; until the database ends that, its schedules wait.
    assert not tally.lost_in_waiting()
    check(tally.of(lambda name: not paused - 1 < name.tick < paused + DEAD_SECONDS), asleep)
    assert stack.leader() is other
    assert leader.alive
    eventually(leader.ready, what="it is ready, and goes on")


@pytest.mark.timeout(150)
def test_both_killed_at_once_and_started_again_catch_up_within_the_policies(stack: Stack, place: Place) -> None:
    schedules = busy(place)
    for replica in stack.replicas:
        replica.kill9()
    for replica in stack.replicas:
        replica.start()
    for replica in stack.replicas:
        replica.wait_ready()
    tally = every_tick_once(stack, schedules, until=time.time() + 4, allowed={("Missed", "Outage")})
    assert len(tally.lags) > len(tally.due) / 2
    assert all(tally.rows[name]["message"] for name in tally.verdicts)
