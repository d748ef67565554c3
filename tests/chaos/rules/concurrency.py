"""R5: under Forbid and Replace no two runs of a schedule are at work at the same time."""

from __future__ import annotations

from tests.chaos.case import EXCLUSIVE, Case
from tests.chaos.evidence import Run, SeenPod
from tests.chaos.findings import Finding, Findings, Rule
from tests.chaos.lives import Life
from tests.chaos.operations import NEVER, clock
from tests.chaos.rules.at_most_once import BELOW_THE_JOB
from tests.chaos.rules.no_phantom import let_go_by_hand


def concurrency(case: Case) -> list[Finding]:
    """Find pods of different runs that overlap."""
    found = Findings(Rule.R5)
    for uid, life in case.lives.items():
        runs = [run for _, run in case.started.get(uid, ()) if run.pods and _exclusive(case, life, run)]
        pods = sorted(((pod, run) for run in runs for pod in run.pods), key=lambda one: one[0].start.at)
        for at, (first, its) in enumerate(pods):
            for second, other in pods[at + 1 :]:
                if second.start.at >= first.until:
                    break
                if its.name != other.name:
                    _overlap(case, (first, its), (second, other), found)
    return found.found


def _exclusive(case: Case, life: Life, run: Run) -> bool:
    """Whether the policy surely was Forbid or Replace, from when a run was due until it started."""
    target, started = case.targets.get(run.name), run.started_at
    if target is None or started is None:
        return False
    versions = life.possible(target.since, started)
    return bool(versions) and all(one.spec.concurrency in EXCLUSIVE for one in versions)


def _overlap(case: Case, one: tuple[SeenPod, Run], two: tuple[SeenPod, Run], found: Findings) -> None:
    (first, its), (second, other) = one, two
    target = case.targets[other.name]
    policies = sorted({spec.concurrency for spec in target.specs} & EXCLUSIVE)
    end = "which has no end" if first.until == NEVER else f"which ended at {clock(first.until)}"
    sentence = (
        f"{case.evidence.title(other.name)} started at {clock(second.start.at)} during "
        f"{case.evidence.title(its.name)}, {end}, under {' or '.join(policies)}"
    )
    entries = tuple(entry for entry in (first.start, first.end, second.start) if entry is not None)
    # A pod that Kubernetes made a second time may run when its Job is long over, and its lock given back.
    again = first is not its.pods[0] or second is not other.pods[0]
    below = again and case.troubles.during(its.pods[0].start.at, second.start.at, *BELOW_THE_JOB)
    # Not by us did it start; who resumes a Job that we had let go is no excuse.
    hand = any(let_go_by_hand(case, run, run.started_at or NEVER) for run in (its, other))
    if hand:
        sentence = f"{sentence}: somebody had let a Job go"
    tell = found.note if below or hand else found.fail
    tell(sentence, run=other.name, at=second.start.at, evidence=entries)
