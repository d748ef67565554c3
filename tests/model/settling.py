"""Step 7 and what belongs to it: how Jobs end, what is recorded of it, who waits for it, and who stops them."""

from __future__ import annotations

from tests.model.setup import Setup
from tests.model.state import (
    ABSENT,
    ACTIVE,
    COMPLETED,
    FAILED,
    LAUNCHED,
    OPEN,
    OVER,
    PLANNED,
    STOPPED,
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

SUSPENDED = 1
"""What a record says of a Job that was deleted while it was suspended: it never started."""


def end_of(job: Job) -> str:
    """Return how a Job ended: its final condition, else its deletion (engine/endings.py)."""
    return job.end or (STOPPED if job.deleting else "")


def observe(s: State, w: Setup) -> Moves:
    """See that the Job of an open attempt has ended (engine/observer.py; engine/lookup.py for one that waits)."""
    for a, job in enumerate(s.cluster.jobs):
        row = s.ledger.rows[a]
        if job and row.state in ACTIVE and row.job == job.uid and end_of(job) and (job.let_go or job.end):
            text = f"% sees that {w.job_names[a][job.uid]} has ended: {end_of(job)}"
            yield text, begin(s, Op("record", a, job.uid, view=job.shown, why=end_of(job)))
        elif row.state in ACTIVE and not job_of(s, a, row.job):
            text = f"% confirms by a read that {w.job_names[a][row.job]} is gone"
            yield text, begin(s, Op("record", a, row.job, view=False, why=UNKNOWN))
        elif row.state == PLANNED and row.staged and not job_of(s, a, row.staged):
            text = f"% finds that the staged {w.job_names[a][row.staged]} is gone; the attempt is planned anew"
            yield text, put_row(s, a, row._replace(staged=0, stage=row.stage + 1))


def record(s: State, w: Setup, op: Op) -> Moves:
    """Write the end, where the attempt is open with that uid (store/recording.py, `record`)."""
    row = s.ledger.rows[op.attempt]
    if s.closed and w.guards.records_wait:
        yield "% may not record now, and will look again", done(s, op)
    elif row.state not in ACTIVE or row.job != op.uid:
        yield "% finds nothing to record", done(s, op)
    elif op.why == UNKNOWN and not w.guards.never_again:
        again = row._replace(state=PLANNED, stage=row.stage + 1, staged=0, job=0)
        yield f"% plans {w.attempt_names[op.attempt]} again", put_row(done(s, op), op.attempt, again)
    else:
        seen = op.why != STOPPED or row.state == LAUNCHED or op.view
        counted = bool(seen) or (w.guards.all_ends_witnessed and op.stage != SUSPENDED)
        after = ended(done(s, op), w, op.attempt, op.why, counted=counted)
        yield f"% records {w.attempt_names[op.attempt]}: {op.why}", after


def ended(s: State, w: Setup, attempt: int, end: str, *, counted: bool = True) -> State:
    """Return what the record of an end leaves: the row, the witness to be written, the lock, the next attempt."""
    row, led = s.ledger.rows[attempt], s.ledger
    launched = max(led.launched, w.witnessed_by(attempt)) if counted else led.launched
    after = s._replace(ledger=led._replace(seq=led.seq + 1, launched=launched))
    after = put_row(after, attempt, row._replace(state=end, seq=led.seq + 1, released=False, absent=False))
    after = _lock_after(after, w, attempt, certain=end in {COMPLETED, FAILED})
    follow = end == FAILED or (not w.guards.follow_failed and end in {STOPPED, UNKNOWN})
    if follow and (attempt + 1) % w.attempts:
        after = _followed(after, w, attempt)
    return after


def _lock_after(s: State, w: Setup, attempt: int, *, certain: bool) -> State:
    """Give the lock back after a final condition; after any other end somebody looks for pods (store/locks.py)."""
    led = s.ledger
    if w.policy == "Allow":
        return s
    if certain or not w.guards.pods_gone:
        return s._replace(ledger=led._replace(holder=0, suspect=False)) if led.holder == attempt + 1 else s
    if led.holder != attempt + 1 and (led.holder or not w.guards.lock_anew):
        return s
    return s._replace(ledger=led._replace(holder=attempt + 1, suspect=True))


def _followed(s: State, w: Setup, attempt: int) -> State:
    """Insert the next attempt of a failed run, in the same transaction; never after a quarantine covered it."""
    row, following = s.ledger.rows[attempt], s.ledger.rows[attempt + 1]
    if (row.suspect and w.guards.no_follow) or following.state != ABSENT:
        return s
    return put_row(s, attempt + 1, Row(PLANNED))


def let_be_deleted(s: State, w: Setup) -> Moves:
    """See that somebody deletes a suspended Job (engine/observer.py, `_let_go`)."""
    for a, job in enumerate(s.cluster.jobs):
        if job and job.deleting and not job.let_go and not job.end:
            text = f"% sees that {w.job_names[a][job.uid]} is being deleted, suspended"
            yield text, begin(s, Op("forget", a, job.uid))


def forget(s: State, w: Setup, op: Op) -> Moves:
    """Plan the attempt anew, or record the end of a bound one (store/staging.py, `forget_staged`)."""
    row, then = s.ledger.rows[op.attempt], Op("let go", op.attempt, op.uid)
    if row.state == PLANNED and row.staged == op.uid:
        anew = row._replace(staged=0, stage=row.stage + 1)
        yield f"% plans {w.attempt_names[op.attempt]} anew", put_row(done(s, op, then), op.attempt, anew)
    elif row.state in ACTIVE and row.job == op.uid:
        record_it = Op("record", op.attempt, op.uid, SUSPENDED, view=False, why=STOPPED)
        yield "% will record that it was deleted", done(s, op, record_it)
    else:
        yield "% has no row to write for it", done(s, op, then)


def let_go_of(s: State, w: Setup, op: Op) -> Moves:
    """Read the row again; a Job that it is not bound to is released (engine/observer.py, `_let_go`)."""
    if s.closed:
        yield "% may not compare now, and will look again", done(s, op)
    elif s.ledger.rows[op.attempt].job == op.uid:
        yield "% leaves the finalizer to the release", done(s, op)
    else:
        yield from take_finalizer(s, w, op, None)


def take_finalizer(s: State, w: Setup, op: Op, then: Op | None) -> Moves:
    """Take our finalizer off exactly this Job; repeating it changes nothing (kube/jobs.py, `release`)."""
    job, after = job_of(s, op.attempt, op.uid), done(s, op, then)
    if job is not None:
        after = put_job(after, op.attempt, job._replace(held=False))
        if job.started and not _witnessed(s, w, op.attempt) and not s.cluster.gone and not w.restored:
            after = wrong(after, "W1: the finalizer comes off a started Job of which the status bears no witness")
    yield f"% takes the finalizer off {w.job_names[op.attempt][op.uid]}", after


def _witnessed(s: State, w: Setup, attempt: int) -> bool:
    return s.cluster.seq > 0 if w.trigger else w.covered(attempt, s.cluster.witness)


def wrong(s: State, sentence: str) -> State:
    """Return the state in which something has happened that must never happen."""
    return s if s.truth.wrong else s._replace(truth=s.truth._replace(wrong=sentence))


# ------------------------------------------------------------------------------------------- who waits, and who stops


def look_up(s: State, w: Setup) -> Moves:
    """Look up whoever holds the lock: it may be over, and its pods gone (engine/lookup.py)."""
    led, holder = s.ledger, s.ledger.holder - 1
    if holder < 0:
        return
    row = led.rows[holder]
    if row.state not in OPEN and not job_of(s, holder, row.job) and (holder, row.job) not in s.cluster.pods:
        text = f"% finds neither Job nor live pods of {w.attempt_names[holder]}"
        yield text, begin(s, Op("free", holder))
    if w.policy == "Replace" and row.state == LAUNCHED and _somebody_waits(s):
        job = job_of(s, holder, row.job)
        if job is not None and not job.deleting:
            yield "% will delete the Job in the way", begin(s, Op("stop", holder, job.uid))


def _somebody_waits(s: State) -> bool:
    return any(row.state == PLANNED for row in s.ledger.rows)


def free(s: State, w: Setup, op: Op) -> Moves:
    """Give the lock back, unless its holder is open again (store/locks.py, `free_lock`)."""
    led = s.ledger
    if led.holder == op.attempt + 1 and led.rows[op.attempt].state in OVER:
        after = done(s, op)._replace(ledger=led._replace(holder=0, suspect=False))
        yield f"% gives the lock of {w.attempt_names[op.attempt]} back", after
    else:
        yield "% finds the lock in use", done(s, op)


def stop(s: State, w: Setup, op: Op) -> Moves:
    """Delete a launched Job by uid alone: to stop it is what is wanted (engine/lookup.py, `_end_open`)."""
    job, after = job_of(s, op.attempt, op.uid), done(s, op)
    if job is not None:
        after = put_job(after, op.attempt, job._replace(deleting=True))
    yield f"% deletes {w.job_names[op.attempt][op.uid]}, to stop it", after
