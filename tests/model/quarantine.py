"""Quarantine: what to believe when commits may be lost (engine/quarantine.py, store/quarantine.py).

In the code the leader does it. Here any replica may, and two may at once: it must not matter.
"""

from __future__ import annotations

from tests.model.settling import end_of, ended
from tests.model.setup import Setup
from tests.model.state import (
    ABSENT,
    ACTIVE,
    BOUND,
    LOST,
    MISSED,
    OPEN,
    PLANNED,
    SKIPPED,
    UNKNOWN,
    Job,
    Jobs,
    Moves,
    Op,
    Row,
    State,
    begin,
    done,
    put_row,
)
from tests.model.tidying import rebuilt


def look(s: State, w: Setup) -> Moves:
    """Begin: list Jobs, and after them ScheduledJobs."""
    if s.closed:
        first = "list Jobs" if w.guards.jobs_first else "list objects"
        yield "% begins to reconcile", begin(s, Op(first, stage=s.life, view=((), ())))


def list_jobs(s: State, w: Setup, op: Op) -> Moves:
    """LIST Jobs."""
    then = "list objects" if w.guards.jobs_first else "reconcile"
    yield "% lists the Jobs", done(s, op, Op(then, stage=op.stage, view=(s.cluster.jobs, op.view[1])))


def list_objects(s: State, w: Setup, op: Op) -> Moves:
    """LIST ScheduledJobs: their statuses bear witness."""
    shown = (s.cluster.seq, s.cluster.witness, s.cluster.gone, s.cluster.triggered)
    then = "reconcile" if w.guards.jobs_first else "list Jobs"
    yield "% lists the ScheduledJobs", done(s, op, Op(then, stage=op.stage, view=(op.view[0], shown)))


def reconcile(s: State, w: Setup, op: Op) -> Moves:
    """Apply the rules in one transaction; without leftovers, open the gate (store/quarantine.py)."""
    if not s.closed:
        yield "% finds the quarantine lifted by another", done(s, op)
        return
    if op.stage != s.life and w.guards.fresh_lists:
        yield "% has listed in another incarnation, and must begin again", done(s, op)
        return
    jobs, (seq, witness, gone, triggered) = op.view
    seq, witness = (0, 0) if gone else (seq, witness)
    behind = seq > s.ledger.seq
    after = _catch_up(done(s, op), w, seq, witness)
    after = _take_trigger(after, w, behind=behind) if triggered and not gone else after
    rebuilt_all = _rebuild_all(after, w, jobs)
    if rebuilt_all is None:
        yield "% fails: the ledger takes only one open attempt of a run", done(s, op)
        return
    leftovers = _unbound(after := rebuilt_all, w, jobs, witness)
    after = _replan(after, w, jobs, leftovers)
    unvouched = (gone and w.guards.bury_unlisted) or (behind and w.trigger)
    after = _lose_planned(after, w, witness, unvouched=unvouched)
    if leftovers:
        a = leftovers[0]
        then = Op("unstage", a, jobs[a].uid, why="quarantine")
        yield f"% applies the rules, and must take {w.job_names[a][jobs[a].uid]} away first", begin(after, then)
        return
    after = _lose_bound(after, w, jobs, witness)
    yield "% applies the rules, and opens the gate", _open(after, w, gone=gone)


def _catch_up(s: State, w: Setup, seq: int, witness: int) -> State:
    """Take in what the status says beyond the ledger (store/witnesses.py, `catch_up`)."""
    led = s.ledger
    rows = tuple(
        row._replace(suspect=True) if w.covered(a, witness) and row.state in SUSPECT else row
        for a, row in enumerate(led.rows)
    )
    if w.guards.witness_beats:
        rows = tuple(
            Row(LOST) if row.state == ABSENT and _first_of_lost_tick(a, w, led.cursor, witness) else row
            for a, row in enumerate(rows)
        )
        led = led._replace(cursor=max(led.cursor, witness))
    count = max(led.seq, seq) + (STRIDE if w.guards.numbers_jump else 0)
    led = led._replace(rows=rows, launched=max(led.launched, witness), seq=count, witnessed=seq)
    return s._replace(ledger=led)


STRIDE = 5
"""More than what can be recorded before a loss here; a million in the code."""
SUSPECT = OPEN | {SKIPPED, MISSED}


def _first_of_lost_tick(attempt: int, w: Setup, cursor: int, witness: int) -> bool:
    return attempt % w.attempts == 0 and cursor < w.tick(attempt) <= witness


def _rebuild_all(s: State, w: Setup, jobs: Jobs) -> State | None:
    """A started Job is a launched run, whatever its row says; one that has ended is recorded (store/rebuilding.py).

    None where the ledger would refuse: it takes only one open attempt of a run.
    """
    for a in range(len(jobs)) if w.guards.attempt_order else reversed(range(len(jobs))):
        job = jobs[a]
        if not job or not job.let_go or (job.deleting and not job.shown):
            continue
        if w.guards.rebuild_started:
            s = rebuilt(s, w, a, job)
        if _two_open(s, w):
            return None
    for a, job in enumerate(jobs):
        row = s.ledger.rows[a]
        over = job and job.let_go and (job.end or (job.deleting and job.shown))
        if over and row.state in ACTIVE and row.job == job.uid:
            s = ended(s, w, a, end_of(job))
    return s


def _two_open(s: State, w: Setup) -> bool:
    """Tell whether the unique index would refuse this (store/tables.py, `attempts_one_open_idx`)."""
    runs = [w.tick(a) for a, row in enumerate(s.ledger.rows) if row.state in OPEN]
    return len(set(runs)) < len(runs)


def _unbound(s: State, w: Setup, jobs: Jobs, witness: int) -> list[int]:
    """Return whose suspended Jobs must go: not bound, or below the witness (store/comparison.py, `_unbound`)."""
    suspended = [a for a, job in enumerate(jobs) if job and not job.let_go and not job.end]
    return [a for a in suspended if _must_go(s, w, a, jobs[a], covered=w.covered(a, witness))]


def _must_go(s: State, w: Setup, attempt: int, job: Job, *, covered: bool) -> bool:
    row = s.ledger.rows[attempt]
    bound = row.state == BOUND and row.job == job.uid
    if not bound and not w.guards.unstage_unbound:
        return False
    if s.closed == "set back" and bound and w.guards.set_back:
        return True  # Whether it was launched before, nobody can say: what is set back cannot bear witness.
    return not bound or (covered and w.guards.witness_beats)


def _replan(s: State, w: Setup, jobs: Jobs, leftovers: list[int]) -> State:
    """Plan anew what is staged with a Job that must go, or that is gone (store/comparison.py, `unstage_unbound`)."""
    for a, row in enumerate(s.ledger.rows):
        if row.state != PLANNED:
            continue
        lost = row.staged and not (jobs[a] and jobs[a].uid == row.staged)
        if a in leftovers or lost:
            s = put_row(s, a, row._replace(stage=row.stage + 1, staged=0))
        elif not w.guards.unstage_unbound and jobs[a] and not row.staged and not jobs[a].let_go:
            s = put_row(s, a, row._replace(staged=jobs[a].uid, stage=jobs[a].stage))
    return s


def _take_trigger(s: State, w: Setup, *, behind: bool) -> State:
    """A trigger that the status shows was taken: without a row, it is lost (store/witnesses.py, `_lost_runs`)."""
    row = s.ledger.rows[0]
    lost = row.state == ABSENT and (behind or w.guards.trigger_told)
    after = put_row(s, 0, Row(LOST)) if lost else s
    return after._replace(ledger=after.ledger._replace(cursor=1))


def _lose_planned(s: State, w: Setup, witness: int, *, unvouched: bool) -> State:
    """What the witness covers was handled before (store/comparison.py, `lose_planned`)."""
    for a, row in enumerate(s.ledger.rows):
        covered = w.covered(a, witness) and w.guards.witness_beats
        if row.state == PLANNED and (covered or unvouched):
            s = put_row(s, a, row._replace(state=LOST, staged=0))
    return s


def _lose_bound(s: State, w: Setup, jobs: Jobs, witness: int) -> State:
    """A bound or launched attempt without its Job is Unknown (store/comparison.py, `lose_bound`)."""
    for a, row in enumerate(s.ledger.rows):
        if row.state not in ACTIVE:
            continue
        job = jobs[a] if jobs[a] and jobs[a].uid == row.job else None
        covered = job is not None and not job.let_go and w.covered(a, witness)
        if job is None or covered:
            s = ended(s, w, a, UNKNOWN)
            s = put_row(s, a, s.ledger.rows[a]._replace(suspect=True))
    return s


def _open(s: State, w: Setup, *, gone: bool) -> State:
    """Open the gate; a schedule whose object is no longer listed is a tombstone (store/deletion.py, `bury`)."""
    after = s._replace(closed="", unnoticed=False)
    if gone and w.guards.bury_unlisted:
        after = after._replace(ledger=after.ledger._replace(spec="deleted"))
    return after
