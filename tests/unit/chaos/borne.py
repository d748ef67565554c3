"""Stories that the docs allow, each an edit of a sound one."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.history import Action, Change, ClientOp, Phase, Spec, Target
from tests.unit.chaos.stories import CREATED, END, START, TENTHS, Story

FORBID = replace(TENTHS, concurrency="Forbid")
REPLACE = replace(TENTHS, concurrency="Replace")
SUSPENDED = replace(TENTHS, suspend=True)
HASTY = replace(TENTHS, starting_deadline=8)
TWENTIETHS = Spec(schedule="*/20 * * * * *")


def second_pod(story: Story, **changes: object) -> Story:
    """The first pod of the Job of tick 100 ends as is said; a second one ends well."""
    first = replace(story.of(100), **changes)  # type: ignore[arg-type]  # one of its fields, as the table says
    story.entries.extend(story.pod(first, "pod-first", START + 100.1, START + 101.1))
    story.change(100, start=START + 103.0, end=START + 104.0, decided=START + 104.2)
    return story


def database_away(story: Story) -> None:
    """For half a minute nothing is launched; of what was due then only the latest tick still runs."""
    story.fault(95, 125, "database-killed", Target.DATABASE)
    for seconds in (100, 110):
        story.verdict(seconds, "Missed", "Outage", after=126.0 - seconds)
    story.tick(120, lag=8.0)


def suspended(story: Story) -> Story:
    """Suspended shortly before tick 100, resumed shortly after tick 150."""
    story.asked(Action.SUSPEND, START + 99.5, spec=SUSPENDED, generation=2)
    story.seen(START + 99.6, 2, 1, spec=SUSPENDED)
    story.seen(START + 100.4, 2, 2, spec=SUSPENDED)
    story.asked(Action.RESUME, START + 154.0, spec=TENTHS, generation=3)
    story.seen(START + 154.4, 3, 3)
    story.without(110, 120, 130, 140, 150)
    return story


def edited(story: Story) -> None:
    """From tick 100 on only every other tick is left."""
    story.asked(Action.EDIT, START + 95.0, spec=TWENTIETHS, generation=2)
    story.seen(START + 95.5, 2, 2, spec=TWENTIETHS)
    for seconds in range(110, 301, 20):
        story.without(seconds)
    story.verdict(110, "Skipped", "SpecChanged", after=-14.6)


def deleted(story: Story) -> None:
    story.asked(Action.DELETE, START + 102.0)
    story.seen(START + 102.1, change=Change.DELETED)
    story.deleted_at = START + 102.6
    story.without(*range(110, 301, 10))
    story.verdict(110, "Stopped", "ScheduleDeleted", after=-7.4)


def blocked(story: Story) -> None:
    """The run of tick 100 lasts for 25 seconds: two ticks wait, and only the later one runs."""
    story.retell(FORBID)
    story.tick(100, lasts=25.0)
    story.verdict(110, "Skipped", "ConcurrencyForbidden", after=10.2)
    story.tick(120, lag=6.0)


def replaced(story: Story) -> None:
    story.retell(REPLACE)
    story.tick(100, lasts=11.0, state="Stopped", reason="Replaced", exit_code=None, killed=True, finished=None)
    story.tick(110, lag=1.6)


def replaced_as_it_ended(story: Story) -> None:
    """The program ends, and its Job completes while it is already being deleted for the next run."""
    story.retell(REPLACE)
    story.tick(100, lasts=10.0, state="Stopped", reason="Replaced", finished=None)
    run = story.of(100)
    story.entries.append(story.job(run, START + 110.15, deleting=True))
    story.entries.append(story.job(run, START + 110.2, deleting=True, finished="Complete"))
    story.tick(110, lag=1.6)


def replaced_and_back(story: Story) -> None:
    """etcd is set back to before a Job was deleted for the next run: it stands there again, runs on and completes."""
    story.retell(REPLACE)
    story.tick(100, lasts=10.0, state="Stopped", reason="Replaced", finished=None)
    run = story.of(100)
    story.entries.append(story.job(run, START + 110.15, deleting=True))
    story.tick(110, lag=1.6)
    story.fault(112, 114, "etcd-restored", Target.ETCD, lost_objects=True)
    story.entries.append(story.job(run, START + 114.0))
    story.entries.append(story.job(run, START + 115.0, finished="Complete"))


def replaced_by_a_trigger(story: Story) -> None:
    """A trigger waits for the run before, the tick due after it is launched first, and gives way to it."""
    story.retell(REPLACE)
    story.asked(Action.TRIGGER, START + 99.5, trigger="one")
    story.seen(START + 101.0, trigger="one", last_trigger="one")
    story.tick(100, lasts=4.0, state="Stopped", reason="Replaced", exit_code=None, killed=True, finished=None)
    story.ran("trigger:one", START + 99.5, lag=6.0)


def pod_and_back(story: Story) -> None:
    """A pod is killed when its Job is paused; etcd is set back to before that, and it ends well after all."""
    story.tick(100, exit_code=None, killed=True)
    run = story.of(100)
    story.fault(103, 105, "etcd-restored", Target.ETCD, lost_objects=True)
    *_, end = story.pod(replace(run, exit_code=0, killed=False), f"pod-{run.job}", START + 100.1, START + 106.0)
    story.entries.append(end)


def deleted_by_an_old_clock(story: Story) -> None:
    """A Job is deleted while the database's clock is an hour behind: its end is recorded as of an hour ago."""
    story.fault(100.5, 108, "database-clock-behind", Target.CLOCK)
    story.asked(Action.DELETE_JOB, START + 101.0, name="s-job-100", object_uid=story.of(100).job)
    story.change(100, state="Stopped", reason="JobDeleted", finished=None, exit_code=None, killed=True)
    story.of(100).decided = START + 101.5 - 3600


def held_for_an_instant(story: Story) -> None:
    """The last Job ended an instant before the dump: its end is not recorded yet, and its finalizer still on it."""
    told = story.ran(f"tick:{START + 320}", START + 320, lasts=9.6)
    told.state, told.reason, told.attempt = "Running", "Launched", "launched"
    story.entries.append(story.job(told, END - 0.05, finished="Complete"))
    story.standing.append(story.job(told, END, Change.LISTED, finished="Complete"))


def hasty(story: Story) -> None:
    story.retell(HASTY)
    story.fault(95, 120, "database-killed", Target.DATABASE)
    for seconds in (100, 110):
        story.verdict(seconds, "Missed", "DeadlineExceeded", after=125.0 - seconds)
    story.tick(120, lag=5.0)


def hasty_and_blocked(story: Story) -> None:
    story.retell(replace(HASTY, concurrency="Forbid"))
    story.tick(100, lasts=24.0)
    story.verdict(110, "Missed", "DeadlineExceeded", after=9.0)
    story.tick(120, lag=4.5)


def job_deleted(story: Story) -> None:
    story.asked(Action.DELETE_JOB, START + 100.5, name="s-job", object_uid=story.of(100).job, schedule_uid=None)
    story.change(100, state="Stopped", reason="JobDeleted", exit_code=None, killed=True, finished=None)


def vanished(story: Story) -> None:
    job = story.of(100).job
    story.asked(Action.STRIP_FINALIZER, START + 100.4, name="s-job", object_uid=job, schedule_uid=None)
    story.change(100, state="Unknown", reason="JobVanished", exit_code=None, killed=True, finished=None)


def commits_lost(story: Story) -> None:
    story.fault(95, 110, "failover", Target.DATABASE, lost_commits=True)
    story.verdict(90, "Unknown", "LedgerLost", after=25.0)
    story.tick(100, lag=14.0)
    story.tick(110, lag=4.0)


def lost_after_it_ran(story: Story) -> None:
    story.fault(101, 105, "failover", Target.DATABASE, lost_commits=True)
    story.change(100, state="Unknown", reason="LedgerLost", decided=START + 115.0, ledger_job="")


def a_range_is_missed(story: Story) -> None:
    story.fault(95, 200, "database-killed", Target.DATABASE)
    story.without(*range(100, 180, 10))
    message = "all ticks from 2023-11-14T22:15:00Z to 2023-11-14T22:16:20Z fell into an outage"
    story.verdict(180, "Missed", "Outage", after=25.0, message=message)
    story.tick(190, lag=12.0)


def triggers(story: Story) -> None:
    story.asked(Action.TRIGGER, START + 52.0, trigger="one")
    story.seen(START + 52.5, trigger="one", last_trigger="one")
    story.ran("trigger:one", START + 52.2)


def overwritten_trigger(story: Story) -> None:
    """Nobody leads; the second value takes the place of the first before anybody looks."""
    story.fault(45, 55, "kill", Target.REPLICA, replica="a")
    story.asked(Action.TRIGGER, START + 48.0, trigger="one")
    story.asked(Action.TRIGGER, START + 50.0, trigger="two")
    story.seen(START + 58.0, trigger="two", last_trigger="two")
    story.ran("trigger:two", START + 57.9)


def unanswered_trigger(story: Story) -> None:
    story.asked(Action.TRIGGER, START + 52.0, trigger="one", answer=Phase.INFO)
    story.asked(Action.TRIGGER, START + 82.0, trigger="two", answer=Phase.INFO)
    story.ran("trigger:two", START + 82.2)


def unanswered_edit(story: Story) -> None:
    """Nobody knows whether tick 100 was to be; it was not, and the edit had been made."""
    story.asked(Action.EDIT, START + 98.0, answer=Phase.INFO, took=10.0, spec=TWENTIETHS)
    story.seen(START + 108.4, 2, 2, spec=TWENTIETHS)
    for seconds in range(110, 301, 20):
        story.without(seconds)


def unanswered_suspension(story: Story) -> None:
    """An operation without an answer that never came to be."""
    story.asked(Action.SUSPEND, START + 99.0, answer=Phase.INFO, took=3.0, spec=SUSPENDED)
    story.without(100)


def refused(story: Story) -> None:
    story.asked(Action.SUSPEND, START + 99.0, answer=Phase.FAIL, spec=SUSPENDED)
    story.asked(Action.DELETE, START + 120.0, answer=Phase.FAIL)


def taken_in_late(story: Story) -> None:
    """Nobody led for more than a minute after the creation: the first tick lies after that."""
    story.fault(-20, 80, "all-killed", Target.REPLICA, replicas=["a", "b"])
    story.drop = lambda entry: entry.KIND == "schedule" and entry.at < START + 82
    story.seen(START + 84.0)
    story.without(*range(0, 90, 10))


def ticks_on(story: Story) -> None:
    """Later ticks are staged, at work and planned when the dump is made."""
    story.tick(310, lasts=40.0, state="Running", reason="Launched", attempt="launched", end=None, finished=None)
    story.change(310, end=None)
    for seconds, state in ((320, "bound"), (330, "planned")):
        run = story.verdict(seconds, "Pending", "Bound")
        run.attempt = state
        staged = replace(run, job=f"job-{run.key}")
        story.standing.append(story.job(staged, END - 1, suspended=True, started=False))


def set_back(story: Story) -> None:
    story.fault(150, 160, "etcd-set-back", Target.ETCD)
    story.seen(START + 149.0, last_schedule_time=START + 140, ledger_seq=14)
    story.seen(START + 162.0, last_schedule_time=START + 120, ledger_seq=12, resource_version=1)


def a_generation_was_set_back(story: Story) -> None:
    """What was observed of a later generation is written to the older object, before anybody knows of the restore."""
    story.fault(150, 160, "etcd-set-back", Target.ETCD)
    story.seen(START + 162.0, 1, 2, last_schedule_time=START + 140, ledger_seq=14, resource_version=1)
    story.asked(Action.EDIT, START + 165.0, spec=story.spec, generation=2)
    story.seen(START + 165.1, 2, 2, last_schedule_time=START + 140, ledger_seq=14, resource_version=2)


def let_go_by_hand(story: Story) -> None:
    story.asked(Action.LET_JOB_GO, START + 98.0, name="s-job", object_uid=story.of(100).job, schedule_uid=None)
    story.change(100, let_go=START + 98.1, start=START + 98.3)


def let_go_into_another(story: Story) -> None:
    """Somebody lets a Job go ahead of its tick, while the run before it is still at work."""
    story.retell(FORBID)
    story.change(100, end=START + 109.0, decided=START + 109.2)
    story.asked(Action.LET_JOB_GO, START + 108.0, name="s-job", object_uid=story.of(110).job, schedule_uid=None)
    story.change(110, let_go=START + 108.1, start=START + 108.3)


def suspended_by_hand(story: Story) -> None:
    """Somebody suspends a Job at work for a while: its pod goes, another comes, and the next tick waits for its end."""
    story.retell(FORBID)
    uid = story.of(100).job
    story.asked(Action.SUSPEND_JOB, START + 101.0, name="s-job", object_uid=uid, schedule_uid=None)
    story.asked(Action.LET_JOB_GO, START + 106.0, name="s-job", object_uid=uid, schedule_uid=None)
    second_pod(story, killed=True, exit_code=None)
    story.change(100, start=START + 106.3, end=START + 114.0, decided=START + 114.2)
    story.tick(110, lag=5.0)


def let_go_though_edited_away(story: Story) -> None:
    edited(story)
    story.tick(110, lag=-12.0)
    story.asked(Action.LET_JOB_GO, START + 97.0, name="s-job", object_uid=story.of(110).job, schedule_uid=None)


def rejected(story: Story) -> None:
    story.fault(90, 102, "quota", Target.API_SERVER, excuses=["JobRejected"])
    story.verdict(100, "Failed", "JobRejected")


def unknown_creation(story: Story) -> None:
    story.entries = [entry for entry in story.entries if not isinstance(entry, ClientOp)]
    story.asked(Action.CREATE, CREATED + 0.3, answer=Phase.INFO, schedule_uid=None, spec=TENTHS)


def meaningless(story: Story) -> None:
    nonsense = Spec(schedule="every now and then")
    story.asked(Action.EDIT, START + 95.0, spec=nonsense, generation=2)
    story.seen(START + 95.5, 2, 2, spec=nonsense)
    story.without(*range(100, 301, 10))
    story.verdict(100, "Skipped", "SpecChanged", after=-4.6)
    story.asked(Action.EDIT, START + 205.0, spec=TENTHS, generation=3)
    story.seen(START + 205.5, 3, 3)
    for seconds in range(210, 301, 10):
        story.tick(seconds)


def hangs(story: Story) -> None:
    story.retell(FORBID)
    story.tick(280, lasts=40.0, state="Running", reason="Launched", attempt="launched", finished=None, end=None)
    story.pods.append({"metadata": {"uid": f"pod-{story.of(280).job}", "name": "p", "namespace": "n"}, "status": {}})
    story.verdict(290, "Skipped", "ConcurrencyForbidden", after=10.5)
    story.verdict(300, "Pending", "WaitingForRun").attempt = "planned"
