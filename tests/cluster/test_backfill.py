"""A backfill on the real thing: two replicas share it, and either may be killed in the middle."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import eventually
from ticklock.cli.main import main

if TYPE_CHECKING:
    from tests.support.place import Place, Planted
    from tests.support.stack import Stack

TICKS = 12
_SPANS = """
SELECT b.timestamp AS begun, e.timestamp AS ended FROM run_events b
JOIN run_events e ON e.run_id = b.run_id AND e.status = 'JobCompleted'
JOIN attempts a ON a.run_id = b.run_id AND a.n = 1
WHERE b.status = 'Bound' AND a.schedule_uid = %(uid)s
"""


def asked(planted: Planted, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Give the command for the last ticks before the object was made."""
    end = int(planted.created.timestamp())
    begin = datetime.fromtimestamp(end - 5 * (TICKS - 1), UTC).isoformat()
    name = f"{planted.place.namespace}/{planted.name}"
    url = planted.place.stack.installation.database_url
    capsys.readouterr()
    arguments = ["--from", begin, "--to", planted.created.isoformat(), "--database-url", url, "-o", "json", *words]
    code = main(["backfill", name, *arguments])
    told = capsys.readouterr()
    assert code == 0, told.err
    answer: dict[str, Any] = json.loads(told.out)
    return answer


def sleeping(place: Place) -> Planted:
    """A schedule that ticks every five seconds, and is suspended: only a person has it run."""
    planted = place.plant("past", "*/5 * * * * *", suspend=True)
    planted.wait_status(lambda now: "observedGeneration" in now, what="the ledger knows it")
    return planted


def settled(planted: Planted) -> bool:
    rows = planted.runs()
    return len(rows) >= TICKS - 1 and all(row["state"] == "Completed" for row in rows)


def most_at_a_time(stack: Stack, planted: Planted) -> int:
    """How many runs were under way at once, by what the ledger wrote down when."""
    spans = stack.rows.all(_SPANS, uid=planted.uid)
    assert len(spans) == len(planted.runs())
    return max(len([one for one in spans if one["begun"] <= at["begun"] < one["ended"]]) for at in spans)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("leading", [pytest.param(True, id="the leader"), pytest.param(False, id="the other")])
def test_each_tick_once_and_never_too_many_while_a_replica_is_killed(
    stack: Stack,
    place: Place,
    capsys: pytest.CaptureFixture[str],
    leading: bool,  # noqa: FBT001 - a parameter
) -> None:
    planted = sleeping(place)
    tried = asked(planted, capsys, "--before-creation", "--dry-run")
    assert planted.runs() == []
    done = asked(planted, capsys, "--before-creation", "--max-parallel", "2")
    assert done["run"] == tried["run"]
    planted.wait_launched(2, seconds=60)
    victim = stack.leader() if leading else stack.other()
    victim.kill9()
    again = asked(planted, capsys, "--before-creation", "--max-parallel", "2")
    assert (again["run"], len(again["left"])) == ([], len(done["run"]))
    victim.start()
    victim.wait_ready()
    eventually(lambda: settled(planted), what="all of them ran", seconds=150, interval=0.5)
    wanted = sorted(int(datetime.fromisoformat(one["scheduledTime"]).timestamp()) for one in done["run"])
    assert sorted(job.tick or 0 for job in planted.launched()) == wanted, "each tick once"
    assert most_at_a_time(stack, planted) <= 2
    assert {one["why"] for one in asked(planted, capsys)["left"]} == {"Completed"}
    told = [event["note"] for event in planted.events() if event["reason"] == "Backfilled"]
    assert len(told) == 1
    assert "lastScheduleTime" not in planted.status(), "what is past is no witness of the timetable"


def test_what_is_before_the_object_needs_a_word(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    planted = sleeping(place)
    answer = asked(planted, capsys)
    assert {one["why"] for one in answer["left"]} == {"BeforeCreation"}
    assert (answer["run"], planted.runs()) == ([], [])


def test_a_missed_tick_is_run_after_all(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    planted = sleeping(place)
    first = asked(planted, capsys, "--before-creation")["run"][-1]["scheduledTime"]
    url = planted.place.stack.installation.database_url
    name = f"{place.namespace}/{planted.name}"
    assert main(["backfill", name, "--cancel", "--database-url", url]) == 0
    begun = time.time()
    answer = asked(planted, capsys)
    assert {one["was"] for one in answer["run"]} <= {"Skipped"}
    tick = int(datetime.fromisoformat(first).timestamp())
    eventually(lambda: planted.run(tick)["state"] == "Completed", what="it ran", seconds=90)
    assert begun > tick
    assert planted.place.stack.rows.trail(planted.run(tick)["id"])[:3] == [
        "Backfilled",
        "BackfillCancelled",
        "Backfilled",
    ]
