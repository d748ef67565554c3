"""A world with people in it, prepared for every fault that this machine can make."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Self

from tests.chaos.clients import Client
from tests.chaos.estate import estate
from tests.chaos.faults.fault import Need
from tests.chaos.folder import META, plain
from tests.chaos.history import Bounds
from tests.chaos.world import Plan, World
from tools.devcluster.etcdstate import have_etcdutl
from tools.devcluster.faketime import HOW_TO_GET_IT, Clock, library
from tools.devcluster.manifests import create_namespace, has_account
from tools.devcluster.pgharm import HarmablePostgres, Prepared
from tools.devcluster.process import wait_until
from tools.devcluster.progress import Progress
from tools.devcluster.replica import Replica
from tools.devcluster.scratch import CannotMount, Scratch

NAMESPACES = ("steady", "busy", "doomed")
DISK_MEGABYTES = 512
_BUSY = 2.0
"""Processes that want to run, per core, with which the bounds hold as they stand."""


def not_possible(needs: Collection[Need]) -> Mapping[Need, str]:
    """Return what of it this machine cannot do, and why. What must be built is built here."""
    found: dict[Need, str] = {}
    for need in needs:
        if need in {Need.REPLICA_CLOCK, Need.DATABASE_CLOCK} and library() is None:
            found[need] = HOW_TO_GET_IT
        if need is Need.SMALL_DISK:
            try:
                with Scratch("probe") as scratch:
                    scratch.mount("disk", megabytes=1)
            except CannotMount as problem:
                found[need] = str(problem)
        if need is Need.ETCDUTL:
            have_etcdutl(Progress())
    return found


class Battlefield(World):
    """Use it as a context manager: servers, replicas, links, people and their schedules."""

    database: HarmablePostgres
    contender = False
    namespaces = NAMESPACES
    doomed_namespace = "doomed"

    def __init__(self, folder: Path, plan: Plan, *, needs: Collection[Need], schedules: int, dice: Random) -> None:
        disk = DISK_MEGABYTES if Need.SMALL_DISK in needs else None
        prepared = Prepared(disk_megabytes=disk, clock=Need.DATABASE_CLOCK in needs)
        super().__init__(folder, plan, database=HarmablePostgres(prepared))
        self.estate = list(estate(dice, schedules, NAMESPACES))
        self._needs = needs
        self._clocks: dict[str, Clock] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._people()
            if Need.REPLICA_CLOCK in self._needs:
                self._give_clocks()
            self.leader()
        except BaseException:
            self.__exit__()
            raise
        return self

    def clock(self, replica: Replica) -> Clock:
        """The wall clock of one replica."""
        return self._clocks[replica.pod]

    def expression(self, period: int) -> str:
        """Return a schedule that ticks so often."""
        return f"@every {period}s"

    def bear_load(self) -> Bounds:
        """Hold the run to no more than this machine can give while others keep it busy; return what it is held to."""
        load = os.getloadavg()[0] / ((os.cpu_count() or 1) * _BUSY)
        if load <= 1:
            return self.plan.meta.bounds
        old = self.plan.meta.bounds
        bounds = replace(
            old,
            on_time=old.on_time * load,
            taken_in=old.taken_in * load,
            disturbed=old.disturbed * load,
            recovery=old.recovery * load,
            settled=old.settled * load,
        )
        notes = {**self.plan.meta.notes, "load": round(load, 1)}
        (self.folder / META).write_text(json.dumps(plain(replace(self.plan.meta, bounds=bounds, notes=notes))))
        return bounds

    def plant(self) -> None:
        """Let people create their schedules."""
        for one in self.estate:
            self.people.create(one)

    def _people(self) -> None:
        for name in NAMESPACES:
            create_namespace(self.cluster, name)
        for name in NAMESPACES:
            wait_until(partial(has_account, self.cluster, name), what=f"{name} has its ServiceAccount")
        credentials = self.cluster.api.credentials
        self.people = Client("people", credentials, self.recorder)
        self._exit.callback(self.people.close)

    def _give_clocks(self) -> None:
        """Give each replica a clock of its own, from its next life on."""
        for replica in self.replicas:
            clock = self._clocks[replica.pod] = Clock(self.installation.folder / f"{replica.pod}.clock")
            replica.stop()
            replica.env = {**replica.env, **clock.environment()}
            replica.start()
        for replica in self.replicas:
            replica.wait_ready()
