"""R3: each start belongs to a tick or a trigger that there was, and comes after it."""

from __future__ import annotations

from tests.chaos.case import Case
from tests.chaos.evidence import Run
from tests.chaos.findings import Finding, Findings, Rule
from tests.chaos.history import Action
from tests.chaos.owed import Target


def no_phantom(case: Case) -> list[Finding]:
    """Find starts of runs that nobody asked for, and starts before their time."""
    found = Findings(Rule.R3)
    for run in case.evidence.runs.values():
        target = case.targets.get(run.name)
        if target is None:
            _phantom(case, run, found)
        else:
            _early(case, run, target, found)
    for pod in case.evidence.pods:
        if pod.run is None:
            found.fail(
                f"pod {pod.start.pod_name} of Job {pod.start.job_name} started for a run that nobody knows",
                at=pod.start.at,
                evidence=(pod.start,),
            )
    return found.found


def _phantom(case: Case, run: Run, found: Findings) -> None:
    if run.started_at is None:
        return
    sentence = f"{case.evidence.title(run.name)} started, but {_why_not(case, run)}"
    if let_go_by_hand(case, run, run.started_at):
        found.note(f"{sentence}: somebody had let its Job go", run=run.name, at=run.started_at, evidence=run.entries())
    else:
        found.fail(sentence, run=run.name, at=run.started_at, evidence=run.entries())


def _why_not(case: Case, run: Run) -> str:
    life, tick = case.lives.get(run.name.schedule), run.name.tick
    if life is None:
        return "there never was such a schedule"
    if tick is None:
        return "nobody had given this trigger"
    if tick > case.evidence.horizon and case.evidence.final is not None and tick > case.evidence.final.at:
        return "its tick lies after the end of the history"
    if tick >= life.gone_by:
        return "the schedule had been deleted"
    if all(one.spec.suspend for one in life.possible(tick, tick)):
        return "the schedule was suspended"
    return "no spec that may have been in force ticks then"


def _early(case: Case, run: Run, target: Target, found: Findings) -> None:
    sights = [sight for job in run.jobs if (sight := job.let_go) is not None]
    for entry in (*sights, *(pod.start for pod in run.pods)):
        before = target.since - entry.at
        if before <= case.bounds.early:
            continue
        sentence = f"{case.evidence.title(run.name)} started {before:.3f} s before its time"
        if let_go_by_hand(case, run, entry.at):
            found.note(f"{sentence}: somebody had let its Job go", run=run.name, at=entry.at, evidence=(entry,))
        else:
            found.fail(sentence, run=run.name, at=entry.at, evidence=(entry,))
        return


def let_go_by_hand(case: Case, run: Run, at: float) -> bool:
    """Whether a person, and not we, may have let the Job of a run go before a moment."""
    return any(op.action is Action.LET_JOB_GO and op.at <= at for op in case.evidence.meddling(run))
