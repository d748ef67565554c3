"""The guards: the rules that keep the protocol safe, each with a switch.

With all of them on, the model is the protocol. With one switched off, it is the protocol as somebody might have written
it who did not know better; the tests show for each what then goes wrong.
"""

from __future__ import annotations

from typing import NamedTuple


class Guards(NamedTuple):
    """Which rules are in force."""

    # The decision.
    bind_compare: bool = True
    bind_stage: bool = True
    store_compare: bool = True
    bound_is_spared: bool = True
    launch_uid: bool = True
    never_again: bool = True
    gone_is_gone: bool = True
    verdict_by_delete: bool = True
    gone_is_unknown: bool = True
    # Keeping what was decided visible.
    finalizer: bool = True
    witness_first: bool = True
    all_ends_witnessed: bool = True
    # Tidying up.
    unstage_version: bool = True
    janitor_rule: bool = True
    owed_is_spared: bool = True
    reread: bool = True
    unknown_is_over: bool = True
    rebuild_started: bool = True
    reopen_stage: bool = True
    pruned_through: bool = True
    # Runs that must not overlap.
    policy_in_bind: bool = True
    pods_gone: bool = True
    follow_failed: bool = True
    lock_anew: bool = True
    # What was lost.
    incarnation: bool = True
    records_wait: bool = True
    numbers_jump: bool = True
    nothing_judged: bool = True
    fresh_lists: bool = True
    jobs_first: bool = True
    witness_beats: bool = True
    unstage_unbound: bool = True
    reopen_witness: bool = True
    no_follow: bool = True
    attempt_order: bool = True
    bury_unlisted: bool = True
    trigger_told: bool = True
    set_back: bool = True
    held_again: bool = True


RULES = {
    "bind_compare": "the bind compares: only a planned, unbound attempt is bound",
    "bind_stage": "the bind names the stage it decided on",
    "store_compare": "a staged Job is stored only while the attempt is planned at its stage",
    "bound_is_spared": "who comes too late to stage a Job leaves it alone if the attempt is bound to it",
    "launch_uid": "the launch names the uid of the bound Job",
    "never_again": "a bound attempt whose Job is gone is Unknown, and is never planned again",
    "gone_is_gone": "only a consistent read shows that a Job is gone; an error does not",
    "verdict_by_delete": "after the bind there is no verdict but by a conditional DELETE",
    "gone_is_unknown": "a bound Job that is gone before we delete it is Unknown, whatever the deadline says",
    "finalizer": "our finalizer holds each Job from its creation",
    "witness_first": "the finalizer comes off only when the status bears witness",
    "all_ends_witnessed": "every end of a Job that was let go raises the witness, start time seen or not",
    "unstage_version": "un-staging names uid and resourceVersion of a read that showed the Job suspended",
    "janitor_rule": "the janitor leaves a suspended Job alone while its attempt may still be bound to it",
    "owed_is_spared": "a suspended Job without a row is left alone while its tick is still to be planned",
    "reread": "the janitor reads the row again before it acts",
    "unknown_is_over": "to the janitor, Unknown is as final as any other end",
    "rebuild_started": "a started Job under a row that is not bound to it makes the row say launched",
    "reopen_stage": "what is reopened gets a higher stage",
    "pruned_through": "pruning marks up to which tick nothing is ever planned again",
    "policy_in_bind": "whether another run is active is decided in the transaction that binds",
    "pods_gone": "a lock is given back only when no live pod is left",
    "follow_failed": "an attempt follows only a Job whose final condition is Failed",
    "lock_anew": "a run without a lock, rebuilt after a loss, takes it when it ends and pods may be left",
    "incarnation": "each decision checks the incarnation of the database",
    "records_wait": "ends are recorded only in an incarnation that was reconciled",
    "numbers_jump": "after a quarantine, records are counted on from a number that no lost one had reached",
    "nothing_judged": "nothing is judged in a quarantine",
    "fresh_lists": "a quarantine believes only lists that were begun in this incarnation",
    "jobs_first": "a quarantine lists Jobs first, then ScheduledJobs",
    "witness_beats": "what the witness covers is Unknown, and is not launched",
    "unstage_unbound": "a quarantine un-stages a suspended Job that is not bound, and does not adopt it",
    "reopen_witness": "what a witness covered at a quarantine is never reopened",
    "no_follow": "an attempt open at a quarantine, under the witness, is recorded but not followed",
    "attempt_order": "attempts are rebuilt in order; a failed one that has a successor is rebuilt as recorded",
    "bury_unlisted": "a quarantine buries schedules whose objects are no longer listed",
    "trigger_told": "a trigger that the status shows, and the ledger does not, becomes a run that is Unknown",
    "set_back": "after a restore of etcd, a bound Job that is suspended may have been launched: it is taken away",
    "held_again": "the janitor releases a Job once more that is held although it was released",
}
"""Each guard in one sentence."""
