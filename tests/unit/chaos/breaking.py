"""Ways to break a history, for the table of what is to be caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.chaos.history import Action, Change, Phase, Spec, Target
from tests.chaos.judge import judge
from tests.unit.chaos.stories import END, START, TENTHS, Edit, Story, Tables, Told, sound

FORBID = replace(TENTHS, concurrency="Forbid")
REPLACE = replace(TENTHS, concurrency="Replace")
SUSPENDED = replace(TENTHS, suspend=True)
HOURLY = Spec(schedule="0 * * * *")


def second_job(story: Story, *, started: bool = True) -> None:
    """A second Job of the run of tick 100 is let go."""
    other = replace(story.of(100), job="job-other")
    story.entries.append(story.job(other, START + 100.3, suspended=False))
    if started:
        story.entries.extend(story.pod(other, "pod-other", START + 100.4, START + 101.0))


def second_pod(story: Story, **changes: Any) -> Story:
    """The Job of tick 100 starts another pod, three seconds after the first."""
    run = replace(story.of(100), **changes)
    story.entries.extend(story.pod(run, "pod-other", START + 103.0, START + 104.0))
    return story


def swap(story: Story, field: str) -> None:
    """The runs of the ticks 100 and 200 are called by each other's names."""
    one, other = story.of(100), story.of(200)
    setattr(one, field, other.key)
    setattr(other, field, one.key)
    if field == "label":
        one.ledger_job, other.ledger_job = other.job, one.job


def early(story: Story, seconds: float) -> None:
    run = story.of(100)
    run.let_go, run.start = run.due - seconds, run.due - seconds + 0.02


def late(story: Story, seconds: int, lag: float) -> Story:
    story.tick(seconds, lag=lag)
    return story


def overlapping(story: Story) -> Story:
    """The run of tick 100 lasts until after the one of tick 110 has begun."""
    story.tick(100, lasts=12.0)
    return story


def suspended_before_100(story: Story) -> None:
    story.asked(Action.SUSPEND, START + 92.0, spec=SUSPENDED, generation=2)
    story.seen(START + 92.1, 2, 1, spec=SUSPENDED)
    story.seen(START + 92.5, 2, 2, spec=SUSPENDED)
    story.without(*range(110, 301, 10))


def deleted_before_100(story: Story) -> None:
    story.asked(Action.DELETE, START + 92.0)
    story.seen(START + 92.1, change=Change.DELETED)
    story.deleted_at = START + 92.6
    story.without(*range(110, 301, 10))


def triggered(story: Story, *values: str, answer: Phase = Phase.OK) -> Story:
    for at, value in enumerate(values):
        story.asked(Action.TRIGGER, START + 52.0 + 20 * at, trigger=value, answer=answer)
        story.seen(START + 52.6 + 20 * at, trigger=value, last_trigger=value)
    return story


def trigger_ran(story: Story, value: str, seconds: float = 52.3, **changes: Any) -> Told:
    return story.ran(f"trigger:{value}", START + seconds, **changes)


def trigger_twice(story: Story) -> None:
    triggered(story, "now")
    trigger_ran(story, "now")
    other = replace(story.runs["trigger:now"], job="job-other")
    story.entries.append(story.job(other, START + 60.0, suspended=False))
    story.entries.extend(story.pod(other, "pod-other", START + 60.1, START + 61.0))


def left_suspended(story: Story) -> None:
    run = story.verdict(100, "Skipped", "ScheduleSuspended")
    story.asked(Action.SUSPEND, START + 99.9, spec=SUSPENDED, generation=2)
    story.seen(START + 100.6, 2, 2, spec=SUSPENDED)
    story.asked(Action.RESUME, START + 104.0, spec=TENTHS, generation=3)
    story.seen(START + 104.6, 3, 3)
    story.standing.append(story.job(replace(run, job="job-left"), START + 97.0, suspended=True, started=False))


def held(story: Story) -> None:
    story.standing.append(story.job(story.of(100), END, Change.LISTED, finished="Complete"))


def orphan(story: Story) -> None:
    owner = {"kind": "Job", "uid": "job-gone", "name": "s-gone", "controller": True}
    story.pods.append({"metadata": {"name": "p", "namespace": "n", "uid": "p", "ownerReferences": [owner]}})


def locked(story: Story) -> None:
    key = f"run-tick:{START + 100}"
    story.locks.append({"namespace": "n", "queue_name": "default", "job_name": "s", "run_id": key, "n": 1})


def not_buried(story: Story) -> None:
    deleted_before_100(story)
    story.without(100)
    story.last = None

    def dig_up(tables: Tables) -> None:
        tables["schedules"][0]["deleted_at"] = None

    story.tables = dig_up


def open_tombstone(story: Story) -> None:
    deleted_before_100(story)
    run = story.verdict(100, "Pending", "Planned")
    run.attempt = "planned"


def restart(story: Story, begin: float = 60.0, heal: float = 70.0) -> Story:
    story.fault(begin, heal, "database-restarted", Target.DATABASE)
    return story


def backwards(story: Story, **changes: Any) -> None:
    story.seen(START + 120.0, last_schedule_time=START + 110, ledger_seq=11)
    story.seen(START + 130.0, **{"last_schedule_time": START + 120, "ledger_seq": 12, **changes})


def skipped_table(story: Story, table: str) -> None:
    def remove(tables: Tables) -> None:
        del tables[table]

    story.tables = remove


def rewrite(story: Story, table: str, **columns: Any) -> None:
    """Change the rows of the run of tick 100 in a table of the dump."""
    key = f"run-tick:{START + 100}"

    def change(tables: Tables) -> None:
        for row in tables[table]:
            if key in {row.get("id"), row.get("run_id")}:
                row.update(columns)

    story.tables = change


def caught(edit: Edit, rules: set[str], phrase: str) -> None:
    """Assert that the sound history, so edited, breaks exactly these rules, and that one finding says so."""
    story = sound()
    edit(story)
    judgement = judge(story.history())
    sentences = [f"{one.rule}: {one.sentence}" for one in judgement.failures]
    assert judgement.rules == rules, sentences
    assert any(phrase in sentence for sentence in sentences), sentences
