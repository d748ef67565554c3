"""Allow, Forbid and Replace: how many runs of a schedule are active at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once, on_time
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place
    from tests.support.sights import SeenJob
    from tests.support.stack import Stack

TOLD_LATER = 0.2
"""Two watches may tell things this much apart."""


def overlaps(jobs: list[SeenJob]) -> list[tuple[str, str]]:
    """Pairs of Jobs of which the second was let go before the first had ended."""
    ordered = sorted(jobs, key=lambda job: job.let_go_at or 0)
    return [
        (before.run_key, after.run_key)
        for before, after in pairwise(ordered)
        if before.ended_at is None or (after.let_go_at or 0) < before.ended_at
    ]


@pytest.mark.field("concurrencyPolicy", check="semantics")
def test_allow_lets_runs_overlap(stack: Stack, place: Place) -> None:
    planted = place.plant("overlapping", "@every 2s", simulate={"simulate-seconds": "5"})
    tally = every_tick_once(stack, [planted], until=planted.tick(4))
    assert not tally.late()
    assert len(overlaps(planted.launched())) >= 2


@pytest.mark.timeout(150)
@pytest.mark.field("concurrencyPolicy", check="semantics")
@pytest.mark.field("concurrencyPolicy", check="Event")
@pytest.mark.field("queueName", check="semantics")
def test_forbid_runs_the_latest_tick_when_the_way_is_free_and_skips_those_before(stack: Stack, place: Place) -> None:
    simulate = {"simulate-seconds": "5"}
    planted = place.plant("alone", "@every 2s", concurrencyPolicy="Forbid", queueName="reports", simulate=simulate)
    third = planted.wait_launched(3)
    planted.edit(suspend=True)
    skipped = {("Skipped", "ConcurrencyForbidden"), ("Skipped", "ScheduleSuspended")}
    tally = every_tick_once(stack, [planted], until=third.tick or 0, allowed=skipped)
    assert tally.counted()["Skipped", "ConcurrencyForbidden"] >= 2
    assert not overlaps(planted.launched())
    for before, after in pairwise(planted.launched()):
        assert before.ended_at is not None
        assert after.let_go_at is not None
        assert after.tick is not None
        assert after.tick > before.ended_at - 2 - TOLD_LATER, "an older tick than the latest one was taken"
        assert after.let_go_at - max(before.ended_at, after.tick) <= on_time(), "it did not start when the way was free"
    noted = {(event["reason"], event["type"]) for event in planted.events()}
    assert ("ConcurrencyForbidden", "Normal") in noted
    eventually(lambda: planted.launched()[-1].ended_at is not None, what="the last run is over")


def test_the_locks_of_a_schedule_are_told_in_the_log(stack: Stack, place: Place) -> None:
    simulate = {"simulate-seconds": "3"}
    planted = place.plant("locking", "@every 2s", concurrencyPolicy="Forbid", queueName="reports", simulate=simulate)
    planted.wait_launched(2)
    planted.edit(suspend=True)
    eventually(lambda: all(job.ended_at for job in planted.launched()), what="both runs are over")
    runs = {job.last["metadata"]["annotations"]["ticklock.dev/run-id"] for job in planted.launched()}
    where = {"queue": "reports", "namespace": place.namespace, "job": "locking"}

    def told(event: str) -> set[str]:
        return {fact["run"] for fact in stack.facts(event) if where.items() <= fact.items()}

    eventually(lambda: told("lock acquired") == runs, what="each launched run acquired the lock")
    eventually(lambda: told("lock released") == runs, what="and gave it back")
    assert told("lock conflict") & {str(row["id"]) for row in planted.runs()}


@pytest.mark.timeout(150)
@pytest.mark.field("concurrencyPolicy", check="semantics")
def test_replace_stops_the_run_before_and_waits_until_its_pods_are_gone(stack: Stack, place: Place) -> None:
    simulate = {"simulate": "hang", "simulate-termination-seconds": "1"}
    # Long enough for the old pods to go: a run that waits until the next tick is itself replaced, unlaunched.
    planted = place.plant("replaced", "@every 12s", concurrencyPolicy="Replace", simulate=simulate)
    planted.wait_launched(3, seconds=90)
    first, second, third = planted.launched()[:3]
    planted.edit(suspend=True)
    allowed = {("Skipped", "Replaced"), ("Skipped", "ScheduleSuspended")}
    every_tick_once(stack, [planted], until=third.tick or 0, allowed=allowed)
    assert not overlaps([first, second, third])
    for before, after in ((first, second), (second, third)):
        pods = stack.sights.pods(before.uid)
        assert pods, "it had started"
        for pod in pods:
            assert pod.over_at is not None
            assert after.let_go_at is not None
            assert after.let_go_at >= pod.over_at - TOLD_LATER
    rows = {row["job_uid"]: row for row in planted.runs()}
    assert [(rows[job.uid]["state"], rows[job.uid]["reason"]) for job in (first, second)] == [
        ("Stopped", "Replaced")
    ] * 2
    eventually(lambda: "Replaced" in {event["reason"] for event in planted.events()}, what="an Event tells of it")
