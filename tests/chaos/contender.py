"""The same faults thrown at the CronJob controller, or at ours: every-minute schedules, counted from outside.

Both are given the same schedules and the same plan; only faults that mean the same to both are thrown, one a minute,
when the tick comes. What is counted comes from the nodes alone, which start the pods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Self

from tests.chaos.agent import NodeAgent
from tests.chaos.battlefield import NAMESPACES, Battlefield
from tests.chaos.clients import Client, Standing
from tests.chaos.faults.fault import Kind
from tests.chaos.folder import Recorder
from tests.chaos.heartbeat import Heartbeat
from tests.chaos.history import History, Meta
from tests.chaos.outside import MINUTE, outcome
from tests.chaos.plan import Lane, Strike, plan
from tests.chaos.soak import Order, kinds, throw
from tests.chaos.world import Plan
from tests.support.place import manifest
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.manifests import create_namespace, has_account
from tools.devcluster.process import wait_until

if TYPE_CHECKING:
    from tools.devcluster.faketime import Clock
    from tools.devcluster.pgharm import HarmablePostgres
    from tools.devcluster.replica import Replica

CONTENDERS = ("cronjob", "ticklock")
_EVERY_MINUTE = "* * * * *"
AFTERWARDS = 75.0
"""A tick that was due at the end of the faults may be made up for at the next one."""
_KEEP = 100
_BEFORE = 4.0
"""So long before the tick a fault begins, or half as long as it lasts at least."""


class CronJobs:
    """A control plane with CronJobs and people. Use it as a context manager."""

    contender = True
    namespaces = NAMESPACES
    doomed_namespace = "doomed"
    replicas: Sequence[Replica] = ()

    def __init__(self, folder: Path, meta: Meta, schedules: int) -> None:
        self.folder = folder
        self.estate = [_standing(number, "CronJob") for number in range(schedules)]
        self._meta = meta
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exit_:
            self.recorder = exit_.enter_context(Recorder(self.folder, self._meta))
            self.cluster = exit_.enter_context(ControlPlane(Options(pods=False)))
            credentials = self.cluster.api.credentials
            self.agent = exit_.enter_context(NodeAgent(credentials, self.recorder))
            for name in NAMESPACES:
                create_namespace(self.cluster, name)
                wait_until(partial(has_account, self.cluster, name), what=f"{name} has its ServiceAccount")
            self.people = Client("people", credentials, self.recorder)
            exit_.callback(self.people.close)
            self._exit = exit_.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def check(self) -> None:
        """Raise where what watches it is broken itself."""
        self.agent.check()

    def expression(self, period: int) -> str:
        """Return the one schedule there is: what is owed is counted by full minutes."""
        return _EVERY_MINUTE

    # What only ours has: faults of these are not thrown here.

    @property
    def database(self) -> HarmablePostgres:
        raise LookupError("CronJobs have no database of their own")

    @property
    def database_name(self) -> str:
        raise LookupError("CronJobs have no database of their own")

    def api_link(self, replica: Replica) -> Any:
        raise LookupError("there are no replicas here")

    def database_link(self, replica: Replica) -> Any:
        raise LookupError("there are no replicas here")

    def clock(self, replica: Replica) -> Clock:
        raise LookupError("there are no replicas here")

    def fail_over_to(self, server: HarmablePostgres) -> None:
        raise LookupError("CronJobs have no database of their own")


class EveryMinute(Battlefield):
    """Ours, with the schedules that the CronJobs have."""

    def __init__(self, folder: Path, meta: Meta, schedules: int) -> None:
        super().__init__(folder, Plan(meta=meta), needs=(), schedules=0, dice=Random(0))
        self.estate = [_standing(number, "ScheduledJob") for number in range(schedules)]

    def expression(self, period: int) -> str:
        """Return the one schedule there is."""
        return _EVERY_MINUTE


def run(order: Order, who: str, *, tell: Callable[[str], None]) -> None:
    """Bring it up, throw the faults, wait for what may still be made up for."""
    chosen = [kind for kind in kinds(order.faults, tell=tell) if kind.for_cronjob]
    strikes = plan(order.seed, order.seconds, chosen)
    tell(f"the plan of seed {order.seed} for {who}: {len(strikes)} strikes in {order.seconds:g} s")
    for strike in strikes:
        tell(f"  {strike}")
    meta = Meta(seed=order.seed, seconds=order.seconds, command=order.command, notes={"contender": who})
    maker = CronJobs if who == "cronjob" else EveryMinute
    with maker(order.folder, meta, order.schedules) as field, Heartbeat(field.recorder):
        for one in field.estate:
            field.people.create(one)
        throw(strikes, field, seconds=order.seconds, tell=tell, pace=pace)
        tell(f"on without faults for {AFTERWARDS:.0f} s")
        time.sleep(AFTERWARDS)
        field.check()


def pace(strike: Strike) -> float:
    """Return the seconds until a fault of machines may begin: shortly before a full minute, so that it meets a tick."""
    return strike.after if strike.lane is Lane.PEOPLE else until_minute(time.time(), strike.kind)


def until_minute(now: float, kind: Kind) -> float:
    """Return the seconds until the next moment that lies so long before a full minute that the fault spans it."""
    return (-now - min(_BEFORE, max(kind.hold[0] / 2, 1.0))) % MINUTE


def table(history: History, who: str) -> Iterator[str]:
    """Yield the table of one contender."""
    last = max(entry.at for entry in history.entries)
    yield from outcome(history, until=last - AFTERWARDS).lines(who)


def _standing(number: int, kind: str) -> Standing:
    name, namespace = f"minutely-{number}", NAMESPACES[number % len(NAMESPACES)]
    made = manifest(name, _EVERY_MINUTE, concurrencyPolicy="Allow", successfulJobsHistoryLimit=_KEEP)
    version = "batch/v1" if kind == "CronJob" else made["apiVersion"]
    return Standing(namespace, name, {**made, "apiVersion": version, "kind": kind})
