"""The checker sees what it is there for: records that lie (R4), and what is left over (R7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.history import Action, Target
from tests.unit.chaos import breaking
from tests.unit.chaos.breaking import caught
from tests.unit.chaos.stories import END, START, TENTHS, Edit

BROKEN = [
    # R4
    pytest.param(lambda s: s.change(100, log="Exited"), {"R4"}, "JobLog says Exited", id="a JobLog lies"),
    pytest.param(lambda s: s.change(100, log=""), {"R4"}, "0 JobLogs", id="a JobLog is missing"),
    pytest.param(
        lambda s: s.change(100, exit_code=1),
        {"R4"},
        "none of its pods ended well",
        id="completed although its program failed",
    ),
    pytest.param(
        lambda s: s.change(100, start=None, end=None),
        {"R4"},
        "no pod of it ever started",
        id="completed without a start",
    ),
    pytest.param(
        lambda s: s.change(100, state="Failed", reason="JobFailed"),
        {"R4"},
        "seen to complete",
        id="failed although its Job completed",
    ),
    pytest.param(
        lambda s: s.change(100, state="Skipped", reason="SpecChanged"),
        {"R4"},
        "the ledger calls it Skipped",
        id="skipped although it ran",
    ),
    pytest.param(
        lambda s: s.change(100, state="Stopped", reason="JobDeleted", finished=None),
        {"R4"},
        "nobody had deleted its Job",
        id="stopped while it ran, and nobody had asked",
    ),
    pytest.param(
        lambda s: s.change(100, recorded=False),
        {"R4"},
        "knows nothing of it",
        id="it ran, and the ledger does not know",
    ),
    pytest.param(
        lambda s: s.change(100, ledger_job="job-x"),
        {"R4"},
        "the ledger names job-x",
        id="the ledger names a Job that is not the one that ran",
    ),
    pytest.param(
        lambda s: s.change(100, attempt="Failed"), {"R4"}, "latest attempt is Failed", id="run and attempt disagree"
    ),
    pytest.param(
        lambda s: breaking.swap(s, "label"),
        {"R2", "R3", "R4"},
        "called by each other's names",
        id="two Jobs carry each other's labels",
    ),
    pytest.param(
        lambda s: breaking.swap(s, "env"),
        {"R1", "R2", "R3", "R4"},
        "takes itself for",
        id="two programs are told that they are each other's run",
    ),
    pytest.param(
        lambda s: breaking.backwards(s, last_schedule_time=START + 100),
        {"R4"},
        "lastScheduleTime",
        id="lastScheduleTime goes backwards",
    ),
    pytest.param(
        lambda s: breaking.backwards(s, last_schedule_time=None), {"R4"}, "back to None", id="lastScheduleTime vanishes"
    ),
    pytest.param(lambda s: breaking.backwards(s, ledger_seq=3), {"R4"}, "ledgerSeq", id="ledgerSeq goes backwards"),
    pytest.param(
        lambda s: s.seen(START + 50.0, 1, 2),
        {"R4"},
        "observed generation 2 of 1",
        id="a generation is observed that there is not",
    ),
    pytest.param(
        lambda s: s.ends_as(s.seen(END, last_schedule_time=START + 200)),
        {"R4"},
        "started",
        id="the status forgets the last runs",
    ),
    pytest.param(
        lambda s: s.change(100, state="Failed", reason="JobFailed", finished=None),
        {"R4"},
        "all its pods ended well",
        id="failed although its program ended well",
    ),
    pytest.param(
        lambda s: (s.without(100), s.verdict(100, "Completed", "JobCompleted")),
        {"R4"},
        "no pod of it ever started",
        id="completed without a Job",
    ),
    pytest.param(
        lambda s: breaking.rewrite(s, "attempts", reason="JobFailed"),
        {"R4"},
        "its latest attempt for JobFailed",
        id="run and attempt tell different reasons",
    ),
    pytest.param(
        lambda s: breaking.rewrite(s, "attempts", run_id="run-other"),
        {"R4"},
        "none in attempts",
        id="a run without an attempt",
    ),
    pytest.param(
        lambda s: (
            s.fault(90, 105, "database-killed", Target.DATABASE, excuses=["Outage"]),
            s.verdict(100, "Missed", "Outage").rename("NameTaken"),
        ),
        {"R4"},
        "its JobLog remarks",
        id="a JobLog tells another reason",
    ),
    pytest.param(
        lambda s: breaking.rewrite(s, "run_events", status="Planned"),
        {"R4"},
        "audit trail does not tell",
        id="the audit trail does not tell the end",
    ),
    pytest.param(
        lambda s: breaking.rewrite(s, "runs", scheduled_time="2023-11-14T22:00:00Z"),
        {"R4"},
        "has the scheduled time",
        id="a row tells another time",
    ),
    pytest.param(
        lambda s: s.change(100, time=START + 99),
        {"R4"},
        "was told the time",
        id="a program is told another time",
    ),
    pytest.param(
        lambda s: s.change(100, ledger_job=s.of(200).job),
        {"R4"},
        "but the ledger calls it",
        id="the ledger gives a run the Job of another",
    ),
    pytest.param(
        lambda s: (
            s.asked(Action.SUSPEND, START + 295.5, spec=replace(TENTHS, suspend=True), generation=2),
            s.verdict(300, "Skipped", "ScheduleSuspended"),
            s.ends_as(s.seen(END, 2, 2, last_schedule_time=START + 300, spec=replace(TENTHS, suspend=True))),
        ),
        {"R4"},
        "a tick that never started",
        id="the status shows a tick that was skipped",
    ),
    # R7
    pytest.param(breaking.left_suspended, {"R7"}, "left suspended", id="a suspended Job is left over"),
    pytest.param(breaking.held, {"R7"}, "still held by our finalizer", id="a finalizer stays on"),
    pytest.param(breaking.orphan, {"R7"}, "without its Job", id="a pod has lost its Job"),
    pytest.param(breaking.locked, {"R7"}, "the lock n/default/s", id="a lock is held by nobody"),
    pytest.param(
        lambda s: s.change(100, state="Running", attempt="launched"),
        {"R7"},
        "is still launched",
        id="a row stays open although its pod has ended",
    ),
    pytest.param(lambda s: s.change(100, released=False), {"R7"}, "never released", id="a Job is not released"),
    pytest.param(breaking.not_buried, {"R7"}, "not in the ledger", id="a deleted schedule has no tombstone"),
    pytest.param(breaking.open_tombstone, {"R7"}, "still planned", id="a tombstone has planned runs"),
]


@pytest.mark.parametrize(("edit", "rules", "phrase"), BROKEN)
def test_a_broken_history_is_caught(edit: Edit, rules: set[str], phrase: str) -> None:
    caught(edit, rules, phrase)
