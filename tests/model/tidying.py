"""Un-staging, the janitor, and rows that are rebuilt: what was left lying about, and what turned out otherwise."""

from __future__ import annotations

from tests.model.launching import decides
from tests.model.settling import end_of, take_finalizer, wrong
from tests.model.setup import Setup
from tests.model.state import (
    ABSENT,
    ACTIVE,
    BOUND,
    FAILED,
    LAUNCHED,
    LOST,
    MISSED,
    OPEN,
    UNKNOWN,
    Job,
    Moves,
    Op,
    Row,
    State,
    begin,
    done,
    job_of,
    put_job,
    put_row,
)

UNCERTAIN = frozenset({UNKNOWN, LOST})


def unstage(s: State, w: Setup, op: Op) -> Moves:
    """Read the Job that is to go (engine/unstaging.py, `unstage`)."""
    job, name = job_of(s, op.attempt, op.uid), w.job_names[op.attempt][op.uid]
    if job is None:
        yield f"% finds {name} gone already", done(s, op, _missed(op, w, gone=True))
    elif job.deleting:
        yield from taken_away(s, w, op._replace(kind="taken", stage=0), op)
    elif job.let_go:
        yield f"% reads that {name} was launched", done(s, op, Op("rebuild", op.attempt, op.uid, view=job))
    else:
        yield f"% reads {name}, suspended", done(s, op, op._replace(kind="delete", view=job))


def delete(s: State, w: Setup, op: Op) -> Moves:
    """DELETE with uid and resourceVersion of that read (kube/jobs.py, `delete`)."""
    job, name = job_of(s, op.attempt, op.uid), w.job_names[op.attempt][op.uid]
    if job is None or (w.guards.unstage_version and job != op.view):
        yield f"% is refused: {name} is not as it was read", done(s, op, op._replace(kind="unstage", view=()))
    else:
        after = done(deleted(s, w, op), op, op._replace(kind="taken", stage=1, view=()))
        yield f"% deletes {name}, which it takes for never started", after


def deleted(s: State, w: Setup, op: Op) -> State:
    """Return what the DELETE of an un-staging leaves, and whether it hit what it must not."""
    job = job_of(s, op.attempt, op.uid)
    if job is None or (w.guards.unstage_version and job != op.view):
        return s
    after, row = put_job(s, op.attempt, job._replace(deleting=True)), s.ledger.rows[op.attempt]
    name = w.job_names[op.attempt][op.uid]
    if job.started and not job.end and not job.deleting:
        return wrong(after, f"K1: {name} had started, and is deleted as if it had not")
    if row.state == BOUND and row.job == op.uid and not op.why and not s.closed and w.decided:
        return wrong(after, f"K1: {name} is the attempt, and is deleted although nobody decided that")
    return after


def taken_away(s: State, w: Setup, op: Op, was: Op | None = None) -> Moves:
    """Read the terminating Job: did it ever start? (engine/unstaging.py, `_settle`). `stage` 1: the DELETE was ours."""
    job, name = job_of(s, op.attempt, op.uid), w.job_names[op.attempt][op.uid]
    now = was or op
    if job is None:
        yield f"% finds {name} gone", done(s, now, _missed(op, w, gone=not op.stage))
    elif not job.let_go or (op.stage and not job.shown):
        then = op._replace(kind="never started")
        yield f"% reads that {name} never started", done(s, now, then)
    else:
        yield f"% reads that {name} was launched", done(s, now, Op("rebuild", op.attempt, op.uid, view=job))


def never_started(s: State, w: Setup, op: Op) -> Moves:
    """Let a Job go that never started; where it was bound, the verdict follows."""
    yield from take_finalizer(s, w, op, _missed(op, w, gone=False))


def _missed(op: Op, w: Setup, *, gone: bool) -> Op | None:
    """Return the verdict over a bound attempt whose Job is taken away (engine/dispatcher.py, `_miss`).

    A Job that was gone before we came tells nothing: it may have run.
    """
    if op.why != MISSED:
        return None
    return Op("record", op.attempt, op.uid, view=False, why=UNKNOWN if gone and w.guards.gone_is_unknown else MISSED)


def rebuild(s: State, w: Setup, op: Op) -> Moves:
    """Make the row of a started Job say launched (store/rebuilding.py, `rebuild_launched`)."""
    after = rebuilt(done(s, op), w, op.attempt, op.view)
    yield f"% rebuilds the row from {w.job_names[op.attempt][op.uid]}", after


def rebuilt(s: State, w: Setup, attempt: int, job: Job) -> State:
    """Return what a rebuild leaves (store/rebuilding.py, `rebuild`, `_to_rebuild`)."""
    row, led = s.ledger.rows[attempt], s.ledger
    again = row.job == job.uid and row.state in UNCERTAIN and not row.released and job.held
    if row.job and not again:
        return s
    after = s._replace(ledger=led._replace(launched=max(led.launched, w.witnessed_by(attempt))))
    new = Row(LAUNCHED, job.stage, job.uid, job.uid, suspect=row.suspect)
    after = put_row(after, attempt, new)
    first = attempt - attempt % w.attempts
    if w.guards.attempt_order and attempt > first:
        after = _superseded(after, first, attempt)
    return after


def _superseded(s: State, first: int, attempt: int) -> State:
    """Close the attempts before one that was started: only a recorded failure is ever followed."""
    for a in range(first, attempt):
        row = s.ledger.rows[a]
        if row.state == ABSENT or row.state in OPEN:
            seq = s.ledger.seq + 1
            s = s._replace(ledger=s.ledger._replace(seq=seq))
            job = s.cluster.jobs[a]
            uid = row.job or (job.uid if job else 0)
            s = put_row(s, a, Row(FAILED, row.stage, uid, uid, seq, suspect=True))
    return s


def contradict(job: Job, row: Row, w: Setup) -> bool:
    """Tell whether a Job and its row cannot both be right (engine/janitor.py, `contradict`)."""
    over = row.state not in OPEN and (w.guards.unknown_is_over or row.state not in UNCERTAIN)
    if _held_again(job, row, w):
        return True
    if job.let_go and row.job != job.uid:
        return w.guards.rebuild_started
    if job.let_go:
        return row.state in ACTIVE and bool(end_of(job))
    if row.job and not over:
        return row.job != job.uid
    return row.state == ABSENT or over or job.stage < row.stage or not w.guards.janitor_rule


def _held_again(job: Job, row: Row, w: Setup) -> bool:
    """Tell whether a Job is held that was released: etcd was set back to before."""
    return row.released and row.job == job.uid and job.held and w.guards.held_again


def tidy(s: State, w: Setup) -> Moves:
    """Compare the Jobs as watched with their rows (engine/janitor.py, `_compare`)."""
    if not decides(s, w):
        return
    for a, job in enumerate(s.cluster.jobs):
        if job and contradict(job, s.ledger.rows[a], w) and not _owed(s, w, a):
            text = f"% sees that {w.job_names[a][job.uid]} and its row contradict each other"
            yield text, begin(s, Op("settle", a, job.uid, view=job))


def _owed(s: State, w: Setup, attempt: int) -> bool:
    """Tell whether a row is only missing because its tick is still to be planned: then the Job may yet be adopted."""
    led = s.ledger
    missing = led.rows[attempt].state == ABSENT
    return missing and w.tick(attempt) > led.cursor and not led.spec and w.guards.owed_is_spared


def settle(s: State, w: Setup, op: Op) -> Moves:
    """Read the row again before anything is done (engine/janitor.py, `_settle`; store/expectations.py, `rows`)."""
    row, job = s.ledger.rows[op.attempt], op.view
    if not decides(s, w):
        yield "% may not compare now, and will look again", done(s, op)
    elif w.guards.reread and (not contradict(job, row, w) or _owed(s, w, op.attempt)):
        yield "% reads the row again: it is right by now", done(s, op)
    elif _held_again(job, row, w):
        after = put_row(done(s, op), op.attempt, row._replace(released=False, absent=False))
        yield "% reads the row again: the Job was released, and is held; it is to be released once more", after
    elif job.let_go and row.job != job.uid:
        yield (
            "% reads the row again: the Job runs, and the row does not say so",
            done(s, op, op._replace(kind="rebuild")),
        )
    elif job.let_go:
        then = Op("record", op.attempt, op.uid, view=job.shown, why=end_of(job))
        yield "% reads the row again: the Job has ended", done(s, op, then)
    else:
        then = Op("unstage", op.attempt, op.uid)
        yield "% reads the row again: the Job must go", done(s, op, then)
