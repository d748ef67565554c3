"""The table of configurations: what is searched, each exhaustively.

One space with everything in it would be too large to search. Each row has the features and faults that can touch each
other; what no row combines is not covered.
"""

from __future__ import annotations

from tests.model.setup import Setup
from tests.model.state import Left

CONFIGURATIONS = (
    # One run, nothing lost.
    Setup("replicas", "one tick, replicas that act late, crash or give up", Left(crash=1, late=1)),
    Setup("late twice", "one tick", Left(late=2)),
    Setup("three at once", "one tick, three things in the making at a time", Left(), hands=3),
    Setup("Jobs deleted", "start times shown late", Left(late=1, delete=1), slow_start=True),
    Setup("deadline", "verdicts before and after the bind", Left(crash=1, late=1), deadline=True),
    Setup("finalizer stripped", "verdicts before and after the bind", Left(strip=1), deadline=True),
    Setup("edited", "an edit while the Job is staged", Left(crash=1, late=1, edit=1)),
    Setup("suspended", "suspension; a skipped tick is planned again", Left(late=1, suspend=1, backfill=1)),
    Setup("stopped", "a person stops the run", Left(late=1, stop=1), designed="stop by a verb of our own"),
    Setup("errors", "the API server answers with errors", Left(late=1, error=1, delete=1)),
    Setup("object deleted", "the ScheduledJob is deleted", Left(crash=1, bury=1), stages=2),
    Setup("pruned", "the run is pruned", Left(late=1, backfill=1), pruning=True, designed="backfill by a person"),
    # Several attempts, several runs.
    Setup("retry", "two attempts", Left(late=1), attempts=2, designed="retry"),
    Setup("Forbid", "two ticks, pods that outlive their Job", Left(delete=1), 2, policy="Forbid", pods=True, stages=2),
    Setup("Replace", "two ticks, pods that outlive their Job", Left(late=1), 2, policy="Replace", pods=True),
    Setup("Queue", "two ticks, every tick waits", Left(delete=1), 2, policy="Queue", pods=True, designed="Queue"),
    # Lost commits.
    Setup("commits lost", "quarantine", Left(loss=1, crash=1)),
    Setup("commits lost, late requests", "quarantine", Left(loss=1, late=1), stages=2),
    Setup("commits lost twice", "two quarantines", Left(loss=2), hands=2),
    Setup("commits lost, verdicts", "quarantine, deadline", Left(loss=1), deadline=True),
    Setup("commits lost, reopened", "quarantine, two backfills", Left(loss=1, suspend=1, backfill=2), hands=1),
    Setup("commits lost, object deleted", "quarantine, tombstone", Left(loss=1, bury=1), hands=1, stages=2),
    Setup("commits lost, pruned", "quarantine, pruning", Left(loss=1), pruning=True),
    Setup("commits lost, retry", "quarantine, two attempts", Left(loss=1), attempts=2, hands=1, designed="retry"),
    Setup("commits lost, two ticks", "quarantine, Allow", Left(loss=1), 2, hands=1),
    Setup(
        "commits lost, Forbid", "quarantine", Left(loss=1, delete=1), 2, policy="Forbid", pods=True, hands=1, stages=2
    ),
    # etcd set back.
    Setup("etcd restored", "quarantine", Left(restore=1)),
)
