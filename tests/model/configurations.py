"""The table of configurations: what is searched, each exhaustively.

One space with everything in it would be too large to search. Each row has the features and faults that can touch each
other; what no row combines is not covered.
"""

from __future__ import annotations

from tests.model.setup import Setup
from tests.model.state import Left

PODS = "pods that outlive their Job"

CONFIGURATIONS = (
    # One run, nothing lost.
    Setup("replicas", "replicas that act late, crash or give up", Left(crash=1, late=1)),
    Setup("late twice", "requests that cross each other", Left(late=2)),
    Setup("three at once", "three things in the making at a time", Left(), hands=3),
    Setup("Jobs deleted", "start times that show late", Left(late=1, delete=1), slow_start=True),
    Setup("deadline", "verdicts before and after the bind", Left(crash=1, late=1), deadline=True),
    Setup("finalizer stripped", "verdicts before and after the bind", Left(strip=1), deadline=True),
    Setup("edited", "an edit while the Job is staged", Left(crash=1, late=1, edit=1)),
    Setup("suspended", "suspension; a skipped tick is planned again", Left(late=1, suspend=1, backfill=1)),
    Setup("stopped", "a person stops the run", Left(late=1, stop=1), designed="stop by a verb of our own"),
    Setup("errors", "the API server answers with errors", Left(late=1, error=1, delete=1)),
    Setup("object deleted", "the ScheduledJob is deleted", Left(crash=1, bury=1), stages=2),
    Setup("pruned", "the run is pruned", Left(late=1, backfill=1), pruning=True, designed="backfill by a person"),
    # Several attempts, several runs.
    Setup("retry", f"two attempts, {PODS}", Left(late=1), attempts=2, pods=True, designed="retry"),
    Setup(
        "retry, Jobs deleted",
        f"two attempts, {PODS}, one thing at a time",
        Left(late=1, delete=1),
        attempts=2,
        pods=True,
        hands=1,
        designed="retry",
    ),
    Setup("Forbid", f"two ticks, {PODS}", Left(), ticks=2, policy="Forbid", pods=True),
    Setup(
        "Forbid, Jobs deleted",
        f"two ticks, {PODS}, one thing at a time",
        Left(late=1, delete=1),
        ticks=2,
        policy="Forbid",
        pods=True,
        hands=1,
    ),
    Setup("Replace", f"two ticks, {PODS}", Left(), ticks=2, policy="Replace", pods=True),
    Setup(
        "Replace, late requests",
        f"two ticks, {PODS}, one thing at a time",
        Left(crash=1, late=1),
        ticks=2,
        policy="Replace",
        pods=True,
        hands=1,
    ),
    Setup("Queue", f"two ticks, {PODS}", Left(), ticks=2, policy="Queue", pods=True, designed="Queue"),
    Setup(
        "Queue, Jobs deleted",
        f"two ticks, {PODS}, one thing at a time",
        Left(late=1, delete=1),
        ticks=2,
        policy="Queue",
        pods=True,
        hands=1,
        designed="Queue",
    ),
    # Lost commits.
    Setup("commits lost", "quarantine", Left(loss=1)),
    Setup("commits lost, late requests", "quarantine, one thing at a time", Left(loss=1, crash=1, late=1), hands=1),
    Setup("commits lost twice", "two quarantines, one thing at a time", Left(loss=2, crash=1), hands=1),
    Setup("commits lost, verdicts", "quarantine, a deadline", Left(loss=1), deadline=True, stages=3),
    Setup(
        "commits lost, reopened",
        "quarantine, one thing at a time",
        Left(loss=1, suspend=1, backfill=2),
        hands=1,
        designed="backfill by a person",
    ),
    Setup("commits lost, object deleted", "quarantine, one thing at a time", Left(loss=1, bury=1), hands=1, stages=2),
    Setup("commits lost, pruned", "quarantine, pruning", Left(loss=1), pruning=True),
    Setup(
        "commits lost, retry",
        f"quarantine, {PODS}, one thing at a time",
        Left(loss=1),
        attempts=2,
        pods=True,
        hands=1,
        designed="retry",
    ),
    Setup("commits lost, two ticks", "quarantine, one thing at a time", Left(loss=1), ticks=2, hands=1),
    Setup(
        "commits lost, Forbid",
        f"two ticks, {PODS}, one thing at a time",
        Left(loss=1),
        ticks=2,
        policy="Forbid",
        pods=True,
        hands=1,
    ),
    Setup("commits lost, trigger", "quarantine, a run that a person asks for", Left(loss=1), trigger=True),
    # etcd set back.
    Setup("etcd restored", "quarantine", Left(restore=1)),
)

LONG = (
    Setup("commits lost, crash, two at once", "quarantine", Left(loss=1, crash=1)),
    Setup("commits lost, late requests, two at once", "quarantine", Left(loss=1, late=1)),
    Setup("commits lost twice, two at once", "two quarantines", Left(loss=2)),
    Setup(
        "commits lost, Forbid, Jobs deleted",
        f"two ticks, {PODS}, one thing at a time",
        Left(loss=1, delete=1),
        ticks=2,
        policy="Forbid",
        pods=True,
        hands=1,
    ),
    Setup("etcd restored, crash", "quarantine", Left(restore=1, crash=1)),
)
"""Searched with `--long`, in minutes and with gigabytes; not among the tests."""
