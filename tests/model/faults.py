"""What goes wrong. Each fault has a budget; without one left, everything must come right by itself."""

from __future__ import annotations

from tests.model.launching import launched_job, let_go, posted
from tests.model.setup import Setup
from tests.model.state import (
    MISSED,
    NO_WAY_BACK,
    SKIPPED,
    UNKNOWN,
    Moves,
    Op,
    State,
    Truth,
    done,
    job_of,
    put_job,
    spend,
)
from tests.model.surroundings import removed
from tests.model.tidying import deleted

LATE = {"create": "create of a Job", "launch": "launch", "delete": "conditional DELETE", "release": "release"}
"""Requests to the API server that may be given up and take effect later."""


def crash(s: State, w: Setup) -> Moves:
    """A replica dies, or gives up, before its next step. What it had committed stands."""
    if s.left.crash:
        for op in dict.fromkeys(s.doing):
            yield f"% dies before its next step ({op.kind})", done(spend(s, "crash"), op)


def give_up(s: State, w: Setup) -> Moves:
    """A request gets no answer. Its replica gives it up; it will take effect at some time."""
    if s.left.late:
        for op in dict.fromkeys(s.doing):
            if op.kind in LATE:
                late = tuple(sorted((*s.late, op)))
                text = f"% gets no answer to its {LATE[op.kind]}, and gives it up"
                yield text, done(spend(s, "late"), op)._replace(late=late)


def arrive(s: State, w: Setup) -> Moves:
    """A request that was given up takes effect after all."""
    for op in dict.fromkeys(s.late):
        rest = list(s.late)
        rest.remove(op)
        text = f"the {LATE[op.kind]} that was given up takes effect"
        yield text, _effect(s._replace(late=tuple(rest)), w, op)


def _effect(s: State, w: Setup, op: Op) -> State:
    match op.kind:
        case "create":
            return posted(s, w, op)
        case "launch":
            return let_go(s, w, op.attempt) if launched_job(s, w, op) else s
        case "delete":
            return deleted(s, w, op)
        case _:
            job = job_of(s, op.attempt, op.uid)
            return s if job is None else put_job(s, op.attempt, job._replace(held=False))


def error(s: State, w: Setup) -> Moves:
    """The API server answers a launch with an error, 409 or 500, without having done it."""
    if not s.left.error:
        return
    for op in dict.fromkeys(s.doing):
        if op.kind == "launch":
            after = spend(s, "error")
            if w.guards.gone_is_gone:
                yield "% gets an error for its launch, and leaves it to be repeated", done(after, op)
            else:
                then = Op("record", op.attempt, op.uid, view=False, why=UNKNOWN)
                yield "% gets an error for its launch, and takes the Job for gone", done(after, op, then)


def delete_job(s: State, w: Setup) -> Moves:
    """Somebody deletes a Job."""
    if s.left.delete:
        for a, job in enumerate(s.cluster.jobs):
            if job and not job.deleting:
                yield f"somebody deletes {w.job_names[a][job.uid]}", removed(spend(s, "delete"), a)


def strip(s: State, w: Setup) -> Moves:
    """Somebody takes our finalizer off by hand and deletes the Job: nobody sees its end."""
    if s.left.strip:
        for a, job in enumerate(s.cluster.jobs):
            if job:
                after = removed(spend(s, "strip"), a)
                if after.cluster.jobs[a]:
                    after = put_job(after, a, after.cluster.jobs[a]._replace(held=False))
                yield f"somebody strips the finalizer of {w.job_names[a][job.uid]} and deletes it", after


def fall_behind(s: State, w: Setup) -> Moves:
    """The standby receives no commits from here on."""
    if s.left.loss and not s.standby and not s.closed:
        yield "the standby of PostgreSQL falls behind", s._replace(standby=s.ledger)


def fail_over(s: State, w: Setup) -> Moves:
    """PostgreSQL fails over: all commits since then are lost, and the incarnation is another."""
    if s.left.loss and s.standby:
        after = spend(s, "loss")._replace(ledger=s.standby, standby=NO_WAY_BACK)
        after = after._replace(life=s.life + 1, closed=s.closed or "lost", truth=_excuse(after))
        yield "PostgreSQL fails over to the standby: later commits are lost", after


def _excuse(s: State) -> Truth:
    """Note whose reopening was lost after it ran: its row says Skipped or Missed again, and nobody can know better."""
    stale = [a for a, row in enumerate(s.ledger.rows) if row.state in {SKIPPED, MISSED} and s.truth.starts[a]]
    return s.truth._replace(excused=tuple(sorted({*s.truth.excused, *stale})))


def back_up(s: State, w: Setup) -> Moves:
    """A backup of etcd is taken."""
    if s.left.restore and not s.backup:
        yield "a backup of etcd is taken", s._replace(backup=s.cluster)


def restore(s: State, w: Setup) -> Moves:
    """Etcd is restored: Jobs are as they were then. Nobody notices before the next full list."""
    if s.left.restore and s.backup and s.backup != s.cluster:
        after = spend(s, "restore")._replace(cluster=s.backup, backup=NO_WAY_BACK, unnoticed=True)
        yield "etcd is restored from the backup", after


def notice(s: State, w: Setup) -> Moves:
    """The leader's next full list shows a resourceVersion that fell (store/setbacks.py, `note_resource_version`)."""
    if s.unnoticed and not s.closed:
        quarantined = s._replace(closed="set back", unnoticed=False)
        yield "the leader notices that the resourceVersion fell: quarantine", quarantined
