"""Each guard switched off alone: where that is searched, and which invariant it breaks there.

Three guards are held twice: without one of them alone, nothing was found. They stay, because what holds them is less
plain than they are; the tests show that they are redundant here, so that nobody believes otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.model.guards import Guards
from tests.model.setup import Setup
from tests.model.state import Left

NO_FAULT = Setup("no fault")
LATE = Setup("two late requests", left=Left(late=2))
ERROR = Setup("an error", left=Left(error=1))
STRIPPED = Setup("a finalizer stripped", left=Left(strip=1))
STRIPPED_LATE = replace(STRIPPED, name="a finalizer stripped, a deadline", deadline=True)
SLOW = Setup("a Job deleted, start times late", left=Left(delete=1), slow_start=True)
EDIT = Setup("an edit", left=Left(edit=1))
DEADLINE = Setup("a deadline", deadline=True)
REOPENED = Setup("suspended and reopened", left=Left(suspend=1, backfill=1))
PRUNED = Setup("pruning and a backfill", left=Left(backfill=1), pruning=True)
RETRY = Setup("retry, a Job deleted", left=Left(delete=1), attempts=2, pods=True, hands=1)
FORBID = Setup("Forbid", ticks=2, policy="Forbid", pods=True)
FORBID_DELETED = Setup("Forbid, a Job deleted", left=Left(delete=1), ticks=2, policy="Forbid", pods=True, hands=1)
FORBID_LOST = replace(FORBID_DELETED, name="Forbid, a Job deleted, commits lost", left=Left(loss=1, delete=1))
LOST = Setup("commits lost", left=Left(loss=1))
LOST_LATE = Setup("commits lost, a late request", left=Left(loss=1, late=1))
LOST_TWICE = Setup("commits lost twice", left=Left(loss=2))
LOST_TICKS = Setup("commits lost, two ticks", left=Left(loss=1), ticks=2, hands=1)
LOST_DEADLINE = Setup("commits lost, a deadline", left=Left(loss=1), deadline=True)
LOST_REOPENED = Setup("commits lost, two backfills", left=Left(loss=1, suspend=1, backfill=2), hands=1)
LOST_RETRY = Setup("commits lost, retry", left=Left(loss=1), attempts=2, hands=1)
LOST_OBJECT = Setup("commits lost, object deleted", left=Left(loss=1, bury=1), hands=1, stages=2)
LOST_TRIGGER = Setup("commits lost, a trigger", left=Left(loss=1), trigger=True, hands=1)
RESTORED = Setup("etcd restored", left=Left(restore=1), hands=1)

LOST_CRASH = replace(LOST_TICKS, name="commits lost, two ticks, a crash", left=Left(loss=1, crash=1))
LOST_QUIET = replace(LOST_DEADLINE, name="commits lost, a deadline, one at a time", hands=1)
LOST_LATE_QUIET = replace(LOST_LATE, name="commits lost, a late request, one at a time", hands=1)
RESTORED_RACE = replace(RESTORED, name="etcd restored, two at once", hands=2)


@dataclass(frozen=True, slots=True)
class Ablation:
    """One guard switched off."""

    guard: str
    setup: Setup
    breaks: str
    """The invariant. Others may break sooner: then only this one is looked at, where it tells more."""
    only: bool = False

    @property
    def without(self) -> Setup:
        """The configuration without that guard."""
        guards = Guards()._replace(**{self.guard: False})
        return replace(self.setup, guards=guards, only=self.breaks if self.only else "")


ABLATIONS = tuple(
    Ablation(*row)
    for row in (
        ("bind_compare", DEADLINE, "K1"),
        ("bind_stage", EDIT, "T1"),
        ("store_compare", EDIT, "T1"),
        ("bound_is_spared", NO_FAULT, "K1"),
        ("launch_uid", LATE, "S1"),
        ("never_again", STRIPPED, "S1"),
        ("gone_is_gone", ERROR, "T1"),
        ("verdict_by_delete", DEADLINE, "T1"),
        ("gone_is_unknown", STRIPPED_LATE, "T1"),
        ("finalizer", LOST, "S1"),
        ("witness_first", LOST, "S1", True),
        ("all_ends_witnessed", SLOW, "W1"),
        ("unstage_version", DEADLINE, "K1"),
        ("janitor_rule", NO_FAULT, "K1"),
        ("owed_is_spared", LOST, "K1"),
        ("unknown_is_over", LOST_LATE_QUIET, "L1"),
        ("rebuild_started", LOST, "L1"),
        ("reopen_stage", REOPENED, "K1"),
        ("pruned_through", PRUNED, "S1"),
        ("policy_in_bind", FORBID, "S2"),
        ("pods_gone", FORBID_DELETED, "S2"),
        ("follow_failed", RETRY, "S2"),
        ("lock_anew", FORBID_LOST, "S2"),
        ("incarnation", LOST, "S1", True),
        ("records_wait", LOST_CRASH, "W1"),
        ("numbers_jump", LOST_DEADLINE, "W1"),
        ("nothing_judged", LOST_QUIET, "T1"),
        ("fresh_lists", LOST_TWICE, "T1"),
        ("witness_beats", LOST, "S1"),
        ("unstage_unbound", LOST_DEADLINE, "T1"),
        ("reopen_witness", LOST_REOPENED, "S1"),
        ("attempt_order", LOST_RETRY, "L1"),
        ("bury_unlisted", LOST_OBJECT, "S1", True),
        ("trigger_told", LOST_TRIGGER, "L1"),
        ("set_back", RESTORED_RACE, "S1"),
        ("held_again", RESTORED, "L1"),
    )
)


@dataclass(frozen=True, slots=True)
class Redundant:
    """A guard that others make up for."""

    guard: str
    setup: Setup
    because: str

    @property
    def without(self) -> Setup:
        """The configuration without that guard."""
        return replace(self.setup, guards=Guards()._replace(**{self.guard: False}))


REDUNDANT = (
    Redundant("reread", REOPENED, "what contradicts its row once does so for ever: stages are never taken back"),
    Redundant("jobs_first", LOST, "a release is decided only from a row in which its witness was noted before"),
    Redundant("no_follow", LOST_RETRY, "the attempt that would follow lies under the witness too, and becomes Unknown"),
)

EVERY: tuple[Ablation | Redundant, ...] = (*ABLATIONS, *REDUNDANT)
