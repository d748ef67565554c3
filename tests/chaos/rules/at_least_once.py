"""R2 and R6: what was owed started in time, or one verdict says why not; once the faults are healed, as without them.

The two are one question with two names: a start that is late although no fault is felt any more is a failed recovery.
"""

from __future__ import annotations

from tests.chaos.case import Case
from tests.chaos.evidence import Run, RunName
from tests.chaos.findings import Finding, Findings, Rule
from tests.chaos.justice import Sentence, objection, ranges
from tests.chaos.operations import NEVER, clock
from tests.chaos.owed import Target

FINAL = frozenset({"Completed", "Failed", "Stopped", "Skipped", "Missed", "Unknown"})


def at_least_once(case: Case) -> list[Finding]:
    """Find what is lost, what is late, and verdicts that nothing justifies."""
    losses, late = Findings(Rule.R2), Findings(Rule.R6)
    told = ranges(case)
    for target in case.owed:
        run = case.run(target.run)
        if run.started_at is not None:
            _started(case, target, run, losses if _never_disturbed(case, target) else late)
        else:
            _not_started(case, target, _speaker(run, told), losses)
    _never_taken_in(case, late)
    return losses.found + late.found


def unstarted(case: Case) -> list[RunName]:
    """What was owed and has neither started nor a final word."""
    told = ranges(case)
    silent = (one.run for one in case.owed if case.run(one.run).started_at is None)
    return [name for name in silent if _speaker(case.run(name), told).state not in FINAL]


def _speaker(run: Run, told: dict[str, list[tuple[float, float, Run]]]) -> Run:
    """The run whose record tells what became of one: itself, or one that tells a range."""
    tick = run.name.tick
    if run.row is not None or tick is None:
        return run
    return next((other for first, last, other in told.get(run.name.schedule, ()) if first <= tick <= last), run)


def _never_disturbed(case: Case, target: Target) -> bool:
    """Whether no fault came before it, or one can still be felt: then a late start is no failed recovery."""
    return bool(case.disturbing(target)) or not case.troubles.before(target.due)


def _started(case: Case, target: Target, run: Run, found: Findings) -> None:
    at, deadline = run.started_at, case.deadline(target)
    title = case.evidence.title(target.run)
    if at is not None and at > deadline:
        by = f"{at - target.due:.2f} s after it was due; it had to by {clock(deadline)}"
        troubles = sorted({one.name for one in case.disturbing(target)})
        why = f", faults included ({', '.join(troubles)})" if troubles else ", for no fault was near"
        found.fail(f"{title} started {by}{why}", run=target.run, at=at, evidence=run.entries())
    waits = any(job.last.waits_for_user for job in run.let_go)
    still = all(job.leaving is None for job in run.let_go) and run.state not in FINAL
    if not run.pods and still and not waits:
        found.fail(f"{title} was let go, but no pod of it ever started", run=target.run, at=at, evidence=run.entries())


def _not_started(case: Case, target: Target, run: Run, found: Findings) -> None:
    title = case.evidence.title(target.run)
    if run.row is None:
        found.fail(f"{title} was lost: it never started, and no record tells of it", run=target.run, at=target.due)
        return
    if run.state not in FINAL:
        if case.deadline(target) <= case.evidence.horizon:  # else it may still wait for a run at work
            found.fail(f"{title} never started, and is still {run.state}", run=target.run, at=target.due)
        return
    if run.state == "Completed":
        return  # a lie, which is R4's business
    decided = run.decided_at or case.evidence.horizon
    wrong = objection(Sentence(case, target, run, str(run.state), str(run.reason), decided))
    if wrong is not None:
        found.fail(f"{title} is {run.state}, {run.reason}, but {wrong}", run=target.run, at=decided)


def _never_taken_in(case: Case, found: Findings) -> None:
    """A spec that was acknowledged must come to count."""
    for life in case.lives.values():
        for version in life.versions:
            if version.acknowledged_at is None:
                continue
            deadline = case.troubles.deadline(version.acknowledged_at, case.bounds.taken_in)
            if deadline <= min(case.evidence.horizon, life.gone_from) and version.surely_from > deadline:
                seen = "never seen" if version.surely_from == NEVER else f"seen at {clock(version.surely_from)}"
                label = case.evidence.label(life.uid)
                found.fail(
                    f"generation {version.generation} of {label} was acknowledged at "
                    f"{clock(version.acknowledged_at)} and had to count by {clock(deadline)}; that was {seen}",
                    at=version.acknowledged_at,
                )
