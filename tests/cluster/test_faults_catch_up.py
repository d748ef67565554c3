"""What a spec says of missed ticks, over outages of the database, the API server and the replicas.

Each schedule has four ticks, all of them within the outage, and ends before it does: so it is certain what must become
of each, however long the way back takes.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.place import manifest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.place import Place, Planted
    from tests.support.stack import Stack
    from tools.devcluster.postgres import Postgres

KEEP = 1000
TICKS = 4
AHEAD = 6
"""Seconds from the first object to the outage: all of them are known by then."""
AWAY = 20
"""Seconds: the last tick is missed by then, not merely late."""
BACK = 75.0
"""In which all is settled again: another leader, a quarantine, four Jobs one after another."""
RUNS, OUTAGE = ("Completed", "JobCompleted"), ("Missed", "Outage")
LIMIT, WINDOW, LATE = ("Missed", "CatchUpLimit"), ("Missed", "CatchUpWindow"), ("Missed", "DeadlineExceeded")

CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "unset": ({}, [OUTAGE, OUTAGE, OUTAGE, RUNS]),
    "skip": ({"catchUp": {"policy": "Skip"}}, [OUTAGE] * 4),
    "latest": ({"catchUp": {"policy": "Latest"}}, [OUTAGE, OUTAGE, OUTAGE, RUNS]),
    "narrow": ({"catchUp": {"windowSeconds": 15}}, [WINDOW] * 4),
    "all": ({"catchUp": {"policy": "All"}}, [RUNS] * 4),
    "two-of-all": ({"catchUp": {"policy": "All", "limit": 2}}, [LIMIT, LIMIT, RUNS, RUNS]),
    "in-order": ({"catchUp": {"policy": "All"}, "concurrencyPolicy": "Forbid"}, [RUNS] * 4),
    "too-late": ({"catchUp": {"policy": "All"}, "startingDeadlineSeconds": 15}, [LATE] * 4),
}


def database(stack: Stack) -> Postgres:
    assert stack.installation.postgres is not None
    return stack.installation.postgres


def at(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def plant(place: Place, begin: int) -> dict[str, Planted]:
    """Plant all cases; their ticks are in the four seconds after `begin`."""
    planted = {}
    for name, (spec, _) in CASES.items():
        body = manifest(name, "", everySeconds=1, successfulJobsHistoryLimit=KEEP, **spec)
        del body["spec"]["schedule"]
        body["spec"] |= {"startAt": at(begin + 1), "endAt": at(begin + TICKS)}
        planted[name] = place.plant_manifest(body)
    for one in planted.values():
        one.wait_status(lambda now: "observedGeneration" in now, what=f"{one.name} is known")
    assert time.time() < begin, "the outage would come too early: the machine is too slow for this test"
    return planted


def until(moment: float) -> None:
    eventually(lambda: time.time() >= moment, what="the moment has come", seconds=60)


def outcomes(planted: Planted, begin: int) -> list[tuple[str, str]]:
    rows = {row["run_key"]: (row["state"], row["reason"]) for row in planted.runs()}
    assert set(rows) <= {f"tick:{begin + number}" for number in range(1, TICKS + 1)}
    return [rows.get(f"tick:{begin + number}", ("", "")) for number in range(1, TICKS + 1)]


def settled(found: dict[str, Planted], begin: int) -> bool:
    return all(outcomes(found[name], begin) == wanted for name, (_, wanted) in CASES.items())


def check(stack: Stack, planted: dict[str, Planted], begin: int) -> None:
    try:
        eventually(lambda: settled(planted, begin), what="each tick has the outcome that was asked for", seconds=BACK)
    except AssertionError as late:
        found = {name: outcomes(one, begin) for name, one in planted.items()}
        raise AssertionError(f"{late}: {[it for it in found.items() if it[1] != CASES[it[0]][1]]}") from late
    for name, (_, wanted) in CASES.items():
        jobs = planted[name].launched()
        runs = [begin + number for number, outcome in enumerate(wanted, 1) if outcome is RUNS]
        assert sorted(job.tick or 0 for job in jobs) == runs, f"{name}: each launched once, and nothing else"
        assert all((job.let_go_at or 0) > begin + AWAY for job in jobs), f"{name}: launched in the outage"
    assert list(ends_before_next(planted["in-order"])) == [True] * (TICKS - 1)
    eventually(lambda: told(planted["skip"]) == TICKS, what="Events tell of each missed tick")
    stack.leader()


def ends_before_next(planted: Planted) -> Iterator[bool]:
    jobs = sorted(planted.launched(), key=lambda job: job.let_go_at or 0)
    assert [job.tick for job in jobs] == sorted(job.tick or 0 for job in jobs), "the oldest first"
    for job, following in pairwise(jobs):
        ended = datetime.fromisoformat(job.last["status"]["completionTime"]).timestamp()
        yield ended <= (following.let_go_at or 0)


def told(planted: Planted) -> int:
    """How many missed ticks its Events tell of."""
    notes = [event["note"] for event in planted.events() if event["reason"] == "Outage"]
    counts = [re.match(r"(\d+) ticks did not run", note) for note in notes]
    return sum(int(count[1]) if count else 1 for count in counts)


@pytest.mark.timeout(240)
@pytest.mark.field("catchUp", check="semantics")
@pytest.mark.field("catchUp", check="Event")
@pytest.mark.field("catchUp", check="metric")
def test_the_database_and_then_the_api_server_and_a_killed_leader(own_stack: Stack, own_place: Place) -> None:
    begin = int(time.time()) + AHEAD
    planted = plant(own_place, begin)
    leader = own_stack.leader()
    until(begin)
    database(own_stack).kill9()
    until(begin + AWAY / 3)
    leader.kill9()
    own_stack.cluster.kill_apiserver()
    database(own_stack).start()
    leader.start()
    until(begin + AWAY)
    own_stack.cluster.start_apiserver()
    check(own_stack, planted, begin)
    eventually(lambda: counted(own_stack, planted["skip"]) == TICKS, what="the metric counts each missed tick")


def counted(stack: Stack, planted: Planted) -> float:
    labels = {"namespace": planted.place.namespace, "name": planted.name, "reason": "Outage"}
    return sum(one.metrics().value("ticklock_missed_ticks_total", **labels) for one in stack.replicas)


@pytest.mark.timeout(240)
@pytest.mark.field("catchUp", check="semantics")
def test_all_at_once_and_a_replica_is_killed_while_it_catches_up(own_stack: Stack, own_place: Place) -> None:
    begin = int(time.time()) + AHEAD
    planted = plant(own_place, begin)
    until(begin)
    for replica in own_stack.replicas:
        replica.kill9()
    database(own_stack).kill9()
    own_stack.cluster.kill_apiserver()
    until(begin + AWAY)
    database(own_stack).start()
    own_stack.cluster.start_apiserver()
    first, second = own_stack.replicas
    first.start()
    second.start()
    planted["all"].wait_launched(seconds=BACK)
    first.kill9()
    check(own_stack, planted, begin)
    first.start()
    first.wait_ready()


@pytest.mark.timeout(240)
@pytest.mark.field("catchUp", check="semantics")
@pytest.mark.field("catchUp", "startingDeadlineSeconds", "concurrencyPolicy", check="SIGKILL")
def test_the_replicas_alone_and_the_leader_is_killed_while_it_catches_up(own_stack: Stack, own_place: Place) -> None:
    begin = int(time.time()) + AHEAD
    planted = plant(own_place, begin)
    until(begin)
    for replica in own_stack.replicas:
        replica.kill9()
    until(begin + AWAY)
    for replica in own_stack.replicas:
        replica.start()
    planted["all"].wait_launched(seconds=BACK)
    leader = own_stack.leader()
    leader.kill9()
    check(own_stack, planted, begin)
    leader.start()
    leader.wait_ready()
