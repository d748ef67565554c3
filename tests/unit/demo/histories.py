"""Hand-made histories of a demo, to be broken one way at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tools.demo.books import Facts
from tools.demo.facts import Death, Entry, Launch, RunName, Schedule

START = 1_700_000_000.0
"""A moment at a full second, 20 s after a full minute."""
END = START + 60
EVERY = Schedule("u-every", "every", "@every 10s", None, created=START, forbids=False)
FORBID = Schedule("u-forbid", "forbid", "@every 10s", None, created=START, forbids=True)
ONE, OTHER = "replica-one", "replica-other"
DEATH = Death("ticklock-0", ONE, at=START + 30.01)


def run(number: int, schedule: Schedule = EVERY) -> RunName:
    """The run of the tick so many tens of seconds after the start."""
    return RunName(schedule.uid, f"tick:{int(START) + 10 * number}")


def launch(number: int, *, lag: float = 0.03, job: str = "", **changes: Any) -> Launch:
    """A launch that is a little late, of a Job that runs for a second."""
    schedule = changes.pop("schedule", EVERY)
    at = START + 10 * number + lag
    made = Launch(run(number, schedule), job or f"{schedule.uid}-{number}", "job", at=at, ended=at + 1)
    return replace(made, **changes)


def entry(number: int, state: str = "Completed", **changes: Any) -> Entry:
    """What the ledger says of it: bound and launched by the one replica."""
    schedule = changes.pop("schedule", EVERY)
    bound_at = START + 10 * number + 0.005
    made = Entry(run(number, schedule), state, "JobCompleted", bound_by=ONE, bound_at=bound_at, launched_by=ONE)
    return replace(made, **changes)


def sound(**changes: Any) -> Facts:
    """Six ticks of one schedule, each launched once."""
    launches = [launch(number) for number in range(1, 7)]
    made = Facts([EVERY], launches, ledger(*map(entry, range(1, 7))), [], frozenset(), END)
    return replace(made, **changes)


def ledger(*entries: Entry) -> dict[RunName, Entry]:
    return {one.run: one for one in entries}


def without(number: int) -> list[Launch]:
    """All launches but one."""
    return [launch(n) for n in range(1, 7) if n != number]


def verdict(number: int, state: str, reason: str) -> dict[RunName, Entry]:
    """The ledger, with a verdict on one tick."""
    judged = replace(entry(number, state, reason=reason), bound_by=None, bound_at=None, launched_by=None)
    return ledger(*(entry(n) for n in range(1, 7) if n != number), judged)
