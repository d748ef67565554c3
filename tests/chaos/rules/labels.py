"""Labels may lie: a run is what it is called by the system that is judged. So they are checked twice.

Once against each other: the pod's environment, its Job's annotations and the ledger's row must name the same run. And
once by leaving them out: starts are points, what was owed are windows, and each start must find a window of its own.
With points in order of time, each given the open window that closes first, that search is exact.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos.case import Case
from tests.chaos.evidence import SeenPod
from tests.chaos.findings import Findings
from tests.chaos.operations import clock
from tests.chaos.owed import Target


class Window(NamedTuple):
    """When a start may be, both ends included."""

    opens: float
    closes: float


def matched(points: Sequence[float], windows: Sequence[Window]) -> list[bool]:
    """Tell for each point, in order of time, whether it finds a window of its own; as many do as can."""
    waiting = sorted(windows)
    open_now: list[float] = []
    taken, found = 0, []
    for point in sorted(points):
        while taken < len(waiting) and waiting[taken].opens <= point:
            heapq.heappush(open_now, waiting[taken].closes)
            taken += 1
        while open_now and open_now[0] < point:
            heapq.heappop(open_now)
        found.append(bool(open_now))
        if open_now:
            heapq.heappop(open_now)
    return found


def labels(case: Case, found: Findings) -> None:
    """Find pods and Jobs that disagree on which run they are, and labels that only an exchange would make true."""
    for pod in case.evidence.pods:
        _agree(case, pod, found)
    _jobs_and_rows(case, found)
    for uid in case.lives:
        _exchanged(case, uid, found)


def _agree(case: Case, pod: SeenPod, found: Findings) -> None:
    job = case.evidence.jobs.get(pod.start.job_uid)
    if job is None or pod.run is None:
        return
    if pod.start.run_id is not None and job.last.run_id is not None and pod.start.run_id != job.last.run_id:
        sentence = f"pod {pod.start.pod_name} takes itself for {case.evidence.title(pod.run)}, "
        sentence += f"but its Job is {case.evidence.title(job.run)}"
        found.fail(sentence, run=pod.run, at=pod.start.at, evidence=(pod.start, job.last))
    elif pod.start.scheduled_time is not None and pod.run.tick not in {None, pod.start.scheduled_time}:
        sentence = f"pod {pod.start.pod_name} of {case.evidence.title(pod.run)} was told the time "
        found.fail(sentence + clock(pod.start.scheduled_time), run=pod.run, at=pod.start.at, evidence=(pod.start,))


def _jobs_and_rows(case: Case, found: Findings) -> None:
    """The ledger and the Job's annotations name the same run."""
    for row in case.evidence.rows("attempts"):
        job = case.evidence.jobs.get(str(row.get("job_uid")))
        name = case.evidence.names.get(str(row["run_id"]))
        if job is not None and job.run != name:
            sentence = f"Job {job.last.name} calls itself {case.evidence.title(job.run)}, "
            sentence += f"but the ledger calls it {case.evidence.title(name)}"
            found.fail(sentence, run=name, evidence=(job.last,))


def _exchanged(case: Case, uid: str, found: Findings) -> None:
    """Where starts do not fit the windows that their labels name, but each fits some window, the labels are wrong."""
    misfits: dict[str, float] = {}
    points: list[float] = []
    windows: list[Window] = []
    for target in case.targets.values():
        started = case.run(target.run).started_at if target.run.schedule == uid else None
        if started is None:
            continue
        window = _window(case, target)
        points.append(started)
        windows.append(window)
        if not window.opens <= started <= window.closes:
            misfits[case.evidence.title(target.run)] = started
    if len(misfits) > 1 and all(matched(points, windows)):
        named = ", ".join(f"{title} (started {clock(at)})" for title, at in sorted(misfits.items()))
        found.fail(f"these starts would be in time if they were called by each other's names: {named}")


def _window(case: Case, target: Target) -> Window:
    return Window(target.since - case.bounds.early, case.deadline(target))
