"""What the docs allow is no finding: faults, verdicts with a cause, and ticks that may or may not be."""

from __future__ import annotations

import pytest

from tests.chaos.findings import Rule, Severity
from tests.chaos.history import Action, Target
from tests.chaos.judge import judge
from tests.unit.chaos import borne
from tests.unit.chaos.stories import START, Edit, Story, sound

BORNE = [
    pytest.param(borne.unknown_creation, "schedule", id="a creation without an answer, seen by a watch"),
    pytest.param(borne.meaningless, "schedule", id="an edit that means nothing: the schedule stands still"),
    pytest.param(borne.hangs, None, id="a run that hangs under Forbid, and all that waits for it"),
    pytest.param(lambda _: None, None, id="nothing happened"),
    pytest.param(borne.triggers, "client", id="a trigger runs"),
    pytest.param(borne.unanswered_trigger, "client", id="of two triggers without an answer one runs"),
    pytest.param(borne.overwritten_trigger, None, id="a trigger is overwritten before anybody looks"),
    pytest.param(
        lambda s: (s.fault(95, 105), s.tick(100, lag=30.0)), "fault", id="a start is late as its fault explains"
    ),
    pytest.param(
        lambda s: (s.fault(95, 105, "kill", Target.REPLICA, replica="a"), s.tick(100, lag=12.0)),
        "fault",
        id="a start waits for the claim of a dead replica",
    ),
    pytest.param(
        lambda s: (
            s.fault(95, 200, "kill", Target.REPLICA, replica="a"),
            s.fault(96, 150, "kill", Target.REPLICA, replica="b"),
            s.tick(100, lag=52.0),
        ),
        "fault",
        id="a start waits for one of two dead replicas",
    ),
    pytest.param(borne.database_away, "fault", id="of an outage only the latest tick runs"),
    pytest.param(borne.a_range_is_missed, "fault", id="a long outage is told as a range"),
    pytest.param(borne.hasty, "fault", id="deadlines pass in an outage"),
    pytest.param(borne.hasty_and_blocked, None, id="a deadline passes while a run is waited for"),
    pytest.param(borne.blocked, None, id="under Forbid the latest tick waits, and those before are skipped"),
    pytest.param(borne.replaced, None, id="under Replace a run is stopped, and the next one waits for its end"),
    pytest.param(
        borne.replaced_as_it_ended, None, id="under Replace a run is stopped in the moment in which it completes"
    ),
    pytest.param(borne.replaced_and_back, None, id="under Replace a run is stopped, and etcd brings its Job back"),
    pytest.param(borne.replaced_by_a_trigger, None, id="under Replace a tick gives way to a trigger that had waited"),
    pytest.param(borne.pod_and_back, None, id="a pod is killed, and ends well after etcd was set back"),
    pytest.param(borne.deleted_by_an_old_clock, "client", id="a Job is deleted while the database's clock is behind"),
    pytest.param(borne.held_for_an_instant, None, id="a Job ended an instant before the dump"),
    pytest.param(borne.suspended, "schedule", id="a suspension, and a tick on its edge that ran"),
    pytest.param(
        lambda s: (borne.suspended(s), s.verdict(100, "Skipped", "ScheduleSuspended")),
        "schedule",
        id="a suspension, and a tick on its edge that did not run",
    ),
    pytest.param(
        lambda s: (borne.suspended(s), s.verdict(110, "Skipped", "ScheduleSuspended", after=-9.7)),
        "schedule",
        id="a tick that was planned when the suspension came",
    ),
    pytest.param(borne.edited, "schedule", id="an edit takes ticks away"),
    pytest.param(borne.deleted, "client", id="a schedule is deleted"),
    pytest.param(borne.job_deleted, "client", id="somebody deletes a Job at work"),
    pytest.param(borne.vanished, "client", id="a Job without its finalizer vanishes"),
    pytest.param(borne.commits_lost, "fault", id="the database loses commits"),
    pytest.param(borne.lost_after_it_ran, "fault", id="commits are lost, and with them which Job a run was"),
    pytest.param(borne.unanswered_edit, "schedule", id="an edit without an answer was made"),
    pytest.param(borne.unanswered_suspension, "client", id="while a suspension has no answer a tick may be missing"),
    pytest.param(borne.refused, None, id="operations that were refused change nothing"),
    pytest.param(borne.taken_in_late, None, id="an object that nobody looked at for a minute"),
    pytest.param(borne.ticks_on, None, id="what is due after the horizon is on its way"),
    pytest.param(borne.set_back, "fault", id="a cluster that was set back forgets what its statuses said"),
    pytest.param(borne.rejected, "fault", id="Jobs are rejected, as the harness had arranged"),
]
NOTED = [
    pytest.param(borne.suspended_by_hand, "client", "suspend_job", id="somebody suspends a Job at work for a while"),
    pytest.param(
        borne.let_go_though_edited_away,
        "client",
        "somebody had let its Job go",
        id="somebody lets a Job go whose tick an edit has taken away",
    ),
    pytest.param(
        borne.let_go_by_hand, "client", "somebody had let its Job go", id="somebody lets a staged Job go early"
    ),
    pytest.param(
        borne.a_generation_was_set_back, "fault", "observed generation 2 of 1", id="a generation was set back"
    ),
    pytest.param(
        lambda s: (borne.second_pod(s), s.fault(95, 105, "two-managers", Target.CONTROLLER_MANAGER)),
        "fault",
        "a fault below the Job",
        id="two controller managers make two pods",
    ),
    pytest.param(
        lambda s: (
            borne.second_pod(s, killed=True, exit_code=None),
            s.asked(Action.DELETE_POD, START + 101.0, name="pod-first", schedule_uid=None),
        ),
        "client",
        "somebody had asked for delete_pod",
        id="a pod was deleted, and Kubernetes makes another",
    ),
    pytest.param(
        lambda s: borne.second_pod(s, exit_code=3),
        None,
        "failed with exit code 3",
        id="a pod fails, and Kubernetes tries again",
    ),
    pytest.param(
        lambda s: (
            s.fault(95, 105, "failover", Target.DATABASE, lost_commits=True),
            s.change(100, state="Skipped", reason="ScheduleSuspended"),
        ),
        "fault",
        "the ledger calls it Skipped",
        id="a stale verdict, after commits were lost",
    ),
]


@pytest.mark.parametrize(("edit", "cause"), BORNE)
def test_what_is_allowed_is_no_finding(edit: Edit, cause: str | None) -> None:
    story = sound()
    edit(story)
    assert [f"{one.rule}: {one.sentence}" for one in judge(story.history()).findings] == []
    _needs_its_cause(story, cause)


@pytest.mark.parametrize(("edit", "cause", "phrase"), NOTED)
def test_where_the_promise_ends_there_is_a_note(edit: Edit, cause: str | None, phrase: str) -> None:
    story = sound()
    edit(story)
    (finding,) = judge(story.history()).findings
    assert finding.severity is Severity.NOTE
    assert phrase in finding.sentence
    _needs_its_cause(story, cause)


def test_a_job_that_somebody_lets_go_may_overlap_the_run_before_it() -> None:
    story = sound()
    borne.let_go_into_another(story)
    findings = judge(story.history()).findings
    assert {(one.rule, one.severity) for one in findings} == {(Rule.R3, Severity.NOTE), (Rule.R5, Severity.NOTE)}
    _needs_its_cause(story, "client")


def _needs_its_cause(story: Story, cause: str | None) -> None:
    """The same without the entries that explain it is a failure: nothing is allowed for its own sake."""
    if cause is not None:
        story.drop = lambda entry: cause == entry.KIND
        story.last = None
        assert judge(story.history()).failures
