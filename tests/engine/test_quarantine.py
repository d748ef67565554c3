"""Quarantine as a duty: what is looked at in which order, and what is told of it."""

from collections.abc import Sequence
from typing import cast

import pytest

from tests.engine.views import KEY, UID, job
from ticklock.domain.errors import Transient
from ticklock.domain.model import Declared
from ticklock.domain.reasons import Reason
from ticklock.engine.quarantine import Quarantine
from ticklock.ports import JobFeed, Jobs, JobView, Ledger, Leftover, Objects, Opened
from ticklock.telemetry import PrometheusMeter

LEFTOVER = Leftover("shop", "payout-1", UID, KEY)


class Scene:
    """Ledger and cluster in one, which write down what they are asked; `leftovers`: of each reconciliation."""

    def __init__(self, *leftovers: Sequence[Leftover], opened: Sequence[Opened] = ()) -> None:
        self.leftovers = list(leftovers)
        self.opened = list(opened)
        self.asked: list[str] = []
        self.standing: JobView | None = job()
        self.unwritten: Exception | None = None

    async def list_all(self) -> tuple[Sequence[JobView], str]:
        self.asked.append("Jobs")
        return [], "1"

    async def begin_to_reconcile(self, epoch: int) -> str:
        self.asked.append("life")
        return "this one"

    async def reconcile_incarnation(
        self, epoch: int, jobs: Sequence[JobView], objects: Sequence[Declared], *, life: str | None
    ) -> Sequence[Leftover]:
        assert life == "this one"
        self.asked.append("reconcile")
        return self.leftovers.pop(0) if self.leftovers else ()

    async def tend_gate(self, epoch: int) -> Sequence[Opened]:
        if self.unwritten is not None:
            raise self.unwritten
        found, self.opened = self.opened, []
        return found

    async def read(self, namespace: str, name: str) -> JobView | None:
        self.asked.append("read")
        self.standing, found = None, self.standing
        return found

    async def delete(self, given: JobView, *, only_if_unchanged: bool) -> JobView | None:
        self.asked.append("delete" if only_if_unchanged else "delete blindly")
        return None


class ObjectsOf:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def list_all(self) -> tuple[Sequence[Declared], str]:
        self.scene.asked.append("objects")
        return [], "1"


def duty(scene: Scene, meter: PrometheusMeter | None = None, cause: str | None = "why") -> Quarantine:
    return Quarantine(
        cast("Ledger", scene),
        cast("Jobs", scene),
        cast("JobFeed", scene),
        cast("Objects", ObjectsOf(scene)),
        meter or PrometheusMeter(version="0", strict=True),
        7,
        lambda: cause,
    )


async def test_jobs_are_listed_before_the_objects_that_bear_witness_of_those_that_are_gone() -> None:
    scene = Scene()
    await duty(scene).step()
    assert scene.asked == ["life", "Jobs", "objects", "reconcile"]


async def test_while_jobs_are_taken_away_all_is_listed_again() -> None:
    scene = Scene([LEFTOVER])
    await duty(scene).step()
    looked = ["life", "Jobs", "objects", "reconcile"]
    assert scene.asked == [*looked, "read", "delete", "read", *looked]


async def test_an_open_gate_is_not_reconciled() -> None:
    scene = Scene()
    await duty(scene, cause=None).step()
    assert scene.asked == []


async def test_a_book_that_cannot_be_written_keeps_nobody_from_reconciling() -> None:
    scene = Scene()
    scene.unwritten = Transient("canceling statement due to lock timeout")
    await duty(scene).step()
    assert scene.asked == ["life", "Jobs", "objects", "reconcile"]


@pytest.mark.parametrize("cause", [None, "why"], ids=["open", "closed"])
async def test_what_a_quarantine_settled_is_counted_once(cause: str | None) -> None:
    meter = PrometheusMeter(version="0", strict=True)
    over = Opened(Reason.QUARANTINE, Reason.RECONCILED, {"launched": 2, "unknown": 1})
    duty_ = duty(Scene(opened=[over]), meter, cause)
    for _ in range(2):
        await duty_.step()
    exposed = meter.expose().decode()
    assert 'ticklock_quarantine_settled_total{outcome="launched"} 2.0' in exposed
    assert 'ticklock_quarantine_settled_total{outcome="unknown"} 1.0' in exposed
    assert 'ticklock_quarantine_settled_total{outcome="recorded"} 0.0' in exposed
