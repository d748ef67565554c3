"""Is a verdict justified? The history must show why the run could not, or should not, start."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tests.chaos.case import Case
from tests.chaos.evidence import Run, moment
from tests.chaos.history import Action
from tests.chaos.lives import Life, Version
from tests.chaos.operations import clock
from tests.chaos.owed import Target

GRACE = 15.0
"""How late a tick may be and still run beside a newer one, as the docs promise."""
_SLACK = 1.0
"""Between the clocks and the roundings of history and ledger."""
_RANGE = re.compile(r"all ticks from (\S+) to (\S+?)(?: fell into|$)")


@dataclass(frozen=True)
class Sentence:
    """One verdict on one run, with what is needed to weigh it."""

    case: Case
    target: Target
    run: Run
    state: str
    reason: str
    decided_at: float

    @property
    def life(self) -> Life:
        """The schedule."""
        return self.case.lives[self.target.run.schedule]

    @cached_property
    def until(self) -> float:
        """The last moment at which something may still have kept the run from starting."""
        return min(self.decided_at + _SLACK, self.case.deadline(self.target))

    @property
    def versions(self) -> list[Version]:
        """The specs that may have been in force while it was due and not started."""
        return self.life.possible(self.target.due, self.until)


def objection(sentence: Sentence) -> str | None:
    """Say why a verdict is not justified; None if it is."""
    case = sentence.case
    for trouble in case.troubles.during(sentence.target.since - GRACE, sentence.decided_at):
        if trouble.excuses(sentence.reason):
            return None
    check = _CHECKS.get((sentence.state, sentence.reason))
    if check is None:
        return "the harness names no fault that excuses it, and nothing else is known to"
    return check(sentence)


def ranges(case: Case) -> dict[str, list[tuple[float, float, Run]]]:
    """The verdicts that speak for a range of ticks, by schedule: (first, last, the run that tells it)."""
    found: dict[str, list[tuple[float, float, Run]]] = {}
    for run in case.evidence.runs.values():
        match = _RANGE.search(str(run.row.get("message") or "")) if run.row is not None else None
        if match is not None:
            first, last = moment(match[1]), moment(match[2])
            if first is not None and last is not None:
                found.setdefault(run.name.schedule, []).append((first, last, run))
    return found


def _suspended(at: Sentence) -> str | None:
    if any(one.spec.suspend for one in at.versions) or at.life.in_doubt(at.target.due):
        return None
    return "nobody had suspended the schedule while it was due"


def _changed(at: Sentence) -> str | None:
    tick = at.target.run.tick
    lacking = [one for one in at.versions if tick not in at.life.ticks(one, at.decided_at + _SLACK)]
    return None if lacking else "no edit had taken this tick away while it was due"


def _deleted(at: Sentence) -> str | None:
    return None if at.life.gone_from <= at.until else "nobody had deleted the schedule while it was due"


def _too_late(at: Sentence) -> str | None:
    deadlines = [one.spec.starting_deadline for one in at.versions if one.spec.starting_deadline is not None]
    if not deadlines:
        return "no spec that was in force has a startingDeadlineSeconds"
    passed = at.target.due + min(deadlines)
    if at.decided_at < passed - _SLACK:
        return f"it was judged at {clock(at.decided_at)}, before its deadline at {clock(passed)}"
    ready = at.case.ready(at.target) + at.case.quiet(at.target)
    hindered = at.case.troubles.during(at.target.due, passed) or at.case.evidence.meddling(at.run)
    return None if hindered or passed <= ready else "no fault and no other run kept it from starting in time"


def _outage(at: Sentence) -> str | None:
    if at.decided_at < at.target.due + GRACE - _SLACK:
        return f"it was judged after {at.decided_at - at.target.due:.0f} s: up to {GRACE:.0f} s late it still runs"
    if at.case.newer_tick(at.target, at.decided_at + _SLACK) is None:
        return "no newer tick was due: the latest one still runs"
    hindered = at.case.troubles.during(at.target.due, at.target.due + GRACE) or at.case.evidence.meddling(at.run)
    return None if hindered else "there was no fault when it was due"


def _overtaken(policy: str) -> Callable[[Sentence], str | None]:
    def check(at: Sentence) -> str | None:
        if all(one.spec.concurrency != policy for one in at.versions):
            return f"the policy was not {policy}"
        newer = at.case.newer_tick(at.target, at.decided_at + _SLACK)
        if newer is None:
            return "no newer tick was due that could take its place"
        waited = at.case.ready(at.target) + at.case.quiet(at.target) >= newer
        hindered = at.case.troubles.during(at.target.due, newer) or at.case.evidence.meddling(at.run)
        return None if waited or hindered else "no run before it was active, and there was no fault"

    return check


def _replaced(at: Sentence) -> str | None:
    """A run that had started and was stopped for the next one."""
    if all(one.spec.concurrency != "Replace" for one in at.life.possible(at.target.due, at.decided_at + _SLACK)):
        return "the policy was not Replace"
    others = (one for one in at.case.targets.values() if one.run.schedule == at.target.run.schedule)
    newer = [one for one in others if at.target.since < one.since <= at.decided_at + _SLACK]
    return None if newer or _trigger_after(at) else "no newer tick or trigger was due that could take its place"


def _trigger_after(at: Sentence) -> bool:
    """Whether a trigger waited, and had its turn after this run: none is dropped for a tick that is due after it."""
    started = at.run.started_at
    later = (run for run in at.case.evidence.runs.values() if run.name.schedule == at.target.run.schedule)
    starts = (run.started_at for run in later if run.name.tick is None)
    return started is not None and any(start is not None and start > started for start in starts)


def _job_deleted(at: Sentence) -> str | None:
    if at.life.gone_from <= at.decided_at + _SLACK:
        return None
    hands = {Action.DELETE_JOB, Action.STRIP_FINALIZER}
    asked = [op for op in at.case.evidence.meddling(at.run) if op.action in hands and op.at <= at.decided_at + _SLACK]
    # with the commits goes why we had asked for it ourselves
    return None if asked or _set_back(at) or _lost_commits(at) else "nobody had deleted its Job"


def _vanished(at: Sentence) -> str | None:
    return None if _lost_commits(at) else _job_deleted(at)


def _lost(at: Sentence) -> str | None:
    return None if _lost_commits(at) else "no fault had taken commits from the database"


def _set_back(at: Sentence) -> bool:
    return any(one.lost_objects for one in at.case.troubles.before(at.decided_at))


def _lost_commits(at: Sentence) -> bool:
    return any(one.lost_commits for one in at.case.troubles.before(at.decided_at))


_CHECKS: Mapping[tuple[str, str], Callable[[Sentence], str | None]] = {
    ("Skipped", "ScheduleSuspended"): _suspended,
    ("Skipped", "SpecChanged"): _changed,
    ("Skipped", "ConcurrencyForbidden"): _overtaken("Forbid"),
    ("Skipped", "Replaced"): _overtaken("Replace"),
    ("Missed", "DeadlineExceeded"): _too_late,
    ("Missed", "Outage"): _outage,
    ("Stopped", "ScheduleDeleted"): _deleted,
    ("Stopped", "JobDeleted"): _job_deleted,
    ("Stopped", "Replaced"): _replaced,
    ("Unknown", "JobVanished"): _vanished,
    ("Unknown", "LedgerLost"): _lost,
}
