"""What is read from the API server, from logs, and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tools.demo.ledger import Ledger, Life
from tools.demo.outside import JobBook
from tools.demo.picture import Picture, ReplicaRow, schedule_rows
from tools.demo.screen import PlainScreen, draw
from tools.demo.tail import LogTail
from tools.devcluster.replica import Replica
from tools.devcluster.watching import Change, Sight


def job(
    *, suspend: bool = False, condition: str = "", deleting: bool = False, kind: str = "ScheduledJob"
) -> dict[str, Any]:
    return {
        "metadata": {
            "uid": "j1",
            "name": "job",
            "annotations": {"ticklock.dev/run-key": "tick:100"},
            "ownerReferences": [{"kind": kind, "uid": "s1"}],
            **({"deletionTimestamp": "2026-05-04T00:00:00Z"} if deleting else {}),
        },
        "spec": {"suspend": suspend},
        "status": {"conditions": [{"type": condition, "status": "True"}] if condition else []},
    }


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([job(suspend=True)], [], id="a suspended Job is not launched"),
        pytest.param([job(suspend=True), job()], [(2.0, None, False)], id="let go when it is seen unsuspended"),
        pytest.param([job(), job()], [(1.0, None, False)], id="once only, however often it is seen"),
        pytest.param([job(), job(condition="SuccessCriteriaMet")], [(1.0, None, False)], id="not over yet"),
        pytest.param([job(), job(condition="Complete"), job(condition="Complete")], [(1.0, 2.0, False)], id="complete"),
        pytest.param([job(), job(condition="Failed")], [(1.0, 2.0, True)], id="failed"),
        pytest.param([job(), job(deleting=True)], [(1.0, 2.0, False)], id="on its way out"),
        pytest.param([job(kind="CronJob")], [], id="a Job of somebody else"),
    ],
)
def test_a_launch_is_read_from_the_sights_of_a_job(seen: list[dict[str, Any]], expected: list[object]) -> None:
    book = JobBook()
    for number, one in enumerate(seen, start=1):
        book.on_sight(Sight(Change.SEEN, one, at=float(number)))
    assert [(launch.at, launch.ended, launch.failed) for launch in book.launches()] == expected


def test_a_job_that_is_gone_has_ended() -> None:
    book = JobBook()
    book.on_sight(Sight(Change.SEEN, job(), at=1.0))
    book.on_sight(Sight(Change.GONE, job(), at=2.0))
    assert [launch.ended for launch in book.launches()] == [2.0]


def test_lives_of_a_pod_are_numbered_and_found_by_their_time() -> None:
    ledger = Ledger("")
    ledger.lives = {
        "a": Life("a", "ticklock-0", 1.0),
        "b": Life("b", "ticklock-0", 9.0),
        "c": Life("c", "ticklock-1", 1.0),
    }
    assert [ledger.pod_of(replica) for replica in ("a", "b", "c", "?", None)] == [
        "ticklock-0", "ticklock-0 (2)", "ticklock-1", None, None,
    ]  # fmt: skip
    assert [ledger.replica_of("ticklock-0", at) for at in (0.5, 5.0, 10.0)] == [None, "a", "b"]


def test_a_log_is_read_on_where_it_was_left_and_half_a_line_waits(tmp_path: Path) -> None:
    replica = Replica("ticklock-0", {}, tmp_path)
    tail = LogTail([replica])
    line = json.dumps({"timestamp": "2026-05-04T10:00:01.5Z", "level": "info", "event": "run launched", "lag_s": 0.03})
    replica.log.write_text(f"Traceback\n{line}\n{line[:20]}")
    assert [str(fact) for fact in tail.read()] == ["10:00:01 ticklock-0 run launched  lag_s=0.03"]
    replica.log.write_text(f"Traceback\n{line}\n{line}\n")
    assert len(tail.read()) == 1
    assert len(tail.last(5)) == 2


def test_what_libraries_tell_is_shown_only_if_it_is_serious(tmp_path: Path) -> None:
    replica = Replica("ticklock-0", {}, tmp_path)
    lines = [{"level": "info", "event": "chat"}, {"level": "warning", "event": "trouble"}]
    replica.log.write_text("".join(json.dumps({**line, "logger": "alembic.x"}) + "\n" for line in lines))
    assert [fact.event for fact in LogTail([replica]).read()] == ["trouble"]


def picture() -> Picture:
    item = {
        "metadata": {"uid": "s1", "name": "never-two"},
        "spec": {"schedule": "@every 10s"},
        "status": {
            "nextScheduleTime": "2026-05-04T10:00:10Z",
            "lastRun": {"scheduledTime": "2026-05-04T10:00:00Z", "state": "Skipped", "reason": "ConcurrencyForbidden"},
        },
    }
    book = JobBook()
    book.on_sight(Sight(Change.SEEN, job(), at=100.25))
    rows = schedule_rows([item], book.launches(), Ledger(""), now=1_777_888_800.0)
    facts = [f"fact {number}" for number in range(40)]
    return Picture(
        5, 60, "/x/admin.kubeconfig", "the summary", rows, [ReplicaRow("ticklock-0", "leads", 7, 3, 90)], facts
    )


@pytest.mark.parametrize(
    ("width", "height", "there", "left_out"),
    [
        pytest.param(150, 50, ["@every 10s", "ConcurrencyForbidden", "250 ms", "10:00:10", "leads", "fact 39"],
                     [], id="all of it on a large terminal"),
        pytest.param(80, 24, ["never-two", "Skipped", "250 ms", "10:00:10", "leads", "fact 39", "KUBECONFIG"],
                     ["ConcurrencyForbidden", "fact 1 "], id="what matters on a small one"),
        pytest.param(80, 10, ["never-two"], ["fact"], id="no log where there is no room"),
    ],
)  # fmt: skip
def test_the_tables_fit_the_terminal(width: int, height: int, there: list[str], left_out: list[str]) -> None:
    console = Console(width=width, height=height, record=True, quiet=False, file=Path("/dev/null").open("w"))  # noqa: SIM115
    console.print(draw(picture(), width, height))
    console.file.close()
    text = console.export_text()
    assert all(words in text for words in there), text
    assert not [words for words in left_out if words in text]
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= max(height, 16)


def test_plain_lines_come_at_once_and_then_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    screen = PlainScreen(Console(force_terminal=False, width=40))
    screen.show(picture())
    screen.show(picture())
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("---")] == ["--- 5 s of 60; next: the summary"]
    assert any(line.startswith("  never-two") and "ConcurrencyForbidden" in line for line in lines)
