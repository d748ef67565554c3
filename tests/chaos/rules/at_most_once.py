"""R1: one Job for a run, whatever happened; and one pod for a Job, unless Kubernetes itself was disturbed."""

from __future__ import annotations

from itertools import pairwise

from tests.chaos.case import Case
from tests.chaos.evidence import Run, SeenPod
from tests.chaos.findings import Finding, Findings, Rule
from tests.chaos.history import Action, Target
from tests.chaos.operations import clock

BELOW_THE_JOB = (Target.CONTROLLER_MANAGER, Target.NODE, Target.API_SERVER, Target.ETCD, Target.MACHINE)
"""What stands between a Job and its pods. A fault elsewhere is no excuse for a second pod."""
_MAKES_PODS_AGAIN = frozenset({Action.DELETE_POD, Action.SUSPEND_JOB, Action.DELETE_JOB})


def at_most_once(case: Case) -> list[Finding]:
    """Find runs with two Jobs that may have started, and Jobs with two pods."""
    found = Findings(Rule.R1)
    for run in case.evidence.runs.values():
        uids = sorted({job.uid for job in run.let_go} | {pod.start.job_uid for pod in run.pods})
        if len(uids) > 1:
            title = case.evidence.title(run.name)
            found.fail(
                f"{title} started {len(uids)} times: Jobs {', '.join(uids)}",
                run=run.name,
                at=run.started_at,
                evidence=run.entries(),
            )
        for uid in uids:
            _pods(case, run, [pod for pod in run.pods if pod.start.job_uid == uid], found)
    return found.found


def _pods(case: Case, run: Run, pods: list[SeenPod], found: Findings) -> None:
    for first, second in pairwise(pods):
        excuse = _excuse(case, run, first, second)
        sentence = f"Job {second.start.job_name} started a second pod, {second.start.pod_name}, at "
        sentence += f"{clock(second.start.at)}: {excuse or 'nothing in the history explains it'}"
        tell = found.fail if excuse is None else found.note
        tell(sentence, run=run.name, at=second.start.at, evidence=(first.start, second.start))


def _excuse(case: Case, run: Run, first: SeenPod, second: SeenPod) -> str | None:
    """Name the documented class that a second pod belongs to; None if it belongs to none."""
    end = first.end
    if end is not None and not end.killed and end.exit_code not in {None, 0} and end.at <= second.start.at:
        return f"the first one had failed with exit code {end.exit_code}, and Kubernetes tries again"
    hands = [op for op in case.evidence.meddling(run) if op.action in _MAKES_PODS_AGAIN and op.at <= second.start.at]
    if hands:
        return f"somebody had asked for {hands[0].action.value} of {hands[0].asked.name}"
    troubles = case.troubles.during(first.start.at, second.start.at, *BELOW_THE_JOB)
    return f"a fault below the Job: {troubles[-1].name}" if troubles else None
