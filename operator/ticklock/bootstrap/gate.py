"""What `ticklock quarantine` asks of the database."""

from __future__ import annotations

from collections.abc import Sequence

from ticklock.bootstrap.at_database import ANY, at_database, quiet_settings_of
from ticklock.domain.model import ClusterId
from ticklock.domain.reasons import Reason
from ticklock.ports import GateStatus, Person
from ticklock.settings import Settings
from ticklock.store import gate


class Gate:
    """The gate behind the database of these settings. Raises Transient, Refused or Unready as the store does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def look(self) -> list[GateStatus]:
        """Return the gate of each cluster that uses the database."""
        return at_database(self._settings, ANY, gate.look)

    def release(self, cluster: ClusterId, person: Person) -> list[Reason]:
        """Open the gate of one cluster on a person's word; return what it was closed for."""
        return at_database(self._settings, cluster, lambda db: gate.release(db, person))


def gate_of(argv: Sequence[str], prog: str) -> Gate | None:
    """Return the gate of these settings; None, after the problem was told, where they cannot be used."""
    settings = quiet_settings_of(argv, prog)
    return None if settings is None else Gate(settings)
