"""A world to be broken: the product on real servers, each replica behind links of its own, all of it written down.

    with World(folder) as world:
        world.arm(world.leader(), "after-bind=kill")
        ...
        world.settle()
        world.finish()

Promise: after `finish` the folder holds the history of the run: what clients asked for, what the nodes started, what a
bystander saw, which faults there were, and everything as it stands at the end.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.chaos.agent import NodeAgent
from tests.chaos.bystander import Bystander
from tests.chaos.dblink import DatabaseLink
from tests.chaos.final import final, unsettled
from tests.chaos.folder import Recorder
from tests.chaos.history import Bounds, Fault, FaultPhase, Meta, Target
from tests.support.proxy import FaultProxy
from tests.support.rows import Rows
from tests.support.stack import can_launch
from tests.support.waiting import eventually
from ticklock.failpoints import VARIABLE
from tools.devcluster.commands import Options
from tools.devcluster.installation import Installation, Shape
from tools.devcluster.kubeapi import ApiError
from tools.devcluster.manifests import ACCOUNT, HOME, create_namespace, has_account
from tools.devcluster.postgres import Postgres
from tools.devcluster.replica import Replica

_TOKEN_SECONDS = 4 * 3600
_TRUST_SECONDS = 60
"""A clock that stepped is believed again when it has run straight for 30 s."""

QUICK: Mapping[str, object] = {
    "claim_seconds": 3,
    "lease_duration_seconds": 3,
    "renew_deadline_seconds": 2,
    "retry_period_seconds": 0.5,
    "stage_ahead_seconds": 2,
}
"""Settings under which claims and Leases run out soon, so that pauses beyond them are short."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a world is to be. `settings` are the product's; `program` replaces it by one that was spoilt on purpose."""

    replicas: int = 2
    settings: Mapping[str, object] = field(default_factory=dict)
    cluster: Options = field(default_factory=lambda: Options(pods=False))
    program: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    meta: Meta = field(default_factory=lambda: Meta(seed=0, seconds=0, command="", bounds=Bounds()))


class _Linked(Installation):
    """An installation whose replicas reach both servers only through links of their own."""

    def __init__(self, plan: Plan, exit_: ExitStack, database: Postgres, database_url: str) -> None:
        shape = Shape(replicas=plan.replicas, settings=plan.settings, cluster=plan.cluster, env=plan.env)
        super().__init__(shape, database_url=database_url)
        self._plan, self._links, self._server = plan, exit_, database
        self.api_links: dict[str, FaultProxy] = {}
        self.database_links: dict[str, DatabaseLink] = {}

    def _make(self, pod: str, kubeconfig: Path) -> Replica:
        credentials = self.cluster.service_account_credentials(HOME, ACCOUNT, seconds=_TOKEN_SECONDS)
        api = self.api_links[pod] = self._links.enter_context(FaultProxy(credentials))
        database = self.database_links[pod] = self._links.enter_context(DatabaseLink(self._server.port))
        replica = super()._make(pod, api.kubeconfig(self.folder, name=f"through-the-proxy-of-{pod}"))
        address = str(replica.settings["database_url"]).replace(f":{self._server.port}/", f":{database.port}/")
        replica.settings = {**replica.settings, "database_url": address}
        replica.env = {**replica.env, VARIABLE: f"@{self.rules(pod)}"}
        if self._plan.program is not None:
            replica.program = self._plan.program
        return replica

    def rules(self, pod: str) -> Path:
        """Return the file from which a replica reads its failpoints."""
        return self.folder / f"{pod}.failpoints"


class World:
    """Use it as a context manager. `folder` is where the history goes; it stays."""

    def __init__(self, folder: Path, plan: Plan | None = None, *, database: Postgres | None = None) -> None:
        """`database`: a server that was not started, to be used instead of a plain one."""
        self.folder = folder
        self.plan = plan or Plan()
        self.database = database or Postgres()
        self.database_name = "postgres"
        self._exit = ExitStack()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        with ExitStack() as exit_:
            self.recorder = exit_.enter_context(Recorder(self.folder, self.plan.meta))
            self.database.start()
            exit_.callback(self.database.close)
            links = exit_.enter_context(ExitStack())
            url = self.database.url_of(self.database_name)
            self.installation = _Linked(self.plan, links, self.database, url)
            exit_.enter_context(self.installation)
            self.cluster = self.installation.cluster
            admin = self.cluster.api.credentials
            self.agent = exit_.enter_context(NodeAgent(admin, self.recorder))
            self.bystander = exit_.enter_context(Bystander(admin, self.recorder))
            self.rows = Rows(url)
            self._exit = exit_.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for replica in self.replicas:
            with suppress(OSError):
                shutil.copy(replica.log, self.folder)
        self._exit.close()

    # ----------------------------------------------------------------------------------------------------- replicas

    @property
    def replicas(self) -> list[Replica]:
        return self.installation.replicas

    def leader(self) -> Replica:
        """The replica that leads now, once it has begun to."""
        leader = eventually(self._leading, what="a replica leads, and its Lease says so", seconds=60)
        assert leader is not None
        return leader

    def _leading(self) -> Replica | None:
        # who holds the Lease may have lost the trust in it: another one will follow
        with suppress(OSError, ApiError):
            leader = self.installation.leader()
            return leader if leader is not None and leads(leader) else None
        return None

    def other(self) -> Replica:
        """One that does not lead."""
        leader = self.leader()
        return next(one for one in self.replicas if one is not leader)

    def api_link(self, replica: Replica) -> FaultProxy:
        """What stands between a replica and the API server."""
        return self.installation.api_links[replica.pod]

    def database_link(self, replica: Replica) -> DatabaseLink:
        """What stands between a replica and PostgreSQL."""
        return self.installation.database_links[replica.pod]

    def arm(self, replica: Replica, rules: str) -> None:
        """Give a replica failpoints, from now on and instead of those it has; none with an empty text."""
        path = self.installation.rules(replica.pod)
        new = path.with_suffix(".new")
        new.write_text(rules)
        new.replace(path)

    def struck(self, replica: Replica, name: str) -> int:
        """How often a failpoint has struck in a replica, in all its lives."""
        return sum(fact.get("failpoint") == name for fact in replica.facts() if fact["event"] == "failpoint strikes")

    def fail_over_to(self, server: Postgres) -> None:
        """Lead every replica to another database server, and look there from now on."""
        self.database = server
        self._exit.callback(server.close)
        self.rows = Rows(server.url_of(self.database_name))
        for replica in self.replicas:
            self.database_link(replica).upstream = server.port
            self.database_link(replica).drop()

    # ------------------------------------------------------------------------------------------------------- faults

    @contextmanager
    def fault(self, name: str, target: Target, **details: Any) -> Iterator[None]:
        """Write down that a fault lasts as long as the block."""
        fault = f"fault-{next(self._numbers)}"
        common: dict[str, Any] = {"source": "nemesis", "fault": fault, "name": name, "target": target}
        self.recorder.write(Fault(at=time.time(), phase=FaultPhase.BEGIN, details=details, **common))
        try:
            yield
        finally:
            self.recorder.write(Fault(at=time.time(), phase=FaultPhase.HEAL, details=details, **common))

    def heal(self) -> None:
        """Mend all links, bring every replica back, and wait until one leads and all can launch."""
        for replica in self.replicas:
            self.arm(replica, "")
            self.api_link(replica).heal()
            self.database_link(replica).heal()
            if replica.alive:
                replica.resume()
            replica.start()
        for replica in self.replicas:
            replica.wait_ready()
        try:
            self.leader()
            eventually(
                lambda: all(map(can_launch, self.replicas)), what="every replica can launch", seconds=_TRUST_SECONDS
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.told()}") from late

    def told(self, lines: int = 40) -> str:
        """The end of the replicas' logs, in the order of time."""
        facts = [fact for replica in self.replicas for fact in replica.facts()]
        shown = sorted(facts, key=lambda fact: str(fact.get("timestamp")))[-lines:]
        return "\n".join(json.dumps(fact)[:600] for fact in shown)

    # ---------------------------------------------------------------------------------------------------------- end

    def namespace(self, prefix: str = "chaos") -> str:
        """Create a namespace in which pods may run; return its name."""
        name = f"{prefix}-{next(self._numbers)}"
        create_namespace(self.cluster, name)
        eventually(lambda: has_account(self.cluster, name), what="the namespace has its ServiceAccount")
        return name

    def check(self) -> None:
        """Raise where what watches the world is broken itself."""
        self.agent.check()
        self.bystander.check()

    def doubles(self) -> list[str]:
        """Name the attempts of which two Jobs were let go, or two pods started."""
        jobs, pods = dict(self.bystander.let_go), dict(self.agent.starts)
        return [
            *(f"attempt {key}: Jobs {sorted(uids)} were let go" for key, uids in jobs.items() if len(uids) > 1),
            *(f"attempt {key}: pods {sorted(uids)} have started" for key, uids in pods.items() if len(uids) > 1),
        ]

    def settle(self, *, seconds: float = 60) -> None:
        """Wait until nothing moves any more; every schedule must be suspended before."""
        found: list[str | None] = []

        def quiet() -> bool:
            self.check()
            found[:] = [unsettled(self.rows.url)]
            return found == [None]

        try:
            eventually(quiet, what="nothing moves any more", seconds=seconds, interval=0.2)
        except AssertionError as late:
            raise AssertionError(f"{late}: {found}") from late

    def rest(self, *, seconds: float = 20) -> None:
        """Wait as `settle` does, but no longer than that: what does not come to rest is the checker's to tell."""
        with suppress(AssertionError):
            self.settle(seconds=seconds)

    def finish(self) -> None:
        """Write the last entry."""
        self.check()
        self.recorder.write(final(self.rows.url, self.cluster.api))


def leads(replica: Replica) -> bool:
    """Whether it says itself that it leads; one that does not answer says nothing."""
    try:
        return replica.metrics().value("ticklock_leader") == 1
    except OSError:
        return False


def stopped(replica: Replica) -> bool:
    """Whether its process stands still (SIGSTOP)."""
    with suppress(OSError):
        return Path(f"/proc/{replica.pid}/stat").read_text().rpartition(") ")[2][:1] == "T"
    return False


def killed(replica: Replica) -> bool:
    """Whether its latest life was ended by SIGKILL."""
    return not replica.alive and replica._daemon is not None and replica._daemon.exit_code == -signal.SIGKILL


def environment_of_tests() -> dict[str, str]:
    """What a process needs to find the tests' own modules, whatever its working directory."""
    root = str(Path(__file__).parents[2])
    return {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
