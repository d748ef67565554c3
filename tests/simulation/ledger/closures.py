"""`store/closures.py`: the book of when the gate was closed. Nothing is decided by it; what it tells is posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.simulation.ledger.chronicle import Tx, announce
from tests.simulation.ledger.rows import ClosureRow
from tests.simulation.ledger.upkeep import quarantined
from ticklock.domain.reasons import Reason
from ticklock.ports import Opened

_FRESH = timedelta(seconds=10)
_LONG_AGO = datetime.fromtimestamp(0, UTC)
_HOW = {Reason.QUARANTINE: Reason.RECONCILED, Reason.CLOCK_STEP: Reason.CLOCK_SETTLED}


def _standing(tx: Tx, reason: Reason) -> tuple[int, ClosureRow] | None:
    rows = tx.book.closures.rows.items()
    return next(((key, row) for key, row in rows if row.reason is reason and row.opened_at is None), None)


def close(tx: Tx, reason: Reason, cause: str) -> bool:
    if _standing(tx, reason) is not None:
        return False
    tx.book.closures.put(tx.book.next_event(), ClosureRow(reason, cause, tx.now))
    announce(tx, None, "Warning", reason, note=f"nothing is launched: {cause}", action="Gate")
    return True


def open_again(tx: Tx, reason: Reason, *, how: Reason) -> bool:
    found = _standing(tx, reason)
    if found is None:
        return False
    key, row = found
    tx.book.closures.put(key, replace(row, opened_at=tx.now, opened_how=how))
    announce(tx, None, "Normal", how, note=f"launches go on after {reason}", action="Gate")
    if row.told:
        _show(tx)
    return True


def add_settled(tx: Tx, settled: Mapping[str, int]) -> None:
    if (found := _standing(tx, Reason.QUARANTINE)) is not None:
        key, row = found
        total = {one: row.settled.get(one, 0) + settled.get(one, 0) for one in {*row.settled, *settled}}
        tx.book.closures.put(key, replace(row, settled=total))


def tend(tx: Tx, epoch: int) -> Sequence[Opened]:
    tx.fence(epoch)
    cluster = tx.book.clusters.get(tx.book.cluster)
    if cluster is None:
        return []
    _compare(tx, Reason.QUARANTINE, quarantined(tx, cluster))
    _compare(tx, Reason.CLOCK_STEP, _doubt(tx))
    young = tx.now - _FRESH
    lasting = [(key, row) for key, row in tx.book.closures.rows.items() if row.opened_at is None and not row.told]
    if long := [(key, row) for key, row in lasting if row.closed_at < young]:
        for key, row in long:
            tx.book.closures.put(key, replace(row, told=True))
        _show(tx)
    return _count(tx)


def _compare(tx: Tx, reason: Reason, cause: str | None) -> None:
    if cause is not None:
        close(tx, reason, cause)
    else:
        open_again(tx, reason, how=_HOW[reason])


def _doubt(tx: Tx) -> str | None:
    beats = [row for row in tx.book.replicas.rows.values() if abs(row.heartbeat - tx.now) <= _FRESH]
    doubting = sorted(row.pod for row in beats if row.clock_step is not None)
    return f"the database's clock stepped, seen by {', '.join(doubting)}" if doubting else None


def _count(tx: Tx) -> list[Opened]:
    over = [(key, row) for key, row in tx.book.closures.rows.items() if row.opened_how is not None and not row.counted]
    for key, row in over:
        tx.book.closures.put(key, replace(row, counted=True))
    return [Opened(row.reason, row.opened_how, row.settled) for _, row in over if row.opened_how is not None]


def _show(tx: Tx) -> None:
    """Have every status written again."""
    for uid, schedule in list(tx.book.schedules.rows.items()):
        state = tx.book.states[uid]
        if schedule.deleted_at is None:
            tx.book.states.put(uid, replace(state, report_seq=state.report_seq + 1, reported_at=_LONG_AGO))


def told(tx: Tx) -> ClosureRow | None:
    """The closure that lasts for so long that every status tells it."""
    rows = [row for row in tx.book.closures.rows.values() if row.opened_at is None and row.told]
    return min(rows, key=lambda row: row.closed_at, default=None)
