"""Steps 1 to 6: plan, claim, create, bind, launch, mark. Any replica does them; claims only save work and are left out.

A transaction is one step. Between two steps of a replica anything may happen: the others go on, time passes, it dies.
"""

from __future__ import annotations

from tests.model.settling import end_of
from tests.model.setup import Setup
from tests.model.state import (
    ABSENT,
    ACTIVE,
    BOUND,
    LAUNCHED,
    LOST,
    MISSED,
    OPEN,
    PLANNED,
    SKIPPED,
    UNKNOWN,
    Job,
    Moves,
    Op,
    Row,
    State,
    begin,
    done,
    free_uid,
    job_of,
    put_job,
    put_row,
)


def decides(s: State, w: Setup) -> bool:
    """Tell whether the gate is open (store/session.py, `decision`)."""
    return not s.closed or not w.guards.incarnation


def plan(s: State, w: Setup) -> Moves:
    """Step 1: the next tick becomes a row, and the cursor moves with it (store/planning.py, `plan_due`).

    So does a trigger. One that the status shows already was taken before, and is lost (store/triggers.py).
    """
    led = s.ledger
    tick = led.cursor + 1
    if tick > w.ticks or led.spec or not decides(s, w):
        return
    attempt = (tick - 1) * w.attempts
    planned = s._replace(ledger=led._replace(cursor=tick))
    if led.rows[attempt].state == ABSENT and tick > led.pruned:
        known = s.cluster.triggered and w.guards.trigger_told
        planned = put_row(planned, attempt, Row(LOST if known else PLANNED))
    if s.cluster.triggered and not w.guards.trigger_told:
        planned = s._replace(ledger=led._replace(cursor=tick))
    yield f"% plans {w.attempt_names[attempt]}", planned


def claim(s: State, w: Setup) -> Moves:
    """Step 2: who finds a planned attempt without a Job will create one (store/staging.py, `claim_for_staging`)."""
    if s.ledger.spec == "deleted" or not decides(s, w):
        return
    for a, row in enumerate(s.ledger.rows):
        if row.state == PLANNED and not row.staged and row.stage <= w.stages:
            yield f"% claims {w.attempt_names[a]} at stage {row.stage}", begin(s, Op("create", a, stage=row.stage))


def create(s: State, w: Setup, op: Op) -> Moves:
    """Step 3: POST the suspended Job, or meet whatever has its name (engine/stager.py, `_stage`, `_meet`)."""
    a, found = op.attempt, s.cluster.jobs[op.attempt]
    who = w.attempt_names[a]
    if not found:
        made = posted(s, w, op)
        uid = made.cluster.jobs[a].uid
        then = Op("store", a, uid, op.stage)
        yield f"% creates {w.job_names[a][uid]}, suspended, for {who} at stage {op.stage}", done(made, op, then)
        return
    name = w.job_names[a][found.uid]
    if found.deleting or found.stage < op.stage:
        yield f"% finds that {name} has the name and must go first", done(s, op, Op("unstage", a, found.uid))
    elif found.let_go:
        yield f"% finds that {name} runs already", done(s, op, Op("rebuild", a, found.uid, view=found))
    elif found.stage == op.stage:
        yield f"% finds {name}, suspended, and adopts it", done(s, op, Op("store", a, found.uid, op.stage))
    else:
        yield f"% finds {name} of a newer stage, and leaves it", done(s, op)


def posted(s: State, w: Setup, op: Op) -> State:
    """Return what a POST leaves: a new suspended Job, if the name is free."""
    if s.cluster.jobs[op.attempt]:
        return s
    job = Job(free_uid(s, op.attempt), op.stage, held=w.guards.finalizer)
    return put_job(s, op.attempt, job)


def store(s: State, w: Setup, op: Op) -> Moves:
    """Step 3, its end: `staged_uid`, by compare-and-set on planned and stage (store/staging.py, `store_staged`)."""
    row, name = s.ledger.rows[op.attempt], w.job_names[op.attempt][op.uid]
    compared = row.state == PLANNED and row.stage == op.stage
    if not w.guards.store_compare:
        compared = row.state == PLANNED
    if compared and row.staged in {0, op.uid}:
        yield f"% stores that {name} is staged", put_row(done(s, op), op.attempt, row._replace(staged=op.uid))
    elif row.job == op.uid and w.guards.bound_is_spared:
        yield f"% is too late to stage {name}: it is the attempt by now", done(s, op)
    elif row.state == ABSENT and w.guards.owed_is_spared:
        yield f"% finds no row for {name}, and leaves it to the janitor", done(s, op)
    else:
        then = Op("unstage", op.attempt, op.uid)
        yield f"% is too late to stage {name}, and must take it away", done(s, op, then)


def bind(s: State, w: Setup) -> Moves:
    """Step 4, the decision, in one transaction (store/binding.py, `bind`).

    Whether the tick is due is left open: a bind may come at any time after the staging, or never.
    """
    if s.ledger.spec or not decides(s, w):
        return
    for a, row in enumerate(s.ledger.rows):
        if row.state != PLANNED or not row.staged:
            continue
        if not (w.guards.bind_compare and w.guards.bind_stage and w.guards.policy_in_bind):
            if w.guards.policy_in_bind or not blocked(s, w, a):
                text = f"% reads that {w.attempt_names[a]} is planned, with {w.job_names[a][row.staged]}"
                yield text, begin(s, Op("bind", a, row.staged, row.stage))
        elif not blocked(s, w, a):
            text = f"% binds {w.attempt_names[a]} to {w.job_names[a][row.staged]}"
            yield text, begin(bound(s, w, a, row.staged), Op("launch", a, row.staged))


def bind_as_read(s: State, w: Setup, op: Op) -> Moves:
    """Bind in a second transaction, after the read: only where a guard of the bind is switched off."""
    row, g = s.ledger.rows[op.attempt], w.guards
    compared = not g.bind_compare or (row.state == PLANNED and not row.job)
    compared = compared and (not g.bind_stage or row.stage == op.stage) and row.state != ABSENT
    if s.ledger.spec or not decides(s, w) or not compared or (g.policy_in_bind and blocked(s, w, op.attempt)):
        yield "% finds that it was not the first to decide", done(s, op)
        return
    text = f"% binds {w.attempt_names[op.attempt]} to {w.job_names[op.attempt][op.uid]}"
    yield text, done(bound(s, w, op.attempt, op.uid), op, Op("launch", op.attempt, op.uid))


def bound(s: State, w: Setup, attempt: int, uid: int) -> State:
    """Return what a bind leaves: the uid in the row and, where the policy takes one, the lock."""
    row = s.ledger.rows[attempt]
    after = put_row(s, attempt, row._replace(state=BOUND, job=uid, staged=uid))
    if w.policy != "Allow":
        after = after._replace(ledger=after.ledger._replace(holder=attempt + 1, suspect=False))
    return after


def blocked(s: State, w: Setup, attempt: int) -> bool:
    """Tell whether the policy lets it wait, or skips it instead (store/candidates.py, domain/policy.py)."""
    if w.policy == "Allow":
        return False
    led, tick = s.ledger, w.tick(attempt)
    if led.holder or any(row.state in ACTIVE for row in led.rows):
        return True
    if w.policy == "Queue":
        return any(row.state in OPEN and w.tick(a) < tick for a, row in enumerate(led.rows))
    return led.launched > tick


def rescue(s: State, w: Setup) -> Moves:
    """Take over a bound attempt whose claim ran out (store/binding.py, `claim_stranded`)."""
    if not decides(s, w):
        return
    for a, row in enumerate(s.ledger.rows):
        if row.state == BOUND:
            text = f"% takes over the launch of {w.job_names[a][row.job]}"
            yield text, begin(s, Op("launch", a, row.job))


def launch(s: State, w: Setup, op: Op) -> Moves:
    """Step 5: let exactly this Job go, and look at the answer (kube/jobs.py, `launch`; engine/dispatcher.py)."""
    a, name = op.attempt, w.job_names[op.attempt][op.uid]
    if w.deadline:
        yield from _miss(s, w, op)
    job = launched_job(s, w, op)
    if job is None:
        then = Op("record", a, op.uid, view=False, why=UNKNOWN)
        yield f"% finds {name} gone when it wants to let it go", done(s, op, then)
        return
    after, hit = let_go(s, w, a), w.job_names[a][job.uid]
    if (end := end_of(job)) and (job.end or job.deleting):
        then = Op("record", a, op.uid, view=job.shown, why=end)
        yield f"% lets {hit} go, and sees that it has ended or is being deleted", done(after, op, then)
    else:
        yield f"% lets {hit} go", done(after, op, Op("mark", a, op.uid))


def launched_job(s: State, w: Setup, op: Op) -> Job | None:
    """Return the Job that a launch hits."""
    if w.guards.launch_uid:
        return job_of(s, op.attempt, op.uid)
    job: Job | None = s.cluster.jobs[op.attempt] or None
    return job


def let_go(s: State, w: Setup, attempt: int) -> State:
    """Return what `suspend: false` leaves: a start, unless the Job goes already or is being deleted."""
    job = s.cluster.jobs[attempt]
    if not job or job.let_go:
        return s
    if job.deleting:
        return put_job(s, attempt, job._replace(let_go=True))
    after = put_job(s, attempt, job._replace(let_go=True, started=True, shown=not w.slow_start))
    if w.pods:
        pods = tuple(sorted((*after.cluster.pods, (attempt, job.uid))))
        after = after._replace(cluster=after.cluster._replace(pods=pods))
    if s.truth.starts[attempt] and (s.unnoticed or s.closed == "set back"):
        return after  # The documented limit: etcd was set back, and that is not dealt with yet.
    starts = s.truth.starts
    starts = (*starts[:attempt], starts[attempt] + 1, *starts[attempt + 1 :])
    return after._replace(truth=after.truth._replace(starts=starts))


def _miss(s: State, w: Setup, op: Op) -> Moves:
    """Give a launch up whose deadline has passed (engine/dispatcher.py, `_miss`)."""
    a, name = op.attempt, w.job_names[op.attempt][op.uid]
    if w.guards.verdict_by_delete:
        then = Op("unstage", a, op.uid, why=MISSED)
        yield f"% finds that the deadline has passed, and will take {name} away", done(s, op, then)
    else:
        then = Op("record", a, op.uid, view=False, why=MISSED)
        yield "% finds that the deadline has passed, and will write Missed", done(s, op, then)


def mark(s: State, w: Setup, op: Op) -> Moves:
    """Step 6: launched, where still bound to that uid (store/recording.py, `mark_launched`)."""
    row, led = s.ledger.rows[op.attempt], s.ledger
    if row.state != BOUND or row.job != op.uid:
        yield "% finds nothing to mark", done(s, op)
        return
    after = s._replace(ledger=led._replace(launched=max(led.launched, w.witnessed_by(op.attempt))))
    after = put_row(done(after, op), op.attempt, row._replace(state=LAUNCHED))
    yield f"% marks {w.attempt_names[op.attempt]} as launched", after


def judge(s: State, w: Setup) -> Moves:
    """Write a verdict over a planned attempt, by compare-and-set (store/staging.py, store/chronicle.py, `judge`)."""
    if s.closed and w.guards.nothing_judged and w.guards.incarnation:
        return
    for a, row in enumerate(s.ledger.rows):
        if row.state != PLANNED:
            continue
        for verdict in _verdicts(s, w, a):
            after = put_row(s, a, row._replace(state=verdict, staged=0))
            text = f"% judges {w.attempt_names[a]}: {verdict}"
            yield text, begin(after, Op("unstage", a, row.staged)) if row.staged else after


def _verdicts(s: State, w: Setup, attempt: int) -> list[str]:
    """Return the verdicts that may fall; which of them does is a matter of time, which is left open."""
    found = [SKIPPED] if s.ledger.spec == "suspended" else []
    if w.deadline:
        found.append(MISSED)
    newer = any(row.state in OPEN and w.tick(a) > w.tick(attempt) for a, row in enumerate(s.ledger.rows))
    if w.policy in {"Forbid", "Replace"} and (newer or s.ledger.launched > w.tick(attempt)):
        found.append(SKIPPED)
    return found
