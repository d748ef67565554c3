"""Steps 8 and 9, and what may go after them: witness, release, pruning."""

from __future__ import annotations

from tests.model.launching import decides
from tests.model.settling import take_finalizer
from tests.model.setup import Setup
from tests.model.state import ABSENT, OVER, Moves, Op, Row, State, begin, done, job_of, put_row


def report(s: State, w: Setup) -> Moves:
    """Read what a status must show (store/reporting.py, `reports`)."""
    led, shown = s.ledger, s.cluster
    asked = w.trigger and led.cursor > 0
    behind = led.witnessed < led.seq or (
        (shown.witness < led.launched or (asked and not shown.triggered)) and not shown.gone
    )
    if behind and led.spec != "deleted":
        text = f"% reads that the status must show record {led.seq} and tick {led.launched}"
        yield text, begin(s, Op("witness", stage=led.seq, view=(led.launched, asked)))


def witness(s: State, w: Setup, op: Op) -> Moves:
    """Step 8: write the status, merged by the greater value; the CRD refuses less (engine/reporter.py, `_write`)."""
    shown, then = s.cluster, Op("witnessed", stage=op.stage)
    if shown.gone:
        yield "% finds no object to write a status on", done(s, op, then)
        return
    launched, asked = op.view
    after = shown._replace(seq=max(shown.seq, op.stage), witness=max(shown.witness, launched))
    after = after._replace(triggered=shown.triggered or asked)
    text = f"% writes the status: record {after.seq}, tick {after.witness}"
    yield text, done(s, op, then)._replace(cluster=after)


def witnessed(s: State, w: Setup, op: Op) -> Moves:
    """Note what the status shows (store/reporting.py, `reported`)."""
    led = s.ledger
    after = done(s, op)._replace(ledger=led._replace(witnessed=max(led.witnessed, op.stage)))
    yield f"% notes that record {op.stage} is witnessed", after


def release(s: State, w: Setup) -> Moves:
    """Find a recorded attempt whose end is witnessed (store/reporting.py, `releases`)."""
    led = s.ledger
    for a, row in enumerate(led.rows):
        if not row.job or not row.seq or row.released:
            continue
        if row.seq <= led.witnessed or led.spec == "deleted" or not w.guards.witness_first:
            text = f"% reads that {w.job_names[a][row.job]} may be released"
            yield text, begin(s, Op("release", a, row.job))


def take_off(s: State, w: Setup, op: Op) -> Moves:
    """Step 9: our finalizer comes off (engine/reporter.py, `_release`)."""
    yield from take_finalizer(s, w, op, Op("released", op.attempt))


def released(s: State, w: Setup, op: Op) -> Moves:
    """Note it (store/reporting.py, `released`)."""
    row, after = s.ledger.rows[op.attempt], done(s, op)
    if row.seq and not row.released:
        after = put_row(after, op.attempt, row._replace(released=True))
    yield f"% notes the release of {w.attempt_names[op.attempt]}", after


def absent(s: State, w: Setup) -> Moves:
    """Confirm that a released Job is gone (engine/janitor.py, `_confirm`)."""
    if not w.pruning:
        return
    for a, row in enumerate(s.ledger.rows):
        if row.released and not row.absent and not job_of(s, a, row.job):
            yield f"% confirms that {w.job_names[a][row.job]} is gone", put_row(s, a, row._replace(absent=True))


def prune(s: State, w: Setup) -> Moves:
    """Remove a run that is over, and mark how far (store/housekeeping.py, `prune`). How old it is, is left open."""
    if not w.pruning or not decides(s, w):
        return
    led = s.ledger
    for tick in range(1, w.ticks + 1):
        run = range((tick - 1) * w.attempts, tick * w.attempts)
        rows = [led.rows[a] for a in run]
        over = rows[0].state in OVER and all(_rests(row, w) for row in rows)
        if not over or led.holder - 1 in run:
            continue
        after = s
        for a in run:
            after = put_row(after, a, Row(ABSENT))
        if w.guards.pruned_through:
            after = after._replace(ledger=after.ledger._replace(pruned=max(led.pruned, tick)))
        yield f"% prunes the run of tick {tick}", after


def _rests(row: Row, w: Setup) -> bool:
    if row.state == ABSENT:
        return True
    gone = not row.job or (row.released and row.absent)
    return row.state in OVER and gone
