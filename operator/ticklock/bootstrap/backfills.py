"""What `ticklock backfill` asks of the database."""

from __future__ import annotations

from collections.abc import Sequence

from ticklock.bootstrap.at_database import ANY, at_database, quiet_settings_of
from ticklock.ports import BackfillAnswer, BackfillOrder, Schedule
from ticklock.settings import Settings
from ticklock.store import backfilling


class Backfills:
    """The ledger of these settings. Raises Transient, Refused, Conflict or Unready as the store does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def named(self, namespace: str, name: str) -> list[Schedule]:
        """Return the schedules of that name, one for each cluster that has it."""
        return at_database(self._settings, ANY, lambda db: backfilling.named(db, namespace, name))

    def order(self, schedule: Schedule, order: BackfillOrder) -> BackfillAnswer:
        """Have past ticks run, or say what would."""
        return at_database(self._settings, schedule.cluster, lambda db: backfilling.backfill(db, schedule.ref, order))

    def cancel(self, schedule: Schedule, *, by: str) -> int:
        """Take back what is not bound yet; return how many runs that are."""
        return at_database(self._settings, schedule.cluster, lambda db: backfilling.cancel(db, schedule.ref, by=by))


def backfills_of(argv: Sequence[str], prog: str) -> Backfills | None:
    """Return the ledger of these settings; None, after the problem was told, where they cannot be used."""
    settings = quiet_settings_of(argv, prog)
    return None if settings is None else Backfills(settings)
