"""The checker sees what it is there for: starts that should not be, or should have been. R0 to R3, R5, R6.

One sound history, broken one way at a time; each must be caught by exactly the rules named.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.history import Action, Entry, JobSight, NodeSight, ScheduleSight, Target
from tests.chaos.judge import judge
from tests.unit.chaos import breaking
from tests.unit.chaos.breaking import caught
from tests.unit.chaos.stories import CREATED, END, START, TENTHS, UID, Edit, sound

BROKEN = [
    # R1
    pytest.param(breaking.second_job, {"R1"}, "started 2 times", id="a second Job of a run starts"),
    pytest.param(
        lambda s: breaking.second_job(s, started=False),
        {"R1"},
        "started 2 times",
        id="a second Job is let go, though no pod of it was seen",
    ),
    pytest.param(
        breaking.second_pod, {"R1"}, "nothing in the history explains", id="a Job starts a second pod out of the blue"
    ),
    pytest.param(
        lambda s: (breaking.second_pod(s), s.fault(95, 105, "replica-killed", Target.REPLICA, replica="a")),
        {"R1"},
        "nothing in the history explains",
        id="a replica's death is no excuse for a second pod",
    ),
    pytest.param(
        lambda s: (breaking.second_pod(s), s.fault(20, 30, "two-managers", Target.CONTROLLER_MANAGER)),
        {"R1"},
        "nothing in the history explains",
        id="nor is a fault that was over long before",
    ),
    pytest.param(breaking.trigger_twice, {"R1"}, "started 2 times", id="a trigger runs twice"),
    # R2
    pytest.param(lambda s: s.without(100), {"R2"}, "was lost", id="a tick is lost without a word"),
    pytest.param(
        lambda s: (s.without(100), breaking.restart(s, 90, 105)),
        {"R2"},
        "was lost",
        id="a fault is no excuse for a silent loss",
    ),
    pytest.param(
        lambda s: breaking.late(s, 100, 3.5), {"R2"}, "started 3.50 s after", id="a start is late without a fault"
    ),
    pytest.param(
        lambda s: (breaking.restart(s, 90, 105), breaking.late(s, 100, 46.0)),
        {"R2"},
        "faults included",
        id="a start is later than its fault explains",
    ),
    pytest.param(
        lambda s: (s.fault(90, 105, "kill", Target.REPLICA, replica="a"), breaking.late(s, 100, 41.0)),
        {"R2"},
        "faults included",
        id="a dead replica does not hold up the others",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Skipped", "ScheduleSuspended"),
        {"R2"},
        "nobody had suspended",
        id="skipped for a suspension that never was",
    ),
    pytest.param(lambda s: s.verdict(100, "Skipped", "SpecChanged"), {"R2"}, "no edit", id="skipped for no edit"),
    pytest.param(
        lambda s: s.verdict(100, "Stopped", "ScheduleDeleted"),
        {"R2"},
        "nobody had deleted",
        id="stopped for a deletion that never was",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Stopped", "JobDeleted"),
        {"R2"},
        "nobody had deleted its Job",
        id="stopped for a Job that nobody deleted",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Missed", "Outage", after=25.0),
        {"R2"},
        "there was no fault",
        id="missed in an outage that never was",
    ),
    pytest.param(
        lambda s: (breaking.restart(s, 95, 105), s.verdict(100, "Missed", "Outage", after=12.0)),
        {"R2"},
        "up to 15 s late",
        id="missed in an outage that was too short",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Missed", "DeadlineExceeded", after=5.0),
        {"R2"},
        "startingDeadlineSeconds",
        id="missed by a deadline that the spec lacks",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Unknown", "LedgerLost"),
        {"R2"},
        "no fault had taken commits",
        id="the ledger is called lost, and was not",
    ),
    pytest.param(
        lambda s: (breaking.restart(s, 90, 105), s.verdict(100, "Unknown", "LedgerLost")),
        {"R2"},
        "no fault had taken commits",
        id="a plain restart loses no ledger",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Unknown", "JobVanished"),
        {"R2"},
        "nobody had deleted its Job",
        id="a Job vanished by itself",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Failed", "JobRejected"),
        {"R2"},
        "nothing else is known",
        id="a Job was rejected, and nobody rejects Jobs",
    ),
    pytest.param(
        lambda s: s.verdict(100, "Skipped", "ConcurrencyForbidden", after=10.5),
        {"R2"},
        "not Forbid",
        id="skipped by a policy that the spec lacks",
    ),
    pytest.param(lambda s: breaking.triggered(s, "now"), {"R2"}, "was lost", id="a trigger is lost"),
    pytest.param(
        lambda s: (breaking.triggered(s, "one", "two"), breaking.trigger_ran(s, "two", 72.3)),
        {"R2"},
        "trigger:one",
        id="of two triggers the first is lost",
    ),
    pytest.param(
        lambda s: (breaking.triggered(s, "now"), breaking.trigger_ran(s, "now", 70.0)),
        {"R2"},
        "after it was due",
        id="a trigger is late",
    ),
    pytest.param(
        lambda s: s.change(100, start=None, end=None, state="Running", attempt="launched"),
        {"R2", "R7"},
        "no pod of it ever started",
        id="a Job is let go and nothing follows",
    ),
    pytest.param(
        lambda s: (s.fault(90, 110, "many-triggers", Target.PEOPLE), breaking.late(s, 100, 3.5)),
        {"R2"},
        "no fault was near",
        id="what people do makes nothing late",
    ),
    pytest.param(
        lambda s: (s.retell(replace(TENTHS, starting_deadline=20)), s.verdict(100, "Missed", "DeadlineExceeded")),
        {"R2"},
        "before its deadline",
        id="missed before its deadline",
    ),
    pytest.param(
        lambda s: (
            s.retell(replace(TENTHS, starting_deadline=8)),
            s.verdict(100, "Missed", "DeadlineExceeded", after=9.0),
        ),
        {"R2"},
        "no fault and no other run",
        id="missed by its deadline for no cause",
    ),
    pytest.param(
        lambda s: (
            s.retell(replace(TENTHS, schedule="0 * * * * *")),
            s.runs.clear(),
            *(s.tick(seconds) for seconds in (40, 100, 160, 220, 280)),
            breaking.restart(s, 95, 105),
            s.verdict(100, "Missed", "Outage", after=20.0),
        ),
        {"R2"},
        "the latest one still runs",
        id="missed in an outage although no newer tick was due",
    ),
    pytest.param(
        lambda s: (s.retell(breaking.FORBID), s.verdict(100, "Skipped", "ConcurrencyForbidden", after=5.0)),
        {"R2"},
        "no newer tick",
        id="skipped for a newer tick that was not due",
    ),
    pytest.param(
        lambda s: (s.retell(breaking.FORBID), s.verdict(100, "Skipped", "ConcurrencyForbidden", after=11.0)),
        {"R2"},
        "no run before it was active",
        id="skipped for a run that was not active",
    ),
    pytest.param(
        lambda s: s.change(100, state="Stopped", reason="Replaced", finished=None),
        {"R4"},
        "not Replace",
        id="stopped for a newer run although the policy is Allow",
    ),
    pytest.param(
        lambda s: setattr(s.verdict(100, "Pending", "Planned"), "attempt", "planned"),
        {"R2", "R7"},
        "is still Pending",
        id="a run waits for ever",
    ),
    # R3
    pytest.param(lambda s: breaking.early(s, 0.5), {"R3"}, "before its time", id="a start is early"),
    pytest.param(lambda s: s.tick(105), {"R3"}, "no spec", id="a start at a time that the schedule does not name"),
    pytest.param(breaking.suspended_before_100, {"R3"}, "suspended", id="a tick of a suspended schedule starts"),
    pytest.param(breaking.deleted_before_100, {"R3"}, "deleted", id="a tick of a deleted schedule starts"),
    pytest.param(
        lambda s: breaking.trigger_ran(s, "never"), {"R3"}, "nobody had given", id="a trigger that nobody gave"
    ),
    pytest.param(
        lambda s: s.entries.extend(
            s.pod(replace(s.of(100), key="tick:1", job="job-x"), "pod-x", START + 100.5, START + 101)
        ),
        {"R3"},
        "nobody knows",
        id="a pod of a Job that nobody knows",
    ),
    pytest.param(
        lambda s: setattr(s.tick(100), "schedule", "nobody"),
        {"R2", "R3"},
        "there never was such a schedule",
        id="a start for a schedule that never was",
    ),
    pytest.param(
        lambda s: s.tick(400, lag=-90.0, staged=100.0),
        {"R3"},
        "after the end of the history",
        id="a start long before its tick",
    ),
    # R5
    pytest.param(
        lambda s: (s.retell(breaking.FORBID), breaking.overlapping(s)),
        {"R5"},
        "under Forbid",
        id="two runs overlap under Forbid",
    ),
    pytest.param(
        lambda s: (s.retell(breaking.REPLACE), breaking.overlapping(s)),
        {"R5"},
        "under Replace",
        id="under Replace the new run begins before the old one has ended",
    ),
    # R6
    pytest.param(
        lambda s: (breaking.restart(s), breaking.late(s, 100, 4.0)),
        {"R6"},
        "no fault was near",
        id="after the fault is healed and recovered from, a start is late",
    ),
    pytest.param(
        lambda s: (
            breaking.restart(s),
            s.asked(Action.EDIT, START + 201.0, spec=breaking.HOURLY, generation=2),
            s.without(*range(210, 301, 10)),
            s.ends_as(s.seen(END, 2, 1, last_schedule_time=START + 200, spec=breaking.HOURLY)),
        ),
        {"R6"},
        "had to count by",
        id="an edit is never taken in",
    ),
    # R0
    pytest.param(lambda s: setattr(s, "drop", lambda _: True), {"R0"}, "the history is empty", id="an empty history"),
    pytest.param(
        lambda s: setattr(s, "drop", lambda e: e.KIND == "final"), {"R0"}, "no final dump", id="no final dump"
    ),
    pytest.param(
        lambda s: (s.retell(breaking.HOURLY), s.runs.clear()),
        {"R0"},
        "no tick and no trigger",
        id="nothing was ever due",
    ),
    pytest.param(
        lambda s: breaking.skipped_table(s, "queue_locks"),
        {"R0"},
        "lacks the table queue_locks",
        id="the dump lacks a table",
    ),
    pytest.param(lambda s: s.fault(250, None), {"R0"}, "never healed", id="a fault was never healed"),
    pytest.param(lambda s: s.fault(250, 285), {"R0"}, "recovery was not tested", id="nothing was due after the heal"),
]


@pytest.mark.parametrize(("edit", "rules", "phrase"), BROKEN)
def test_a_broken_history_is_caught(edit: Edit, rules: set[str], phrase: str) -> None:
    caught(edit, rules, phrase)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(NodeSight, id="starts on nodes"),
        pytest.param(JobSight, id="sights of Jobs"),
        pytest.param(ScheduleSight, id="sights of ScheduledJobs"),
    ],
)
def test_nothing_is_proved_without(kind: type[Entry]) -> None:
    story = sound()
    story.drop = lambda entry: isinstance(entry, kind)
    assert "R0" in judge(story.history()).rules


def test_a_finding_shows_its_evidence() -> None:
    story = sound()
    breaking.second_job(story)
    (finding,) = judge(story.history()).failures
    shown: list[Entry] = list(finding.evidence)
    assert {one.KIND for one in shown} == {"job", "node"}
    assert finding.run is not None
    assert (finding.run.schedule, finding.run.tick) == (UID, START + 100)
    assert CREATED < (finding.at or 0) < END
