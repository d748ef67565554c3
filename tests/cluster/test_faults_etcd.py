"""etcd is set back to a snapshot: it is noticed, nothing starts twice, and launching goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once
from tests.support.waiting import eventually
from tools.devcluster.etcdstate import have_etcdutl

if TYPE_CHECKING:
    from tests.support.place import Place
    from tests.support.stack import Stack

KEEP = 1000
SECONDS = 30.0
"""In which a quarantine has begun and is over, the restart of every server included."""
ALLOWED = {("Unknown", "JobVanished"), ("Missed", "Outage"), ("Stopped", "JobDeleted")}


TWO_WAYS = pytest.mark.parametrize(
    "bump_revision",
    [
        pytest.param(False, id="to older revisions"),
        pytest.param(True, id="as its manual advises, so that no revision is given out twice"),
    ],
)


@pytest.mark.timeout(240)
@TWO_WAYS
def test_the_cluster_is_set_back_in_the_middle(own_stack: Stack, own_place: Place, *, bump_revision: bool) -> None:
    have_etcdutl()
    schedules = [own_place.plant(f"past-{at}", f"@every {2 + at}s", successfulJobsHistoryLimit=KEEP) for at in range(3)]
    for planted in schedules:
        planted.wait_launched(2)
    cluster = own_stack.cluster
    begun, ended = (len(own_stack.facts(event)) for event in ("quarantine begins", "quarantine is over"))
    snapshot = cluster.etcd_state.back_up(cluster.folder / "snapshot")
    taken = time.time()
    eventually(
        lambda: all(any((job.let_go_at or 0) > taken for job in one.launched()) for one in schedules),
        what="each has launched a Job that the snapshot does not hold",
    )
    cluster.set_back(snapshot, bump_revision=bump_revision)
    back = time.time()
    eventually(lambda: len(own_stack.facts("quarantine is over")) > ended, what="it is reconciled", seconds=SECONDS)
    assert len(own_stack.facts("quarantine begins")) > begun
    eventually(
        lambda: all(any((job.tick or 0) > back for job in one.launched()) for one in schedules),
        what="each goes on",
        seconds=SECONDS,
    )
    tally = every_tick_once(own_stack, schedules, until=time.time() + 3, allowed=ALLOWED)
    assert all(name.tick > taken - 10 for name in tally.verdicts), "a verdict on a tick long before"
    for planted in schedules:
        planted.wait_run(
            lambda row: row["state"] == "Completed" and row["scheduled_time"].timestamp() > back,
            what="ends are recorded again",
        )


@pytest.mark.timeout(240)
@TWO_WAYS
def test_the_cluster_is_set_back_while_no_replica_runs(
    own_stack: Stack, own_place: Place, *, bump_revision: bool
) -> None:
    """Nobody has seen what stood before but the ledger: no run that the cluster has forgotten starts a second time."""
    have_etcdutl()
    planted = own_place.plant("alone", "@every 2s", successfulJobsHistoryLimit=KEEP)
    planted.wait_launched(2)
    cluster = own_stack.cluster
    snapshot = cluster.etcd_state.back_up(cluster.folder / "snapshot")
    taken = time.time()
    forgotten = planted.wait_launched(len(planted.launched()) + 2)
    ended = len(own_stack.facts("quarantine is over"))
    for replica in own_stack.replicas:
        replica.kill9()
    cluster.set_back(snapshot, bump_revision=bump_revision)
    for replica in own_stack.replicas:
        replica.start()
    eventually(lambda: len(own_stack.facts("quarantine is over")) > ended, what="it is reconciled", seconds=SECONDS)
    back = time.time()
    planted.wait_run(
        lambda row: row["state"] == "Completed" and row["scheduled_time"].timestamp() > back, what="it goes on"
    )
    assert forgotten.tick is not None
    assert planted.run(forgotten.tick)["state"] == "Unknown", "the cluster does not know of it any more"
    assert len(own_stack.facts("quarantine is over")) == ended + 1, "it was set back once"
    tally = every_tick_once(own_stack, [planted], until=time.time() + 3, allowed=ALLOWED)
    assert all(name.tick > taken - 10 for name in tally.verdicts), "a verdict on a tick long before"
