"""`store/setbacks.py`: the cluster was set back."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.ledger.chronicle import Tx
from ticklock.ports import LeaseMark
from ticklock.store.setbacks import SET_BACK


def note_resource_version(tx: Tx, epoch: int, version: int) -> bool:
    tx.fence(epoch)
    row = tx.book.clusters[tx.book.cluster]
    fell = version < row.highest_resource_version
    noted = replace(row, highest_resource_version=max(row.highest_resource_version, version))
    if fell:
        noted = replace(noted, quarantine_reason=SET_BACK, set_back_at=tx.now)
    tx.book.clusters.put(tx.book.cluster, noted)
    return noted.quarantine_reason is None


def lease_mark(tx: Tx) -> LeaseMark | None:
    row = tx.book.clusters.get(tx.book.cluster)
    return None if row is None else row.lease


def note_fall(tx: Tx, epoch: int, found: LeaseMark) -> None:
    tx.fence(epoch)
    row = tx.book.clusters[tx.book.cluster]
    fallen = replace(row, quarantine_reason=SET_BACK, set_back_at=tx.now, lease=found)
    tx.book.clusters.put(tx.book.cluster, fallen)


def set_back(tx: Tx, noted: LeaseMark, found: LeaseMark) -> None:
    row = tx.book.clusters[tx.book.cluster]
    if row.lease == noted:
        fallen = replace(row, quarantine_reason=SET_BACK, set_back_at=tx.now, lease=found)
        tx.book.clusters.put(tx.book.cluster, fallen)
