"""What faults are thrown at: the servers, the replicas, the links between them, and the people's schedules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.chaos.clients import Client, Standing
    from tests.chaos.dblink import DatabaseLink
    from tests.chaos.folder import Recorder
    from tests.support.proxy import FaultProxy
    from tools.devcluster.controlplane import ControlPlane
    from tools.devcluster.faketime import Clock
    from tools.devcluster.pgharm import HarmablePostgres
    from tools.devcluster.replica import Replica


class Ground(Protocol):
    """A world that may be broken."""

    contender: bool
    """Whether it is the CronJob controller's: no replicas, no database."""
    folder: Path

    @property
    def cluster(self) -> ControlPlane: ...
    @property
    def replicas(self) -> Sequence[Replica]: ...
    @property
    def database(self) -> HarmablePostgres:
        """The server that the replicas' links lead to now."""

    @property
    def database_name(self) -> str:
        """The replicas' database in it."""

    @property
    def people(self) -> Client: ...
    @property
    def estate(self) -> Sequence[Standing]: ...
    @property
    def namespaces(self) -> Sequence[str]: ...
    @property
    def doomed_namespace(self) -> str:
        """The one of them that may be deleted."""

    def expression(self, period: int) -> str:
        """Return a schedule that ticks so often."""

    def api_link(self, replica: Replica) -> FaultProxy: ...
    def database_link(self, replica: Replica) -> DatabaseLink: ...
    def clock(self, replica: Replica) -> Clock: ...

    def fail_over_to(self, server: HarmablePostgres) -> None:
        """Lead the replicas' links to another server; the old one is closed."""


class Watched(Ground, Protocol):
    """A ground whose history is being written."""

    recorder: Recorder

    def check(self) -> None:
        """Raise where what watches it is broken itself."""
