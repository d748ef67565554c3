"""What must hold in every state, and what a finished, clean state is.

S1  at most one Job of an attempt ever starts
S2  attempts of a run do not overlap, nor do runs of a schedule under Forbid, Replace and Queue
L1  from every state a finished, clean state can be reached without further faults: nothing is lost, nothing leaks
T1  no record lies
K1  no started Job is deleted but to stop it, and no bound one is taken away but by a verdict
W1  a started Job is released only when the status bears witness of its tick
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.setup import Setup
from tests.model.state import (
    ABSENT,
    ACTIVE,
    COMPLETED,
    FAILED,
    LOST,
    MISSED,
    OPEN,
    OVER,
    SKIPPED,
    STOPPED,
    UNKNOWN,
    Job,
    Row,
    State,
    job_of,
)

MEANING = {
    "S1": "two Jobs of one attempt were started",
    "S2": "two runs that must not overlap have live pods at the same time",
    "L1": "from here no way leads to a finished, clean state",
    "T1": "a record says what is not true",
    "K1": "a Job was taken away that must not be",
    "W1": "a run was released of which nothing bears witness",
}


def broken(s: State, w: Setup) -> str | None:
    """Return the first invariant that this state breaks, with a sentence; None where all hold."""
    return next((found for found in _broken(s, w) if found.startswith(w.only)), None)


def _broken(s: State, w: Setup) -> Iterator[str]:
    if s.truth.wrong:
        yield s.truth.wrong
    for a, starts in enumerate(s.truth.starts):
        if starts > 1:
            yield f"S1: two Jobs of {w.attempt_names[a]} were started"
    if w.kubernetes_too and (again := _run_again(s, w)):
        yield again
    if len(s.cluster.pods) > 1 and (overlap := _overlap(s, w)):
        yield overlap
    if not s.closed and not w.restored:
        for a in range(len(s.ledger.rows)):
            if lie := _lie(s, a):
                yield f"T1: the record of {w.attempt_names[a]} lies: {lie}"


def _run_again(s: State, w: Setup) -> str | None:
    for a, job in enumerate(s.cluster.jobs):
        if job and job.started and not job.end and not job.deleting and s.truth.ends[a]:
            return f"S1: Kubernetes itself runs {w.job_names[a][job.uid]} again, which had ended before"
    return None


def _overlap(s: State, w: Setup) -> str | None:
    # Not those of a run that the ledger has lost, with a Job that is gone: nothing names them. A documented limit.
    pods = [(a, uid) for a, uid in s.cluster.pods if s.ledger.rows[a].state != LOST or job_of(s, a, uid)]
    runs = [w.tick(a) for a, _ in pods]
    if len(runs) > 1 and (w.policy != "Allow" or len(set(runs)) < len(runs)):
        names = " and ".join(w.job_names[a][uid] for a, uid in pods)
        return f"S2: the pods of {names} run at the same time"
    return None


def _lie(s: State, attempt: int) -> str | None:
    row, started, end = s.ledger.rows[attempt], s.truth.starts[attempt], s.truth.ends[attempt]
    if row.state in OPEN or row.state == UNKNOWN:
        return _lie_of_its_job(row, job_of(s, attempt, row.job))
    ended = row.state in {COMPLETED, FAILED} and end != row.state
    judged = row.state in {SKIPPED, MISSED} and started and attempt not in s.truth.excused
    stopped = row.state == STOPPED and (end in {COMPLETED, FAILED} or (started and not row.job))
    return f"it says {row.state}, but its Job {_truth(started, end)}" if ended or judged or stopped else None


def _lie_of_its_job(row: Row, job: Job | None) -> str | None:
    if job is None:
        return None
    if row.state == UNKNOWN and job.started and not job.deleting:
        return "it says that the Job is gone, and there it stands"
    if row.state in ACTIVE and job.stage != row.stage:
        return f"it says stage {row.stage}, but the Job is of stage {job.stage}"
    return None


def _truth(started: int, end: str) -> str:
    if not started:
        return "never started"
    return {"": "is running", "deleted": "was deleted while it ran"}.get(end, f"ended as {end}")


def clean(s: State, w: Setup) -> bool:
    """Tell whether all is over and nothing is left: every tick has its run or its verdict, no Job waits or is held."""
    led, cluster = s.ledger, s.cluster
    if s.doing or s.late or s.closed or s.unnoticed or led.holder or cluster.pods:
        return False
    if any(job and (job.held or not job.let_go) for job in cluster.jobs):
        return False
    if cluster.witness < led.launched and not cluster.gone:
        return False
    return all(_settled(s, w, a, row) for a, row in enumerate(led.rows))


def _settled(s: State, w: Setup, attempt: int, row: Row) -> bool:
    if row.state != ABSENT:
        return row.state in OVER
    led, tick = s.ledger, w.tick(attempt)
    later_attempt = attempt % w.attempts > 0
    return later_attempt or tick <= led.pruned or (bool(led.spec) and tick > led.cursor)
