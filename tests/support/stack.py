"""The whole product running: replicas as processes on a real control plane and PostgreSQL, watched by a bystander."""

from __future__ import annotations

import itertools
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from tests.support.place import Place
from tests.support.rows import Rows
from tests.support.sights import Sights
from tests.support.waiting import eventually
from tools.devcluster.installation import Installation, Shape
from tools.devcluster.manifests import ACCOUNT, HOME, create_namespace, has_account

if TYPE_CHECKING:
    from types import TracebackType

    from tools.devcluster.controlplane import ControlPlane
    from tools.devcluster.replica import Replica

_FREQUENT = {"run launched", "staged job taken away", "lock acquired", "lock released"}
_NUMBERS = itertools.count(1)


class Stack:
    """An installation with its bystander. Use it as a context manager."""

    def __init__(self, shape: Shape, *, cluster: ControlPlane | None = None, database_url: str | None = None) -> None:
        self.installation = Installation(shape, cluster=cluster, database_url=database_url)
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exit_:
            exit_.enter_context(self.installation)
            self.cluster = self.installation.cluster
            self.sights = Sights(self.cluster.service_account_credentials(HOME, ACCOUNT))
            exit_.callback(self.sights.close)
            self.sights.start()
            self.rows = Rows(self.installation.database_url)
            self._exit = exit_.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # ------------------------------------------------------------------------------------------------------- places

    def place(self, prefix: str = "test") -> Place:
        """Create a namespace in which pods may run."""
        name = f"{prefix}-{next(_NUMBERS)}"
        create_namespace(self.cluster, name)
        eventually(lambda: has_account(self.cluster, name), what="the namespace has its ServiceAccount")
        return Place(self, name)

    # ----------------------------------------------------------------------------------------------------- replicas

    @property
    def replicas(self) -> list[Replica]:
        return self.installation.replicas

    def leader(self) -> Replica:
        """The replica that leads now, once it has begun to."""
        leader = self.installation.wait_leader()
        eventually(lambda: leader.metrics().value("ticklock_leader") == 1, what=f"{leader.pod} leads")
        return leader

    def other(self) -> Replica:
        """One that does not lead."""
        leader = self.leader()
        return next(one for one in self.replicas if one is not leader)

    def heal(self) -> None:
        """Bring every replica back and wait until one leads and all can launch."""
        for replica in self.replicas:
            if replica.alive:
                replica.resume()
            replica.start()
        for replica in self.replicas:
            replica.wait_ready()
        self.leader()
        eventually(lambda: all(map(can_launch, self.replicas)), what="every replica can launch")

    def facts(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that event, of all replicas."""
        return [fact for replica in self.replicas for fact in replica.facts() if fact.get("event") == event]

    def told(self, lines: int = 80) -> str:
        """The end of the replicas' logs, the launches left out, in the order of time."""
        facts = [fact for replica in self.replicas for fact in replica.facts() if fact["event"] not in _FREQUENT]
        shown = sorted(facts, key=lambda fact: str(fact.get("timestamp")))[-lines:]
        return "\n".join(json.dumps(fact)[:1000] for fact in shown)

    def errors(self) -> list[str]:
        """What the replicas logged that tells of a defect; that requests are tried again is none."""
        return [
            f"{fact['pod']} {fact['timestamp']} {fact['event']}: {str(fact.get('exception', fact))[-1500:]}"
            for replica in self.replicas
            for fact in replica.facts()
            if fact.get("level") in {"error", "critical"} and "will retry" not in fact["event"]
        ]


def can_launch(replica: Replica) -> bool:
    try:
        return replica.metrics().value("ticklock_can_launch") == 1
    except OSError:
        return False


def cannot_launch(replica: Replica) -> bool:
    """Whether it says so itself; one that does not answer says nothing."""
    try:
        return replica.metrics().value("ticklock_can_launch") == 0
    except OSError:
        return False
