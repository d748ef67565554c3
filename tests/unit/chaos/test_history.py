"""What is written to a folder is what is read from it, whatever happened to the writer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.chaos.folder import HISTORY, META, HistoryError, Recorder, load, plain
from tests.chaos.history import (
    Action,
    Bounds,
    Change,
    ClientOp,
    Entry,
    Fault,
    FaultPhase,
    Final,
    JobSight,
    Meta,
    NodePhase,
    NodeSight,
    Phase,
    ScheduleSight,
    Spec,
    Target,
)
from tests.chaos.sighted import is_ours, job_sight, pod_started, schedule_sight

META_OF_IT = Meta(seed=7, seconds=60.0, command="soak", bounds=Bounds(on_time=1.5), versions={"postgresql": "17"})
SPEC = Spec(schedule="*/5 * * * * *", time_zone="Europe/Berlin", concurrency="Forbid", starting_deadline=30)
OP = ClientOp(
    at=1.0,
    source="client-0",
    op="1",
    phase=Phase.OK,
    action=Action.CREATE,
    namespace="n",
    name="s",
    schedule_uid="u",
    spec=SPEC,
    generation=1,
    created_at=1.0,
)
JOB: dict[str, Any] = {
    "metadata": {
        "name": "s-1-x",
        "namespace": "n",
        "uid": "job-1",
        "resourceVersion": "12",
        "finalizers": ["ticklock.dev/outcome"],
        "ownerReferences": [{"uid": "u", "name": "s", "controller": True}],
        "annotations": {
            "ticklock.dev/run-id": "r",
            "ticklock.dev/run-key": "tick:1700000000",
            "ticklock.dev/attempt": "1",
            "ticklock.dev/stage": "2",
            "ticklock.dev/scheduled-time": "2023-11-14T22:13:20Z",
        },
    },
    "spec": {"suspend": True},
}
POD: dict[str, Any] = {
    "metadata": {
        "name": "s-1-x-abc",
        "namespace": "n",
        "uid": "pod-1",
        "ownerReferences": [{"kind": "Job", "uid": "job-1", "name": "s-1-x", "controller": True}],
    },
    "spec": {
        "containers": [
            {
                "name": "main",
                "env": [
                    {"name": "TICKLOCK_RUN_ID", "value": "r"},
                    {"name": "TICKLOCK_ATTEMPT", "value": "1"},
                    {"name": "TICKLOCK_SCHEDULED_TIME", "value": "2023-11-14T22:13:20Z"},
                ],
            }
        ]
    },
}
SCHEDULE: dict[str, Any] = {
    "metadata": {
        "name": "s",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "9",
        "generation": 3,
        "creationTimestamp": "2023-11-14T22:13:20Z",
        "annotations": {"ticklock.dev/trigger": "now"},
    },
    "spec": {"schedule": "*/5 * * * * *", "timeZone": "Europe/Berlin", "concurrencyPolicy": "Forbid"},
    "status": {"observedGeneration": 2, "lastScheduleTime": "2023-11-14T22:13:25Z", "ledgerSeq": 4},
}
FAULT = Fault(
    at=3.0,
    source="nemesis",
    fault="f1",
    name="kill",
    target=Target.REPLICA,
    phase=FaultPhase.BEGIN,
    details={"replica": "a", "signal": 9},
)


def _job(**changes: Any) -> JobSight:
    body = {**JOB, **changes}
    return job_sight(body, at=2.0, source="watch-jobs", change=Change.MODIFIED)


def _schedule() -> ScheduleSight:
    return schedule_sight(SCHEDULE, at=2.5, source="watch-schedules", change=Change.LISTED)


def _final() -> Final:
    rows = plain([{"id": UUID(int=1), "scheduled_time": datetime(2023, 11, 14, tzinfo=UTC), "reason": None}])
    return Final(at=9.0, source="harness", tables={"runs": rows}, schedules=(_schedule(),), jobs=(_job(),), pods=(POD,))


def _written(folder: Path, *entries: Entry) -> Path:
    with Recorder(folder, META_OF_IT) as recorder:
        for entry in entries:
            recorder.write(entry)
    return folder


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(OP, id="an operation with its spec"),
        pytest.param(_job(), id="a Job"),
        pytest.param(pod_started(POD, at=4.0, source="node-0"), id="a pod's start"),
        pytest.param(_schedule(), id="a schedule"),
        pytest.param(FAULT, id="a fault"),
        pytest.param(_final(), id="the final dump"),
    ],
)
def test_an_entry_comes_back_as_it_was_written(tmp_path: Path, entry: Entry) -> None:
    history = load(_written(tmp_path, entry))
    assert plain(history.entries[0]) == plain(entry)
    assert type(history.entries[0]) is type(entry)
    assert history.meta == META_OF_IT


def test_entries_come_back_in_the_order_of_their_time(tmp_path: Path) -> None:
    assert [entry.at for entry in load(_written(tmp_path, FAULT, OP, _job())).entries] == [1.0, 2.0, 3.0]


def test_a_torn_last_line_counts_as_not_written(tmp_path: Path) -> None:
    _written(tmp_path, OP)
    with (tmp_path / HISTORY).open("a") as file:
        file.write('{"kind": "fault", "at": 3')
    assert load(tmp_path).entries == (OP,)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        pytest.param('{"kind": "fault", "at": 3', ":2: ", id="a line in the middle is torn"),
        pytest.param('{"kind": "rumour", "at": 3}', "rumour", id="nobody knows the kind"),
        pytest.param('{"kind": "fault", "at": 3, "colour": 1}', "colour", id="nobody knows the field"),
        pytest.param('{"kind": "fault", "at": 3}', "missing", id="a field is missing"),
        pytest.param(json.dumps({"kind": "fault", **plain(FAULT), "target": "moon"}), "moon", id="no such target"),
        pytest.param("[]", ":2: ", id="the line is no object"),
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path: Path, line: str, named: str) -> None:
    _written(tmp_path, OP)
    with (tmp_path / HISTORY).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(HistoryError, match=named):
        load(tmp_path)


@pytest.mark.parametrize("missing", [HISTORY, META])
def test_a_folder_without_its_files_is_no_history(tmp_path: Path, missing: str) -> None:
    (_written(tmp_path, OP) / missing).unlink()
    with pytest.raises(HistoryError, match=missing):
        load(tmp_path)


def test_two_recorders_may_share_a_folder(tmp_path: Path) -> None:
    with Recorder(tmp_path, META_OF_IT) as one, Recorder(tmp_path) as other:
        one.write(OP)
        other.write(FAULT)
        one.write(_job())
    assert load(tmp_path).entries == (OP, _job(), FAULT)


def test_a_pod_says_which_run_it_is_in_its_environment() -> None:
    start = pod_started(POD, at=4.0, source="node-0")
    assert (start.phase, start.job_uid, start.run_id, start.n) == (NodePhase.START, "job-1", "r", 1)
    assert start.scheduled_time == 1_700_000_000
    assert isinstance(start, NodeSight)


def test_a_job_of_somebody_else_is_not_ours() -> None:
    assert is_ours(JOB)
    assert not is_ours({"metadata": {"name": "x"}, "spec": {}})


_DELETING = {**JOB["metadata"], "deletionTimestamp": "2023-11-14T22:13:30Z"}
_WAITING = {**JOB["metadata"], "annotations": {**JOB["metadata"]["annotations"], "ticklock.dev/user-suspend": "true"}}
_MARKED = {**JOB["metadata"], "annotations": {**_WAITING["annotations"], "ticklock.dev/launched": "true"}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, False, id="suspended: no"),
        pytest.param({"spec": {}}, True, id="unsuspended: yes"),
        pytest.param({"spec": {}, "metadata": _DELETING}, False, id="unsuspended on its way out: no"),
        pytest.param(
            {"spec": {}, "metadata": _DELETING, "status": {"startTime": "2023-11-14T22:13:20Z"}},
            True,
            id="on its way out, but it had started: yes",
        ),
        pytest.param({"metadata": _WAITING}, False, id="waiting for its user: no"),
        pytest.param({"metadata": _MARKED}, True, id="waiting for its user and marked as launched: yes"),
    ],
)
def test_when_a_job_counts_as_let_go(changes: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a column of the table
    assert _job(**changes).let_go is expected


def test_nothing_is_appended_after_the_last_entry(tmp_path: Path) -> None:
    history = load(_written(tmp_path, OP, _final(), FAULT))
    assert [entry.KIND for entry in history.entries] == ["client", "final"]
