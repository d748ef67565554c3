"""One run of the simulation, from a seed to a verdict."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.simulation.apiclient import SimApi, Watches, WatchWeather
from tests.simulation.apiserver import ApiServer, Body, Change
from tests.simulation.checker import Checker
from tests.simulation.controllers import Controllers
from tests.simulation.ledger.book import Book
from tests.simulation.ledger.rows import ClusterRow
from tests.simulation.ledger.sim_ledger import SimLedger
from tests.simulation.loop import Process, sim_loop
from tests.simulation.network import Doom, Network, Weather, broken_api, broken_database
from tests.simulation.people import People
from tests.simulation.replica import Parts, wire
from tests.simulation.sabotage import NOTHING, Sabotage
from tests.simulation.scenario import Scenario, stream
from ticklock.domain.instants import format_instant
from ticklock.domain.model import ClusterId
from ticklock.engine.service import Replica

EPOCH = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLUSTER = ClusterId(UUID(int=1))


@dataclass(slots=True)
class Member:
    """One replica of the installation, through all its lives."""

    number: int
    lives: int = 0
    process: Process | None = None
    replica: Replica | None = None
    dooms: list[Doom] = field(default_factory=list)


class World:
    """The cluster, the database, the people, and the replicas between them."""

    def __init__(self, scenario: Scenario, *, traced: bool = False, sabotage: Sabotage = NOTHING) -> None:
        self.scenario = scenario
        self.sabotage = sabotage
        self.lines: list[str] | None = [] if traced else None
        self.faults: Counter[str] = Counter()
        self.chance = self._stream("world")
        self.loop = sim_loop(self._stream("loop"), disorder=scenario.disorder)
        self.server = ApiServer(now=lambda: format_instant(self.now()))
        self.book = Book(CLUSTER, self.now)
        self.book.clusters.set(CLUSTER, ClusterRow())  # no loss goes back to before the installation
        self.checker = Checker(self)
        self.controllers = Controllers(
            self.server, self.loop, self._stream("controllers"), lambda: format_instant(self.now()), scenario.lazy
        )
        self.server.observers += [self._trace_change, self.checker.observe, self.controllers.observe]
        self.watches = Watches(self.server, self.loop, self._stream("watches"), self.faults)
        self.watches.weather = WatchWeather(scenario.watch_delay, scenario.watch_dropped)
        self.api = self._network("api", scenario.api, broken_api)
        self.database = self._network("db", scenario.database, broken_database)
        self.people = People(self, self._stream("people"))
        self.members = [Member(number + 1) for number in range(scenario.replicas)]

    # ----------------------------------------------------------------------------------------------------------- basics

    def _stream(self, name: str) -> random.Random:
        return stream(self.scenario.seed, name)

    def _network(self, name: str, weather: Weather, broken: object) -> Network:
        chance = self._stream(f"network {name}")
        return Network(name, self.loop, chance, replace(weather), broken, self.faults, self.tell, self.kill)  # type: ignore[arg-type]

    def now(self) -> datetime:
        """The database's time, which is the right one."""
        return EPOCH + timedelta(seconds=self.loop.time() - 1_000.0)

    def tell(self, who: str, what: str, outcome: str = "") -> None:
        """Add a line to the story."""
        if self.lines is not None:
            at = self.loop.time() - 1_000.0
            self.lines.append(f"{at:8.3f}  {who:<8} {what}{'  -> ' + outcome if outcome else ''}")

    def _trace_change(self, change: Change) -> None:
        if self.lines is not None and change.kind == "jobs":
            self.tell("cluster", f"{change.event} {story_of(change.body)} by {change.actor}")

    # --------------------------------------------------------------------------------------------------------- replicas

    def start(self, member: Member) -> None:
        """Start a replica anew: a process that knows nothing."""
        member.lives += 1
        process = Process(f"r{member.number}.{member.lives}")
        member.process = process
        identity = UUID(int=member.number * 1_000 + member.lives)
        database_way = self.database.way(process, member.dooms)
        ledger = SimLedger(self.book, identity, process.name, database_way, monotonic=self.loop.time, wall=self.now)
        parts = Parts(
            ledger=ledger,
            api=SimApi(self.server, process, self.api.way(process, member.dooms), self.watches),
            lease_api=SimApi(self.server, process, self.api.way(process, []), self.watches),
            replica=identity,
            pod=process.name,
            knobs=self.scenario.knobs,
            monotonic=self.loop.time,
            wall=self.now,
            chance=self._stream(process.name),
            wrap_jobs=self.sabotage.on_jobs,
        )
        self.tell(process.name, "starts")

        async def live() -> None:
            try:
                member.replica = wire(parts)
                await member.replica.run()
                self.tell(process.name, "has stopped")
                self.loop.after(self.chance.uniform(0.1, 2), self._revive, member, process)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever ends a replica is a finding
                if not process.dead:
                    self.checker.fail(f"replica {process.name} ended by itself: {error!r}")

        self.loop.spawn(process, live())

    def kill(self, process: Process) -> None:
        """End a replica; it comes back after a while."""
        self.loop.kill(process)
        member = next(member for member in self.members if member.process is process)
        self.loop.after(self.chance.uniform(0.2, 6), self._revive, member, process)

    def _revive(self, member: Member, process: Process) -> None:
        if member.process is process:
            self.start(member)

    # ----------------------------------------------------------------------------------------------------------- a seed

    async def live(self) -> None:
        """Trouble, recovery, end."""
        for member in self.members:
            self.start(member)
        self.people.begin()
        (self.sabotage.arrange or World._plan_faults)(self)
        await asyncio.sleep(self.scenario.trouble)
        self._heal()
        await asyncio.sleep(self.scenario.recovery)
        self.people.finish()
        await self._until_quiet()
        self.checker.at_the_end()

    def _plan_faults(self) -> None:
        plan, chance, trouble = self.scenario, self.chance, self.scenario.trouble
        for _ in range(plan.crashes):
            self._plan_doom(None)
        for _ in range(plan.pauses):
            self._plan_doom(chance.uniform(0.5, 9))
        moments = [
            (plan.api_outages, self._api_outage),
            (plan.database_outages, self._database_outage),
            (plan.restarts, self._restart),
            (plan.losses, self._lose),
            (plan.stops, self._stop),
        ]
        for count, fault in moments:
            for _ in range(count):
                self.loop.after(chance.uniform(1, trouble), fault)
        for _ in range(plan.people):
            moment = chance.uniform(0.5, trouble)
            if chance.random() < 0.5:  # around a tick, where it matters most
                moment = max(0.0, round(moment) + chance.uniform(-0.1, 0.2))
            self.loop.after(moment, self.people.act)

    def _plan_doom(self, stop_for: float | None) -> None:
        """At a request of a certain kind, or after so many of any, or at a moment between two steps."""
        member, chance = self.chance.choice(self.members), self.chance
        what = chance.choice(("", "", "bind", "PATCH jobs", "POST jobs", "mark_launched", "store_staged", "record",
                              "status", "claim", "released", "reported", "DELETE", "reconcile"))  # fmt: skip
        countdown = int(chance.uniform(1, 250)) if not what else int(chance.uniform(1, 5))
        doom = Doom(what, countdown, chance.random() < 0.6, stop_for)
        self.loop.after(chance.uniform(0, self.scenario.trouble), member.dooms.append, doom)

    def _stop(self) -> None:
        member = self.chance.choice(self.members)
        if member.replica is not None and member.process is not None and not member.process.dead:
            self.faults["graceful stop"] += 1
            self.tell(member.process.name, "is asked to stop")
            member.replica.stop.request()

    def _api_outage(self) -> None:
        self._outage(self.api)
        self.watches.cut()

    def _database_outage(self) -> None:
        self._outage(self.database)

    def _outage(self, network: Network) -> None:
        self.faults[f"{network.name} outage"] += 1
        self.tell(network.name, "is away")
        network.weather.down = True
        self.loop.after(self.chance.uniform(0.5, 8), self._back, network)

    def _back(self, network: Network) -> None:
        network.weather.down = False
        self.tell(network.name, "is back")

    def _restart(self) -> None:
        self.faults["db restart"] += 1
        self.book.restart()
        self.tell("db", "has restarted")

    def _lose(self) -> None:
        self.faults["db loss"] += 1
        back = self.chance.uniform(0, self.chance.choice((0.5, 2, 6, 15)))
        commits = self.book.lose(1 + self.book.commits_since(self.now() - timedelta(seconds=back)))
        self.checker.losses += 1
        self.tell("db", f"has lost its last {commits} commits")

    def _heal(self) -> None:
        self.tell("world", "nothing more goes wrong from here on")
        for network in (self.api, self.database):
            network.weather = Weather()
        self.watches.weather = WatchWeather()
        for member in self.members:
            member.dooms.clear()
            if member.process is not None and member.process.stopped:
                self.loop.resume(member.process)
        self.checker.healed_at = self.now()

    async def _until_quiet(self) -> None:
        left: list[str] = []
        for _ in range(120):
            await asyncio.sleep(1)
            if not (left := self.checker.left_over()):
                return
        for one in left:
            self.checker.fail(f"left over: {one}")


def story_of(job: Body) -> str:
    """A Job in a few words."""
    metadata, spec, status = job["metadata"], job["spec"], job.get("status") or {}
    words = [f"job {metadata['name']} v{metadata['resourceVersion']}"]
    words += ["suspended" if spec.get("suspend") else "let go"]
    words += ["terminating"] if metadata.get("deletionTimestamp") else []
    words += ["held"] if metadata.get("finalizers") else []
    words += [one["type"] for one in status.get("conditions") or () if one["type"] != "Suspended"]
    return " ".join(words)
