"""Both ledgers: the cluster was set back."""

import pytest

from tests.store.makers import declared, job
from tests.store.world import World, lift
from ticklock.domain.errors import Superseded, Transient
from ticklock.ports import LeaseMark

LEASE = LeaseMark("lease", 7)
ANOTHER = LeaseMark("another", 3)


def at(version: int) -> LeaseMark:
    """The same Lease, at another version."""
    return LeaseMark(LEASE.uid, version)


async def test_the_resource_version_of_the_cluster_must_not_fall(both: World) -> None:
    assert await both.ledger.note_resource_version(both.epoch, 100)
    assert not await both.ledger.note_resource_version(both.epoch, 99)
    assert (await both.ledger.pulse(leading=True)).quarantined == "the API server was set back"
    assert await lift(both, [], []) == []
    assert await both.ledger.note_resource_version(both.epoch, 99)


async def test_where_the_lease_stands_is_told_by_the_heartbeats_of_a_leader(both: World) -> None:
    assert await both.ledger.lease_mark() is None
    await both.ledger.pulse(leading=False)
    assert await both.ledger.lease_mark() is None
    for told, noted in ((LEASE, LEASE), (at(5), LEASE), (None, LEASE), (at(8), at(8)), (ANOTHER, ANOTHER)):
        await both.ledger.pulse(leading=True, lease=told)
        assert await both.ledger.lease_mark() == noted, f"after {told}"


async def test_a_leader_that_sees_the_lease_fall_closes_the_gate(both: World) -> None:
    await both.ledger.pulse(leading=True, lease=LEASE)
    await both.ledger.note_fall(both.epoch, at(5))
    assert (await both.ledger.pulse(leading=True, lease=at(6))).quarantined == "the API server was set back"
    assert await both.ledger.lease_mark() == at(6), "from now on it rises from there"
    await both.replica().open_term()
    with pytest.raises(Superseded):
        await both.ledger.note_fall(both.epoch, at(5))


async def test_of_replicas_that_find_the_lease_older_one_closes_the_gate_once(both: World) -> None:
    await both.ledger.pulse(leading=True, lease=LEASE)
    await both.ledger.set_back(LEASE, at(5))
    assert (await both.ledger.pulse(leading=True)).quarantined == "the API server was set back"
    assert await lift(both, [], []) == []
    await both.ledger.set_back(LEASE, at(5))
    assert (await both.ledger.pulse(leading=True)).quarantined is None, "that was reconciled meanwhile"
    assert await both.ledger.lease_mark() == at(5)


async def test_where_the_cluster_was_set_back_a_bound_suspended_job_is_taken_away(both: World) -> None:
    item = declared(expression="@every 9s")
    await both.store(item)
    await both.plan()
    (order,) = await both.stage()
    await both.make_due()
    (bound,) = (await both.bind()).bound
    view = job(both.cluster, item, order.scheduled_time, uid=bound.job_uid)
    await both.ledger.note_resource_version(both.epoch, 900)
    assert await both.ledger.note_resource_version(both.epoch, 800) is False
    assert await lift(both, [view], [item]) == [bound.job_uid]
    assert (await both.attempt(bound.key)).state == "Unknown", "it may have been launched before the restore"


async def test_another_set_back_while_the_cluster_is_listed_is_another_life(both: World) -> None:
    await both.ledger.note_resource_version(both.epoch, 900)
    await both.ledger.note_resource_version(both.epoch, 800)
    life = await both.ledger.begin_to_reconcile(both.epoch)
    await both.ledger.note_resource_version(both.epoch, 700)
    with pytest.raises(Transient, match="listed again"):
        await both.ledger.reconcile_incarnation(both.epoch, [], [], life=life)
