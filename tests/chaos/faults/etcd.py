"""Faults of etcd: the cluster forgets, and what was deleted is back."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.fault import Details, Need, fault
from tests.chaos.history import Target

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground


@fault(Target.ETCD, Need.ETCDUTL, hold=(5, 15), for_cronjob=True)
def etcd_set_back(ground: Ground, dice: Random) -> Iterator[Details]:
    """Etcd is restored from a snapshot some seconds old, without telling watches that time went back."""
    yield from _set_back(ground, bump_revision=False)


@fault(Target.ETCD, Need.ETCDUTL, hold=(5, 15), for_cronjob=True)
def etcd_set_back_as_advised(ground: Ground, dice: Random) -> Iterator[Details]:
    """Etcd is restored from a snapshot some seconds old, with a jump of the revision, as its manual advises."""
    yield from _set_back(ground, bump_revision=True)


def _set_back(ground: Ground, *, bump_revision: bool) -> Iterator[Details]:
    state = ground.cluster.etcd_state
    snapshot = state.back_up(ground.folder / "etcd.snapshot")
    yield {"snapshot_of_revision": state.revision(), "bump_revision": bump_revision}
    ground.cluster.set_back(snapshot, bump_revision=bump_revision)
