"""What is around the replicas: Kubernetes, which runs Jobs and takes them away, and people."""

from __future__ import annotations

from tests.model.launching import decides
from tests.model.setup import Setup
from tests.model.state import (
    ABSENT,
    BOUND,
    COMPLETED,
    FAILED,
    LAUNCHED,
    MISSED,
    PLANNED,
    SKIPPED,
    STOPPED,
    Moves,
    Op,
    Row,
    State,
    begin,
    job_of,
    put_job,
    put_row,
    spend,
)

# ----------------------------------------------------------------------------------------------------------- Kubernetes


def run(s: State, w: Setup) -> Moves:
    """A started Job shows its start, then ends; one that is being deleted only loses its pods."""
    for a, job in enumerate(s.cluster.jobs):
        if not job or not job.let_go or job.end or job.deleting:
            continue
        name = w.job_names[a][job.uid]
        if not job.shown:
            yield f"{name} shows its start time", put_job(s, a, job._replace(shown=True))
            continue
        for end in (COMPLETED, FAILED) if w.attempts > 1 else (COMPLETED,):
            yield f"{name} ends: {end}", _fate(put_job(_no_pods(s, a, job.uid), a, job._replace(end=end)), a, end)


def _fate(s: State, attempt: int, end: str) -> State:
    ends = s.truth.ends
    if ends[attempt]:
        return s
    return s._replace(truth=s.truth._replace(ends=(*ends[:attempt], end, *ends[attempt + 1 :])))


def _no_pods(s: State, attempt: int, uid: int) -> State:
    if not s.cluster.pods:
        return s
    pods = tuple(pod for pod in s.cluster.pods if pod != (attempt, uid))
    return s._replace(cluster=s.cluster._replace(pods=pods))


def collect(s: State, w: Setup) -> Moves:
    """Pods are collected once their Job is gone; Jobs, once their owner is gone, or by their time to live."""
    for a, uid in s.cluster.pods:
        if not job_of(s, a, uid):
            yield f"the pods of {w.job_names[a][uid]} are gone", _no_pods(s, a, uid)
    for a, job in enumerate(s.cluster.jobs):
        if not job or job.deleting:
            continue
        name = w.job_names[a][job.uid]
        if job.end:
            yield f"Kubernetes deletes {name}, whose time to live is over", put_job(s, a, job._replace(deleting=True))
        elif s.cluster.gone:
            yield f"Kubernetes deletes {name}, whose owner is gone", removed(s, a)


def removed(s: State, attempt: int) -> State:
    """Return what a deletion by others leaves."""
    job = s.cluster.jobs[attempt]
    after = put_job(s, attempt, job._replace(deleting=True))
    return _fate(after, attempt, "deleted") if job.started else after


def resume(s: State, w: Setup) -> Moves:
    """Somebody unsuspends the schedule: it is not to stay so for ever, and nothing older runs (store/edits.py)."""
    if s.ledger.spec == "suspended" and decides(s, w):
        yield "the schedule is resumed", s._replace(ledger=s.ledger._replace(spec=""))


def stored_deletion(s: State, w: Setup) -> Moves:
    """The deletion of the object is stored: planned runs stop (store/deletion.py, `bury`)."""
    if not s.cluster.gone or s.ledger.spec == "deleted" or not decides(s, w):
        return
    # Its DELETED event comes once. A replica that lost the commit learns of it at the next full list, in its own time.
    after = s._replace(ledger=s.ledger._replace(spec="deleted"))
    for a, row in enumerate(after.ledger.rows):
        if row.state == PLANNED:
            after = put_row(after, a, row._replace(state=STOPPED, staged=0))
    yield "% stores that the object is gone", after


# --------------------------------------------------------------------------------------------------------------- people


def edit(s: State, w: Setup) -> Moves:
    """An edit gives planned attempts a higher stage and no Job (store/edits.py, `_RESTAGE`).

    So does a wait of more than 30 s (store/staging.py, `_UNSTAGE`).
    """
    if not s.left.edit or not decides(s, w) or s.ledger.spec:
        return
    after = spend(s, "edit")
    for a, row in enumerate(s.ledger.rows):
        if row.state == PLANNED:
            after = put_row(after, a, row._replace(stage=row.stage + 1, staged=0))
    yield "an edit is stored: what is planned gets a higher stage", after


def suspend(s: State, w: Setup) -> Moves:
    """A suspension skips what is planned; its Jobs are left over (store/edits.py, store/deletion.py)."""
    if not s.left.suspend or not decides(s, w) or s.ledger.spec:
        return
    after = spend(s, "suspend")
    after = after._replace(ledger=after.ledger._replace(spec="suspended"))
    for a, row in enumerate(s.ledger.rows):
        if row.state == PLANNED:
            after = put_row(after, a, row._replace(state=SKIPPED, staged=0))
    yield "a suspension is stored: what is planned is Skipped", after


def backfill(s: State, w: Setup) -> Moves:
    """What never ran is planned after all, at a higher stage (store/planning.py, `_REOPEN`).

    The code reopens only skipped ticks that still lie ahead. The backfill by a person, which is designed, also reopens
    past ones and missed ones, and plans ticks of which there is no row.
    """
    if not s.left.backfill or not decides(s, w) or s.ledger.spec:
        return
    for a, row in enumerate(s.ledger.rows):
        open_again = row.state in {SKIPPED, MISSED} and not row.job
        open_again = open_again and (not row.suspect or not w.guards.reopen_witness)
        unknown = row.state == ABSENT and w.tick(a) <= s.ledger.cursor and a % w.attempts == 0
        unknown = unknown and w.tick(a) > s.ledger.pruned
        if open_again or unknown:
            higher = row.stage + (1 if w.guards.reopen_stage else 0)
            text = f"a person asks for {w.attempt_names[a]} after all: it is planned at stage {higher}"
            yield text, put_row(spend(s, "backfill"), a, Row(PLANNED, higher, suspect=row.suspect))


def stop(s: State, w: Setup) -> Moves:
    """A person stops a run: designed; today a person deletes the Job. Launched: by uid; bound: as an un-staging."""
    if not s.left.stop:
        return
    for a, row in enumerate(s.ledger.rows):
        if row.state == LAUNCHED:
            text = f"a person stops {w.attempt_names[a]}; % will delete its Job"
            yield text, begin(spend(s, "stop"), Op("stop", a, row.job))
        elif row.state == BOUND:
            text = f"a person stops {w.attempt_names[a]}; % will take its Job away"
            yield text, begin(spend(s, "stop"), Op("unstage", a, row.job, why=MISSED))


def delete_object(s: State, w: Setup) -> Moves:
    """A person deletes the ScheduledJob."""
    if s.left.bury and not s.cluster.gone:
        yield (
            "a person deletes the ScheduledJob",
            spend(s, "bury")._replace(cluster=s.cluster._replace(gone=True)),
        )
