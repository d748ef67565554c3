"""Upgrades, a rollback and other numbers of replicas, while schedules tick: no tick is missed, none starts twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.chart.former import Former, former
from tests.e2e.chart.planting import OFTEN, Bystander, Planted, manifest
from tests.e2e.chart.release import LOCAL
from tests.support.pods import Room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.chart.release import Release

pytestmark = pytest.mark.usefixtures("monitored")


@pytest.fixture(scope="module")
def before(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Former:
    """What is upgraded from, its image on the nodes."""
    found = former(tmp_path_factory.mktemp("former"))
    if found.image is not None:
        release.cluster.load(found.image)
    return found


@pytest.fixture(scope="module")
def ticks(release: Release, bystander: Bystander) -> Iterator[list[Planted]]:
    """They go on through all tests of this module; each accounts for every tick from the first."""
    with Room.lend(release.cluster, "upgrading") as room:
        planted = [
            bystander.plant(room, manifest("fives", schedule=OFTEN)),
            bystander.plant(room, manifest("tens", schedule="*/10 * * * * *")),
        ]
        for one in planted:
            one.wait_launched()
        yield planted


def accounted(bystander: Bystander, ticks: list[Planted], change: str, *, since: float) -> None:
    """Not one tick is without its Job, and none has two."""
    for one in ticks:
        one.wait_launched(1, since=time.time())
    bystander.account(ticks, change, since=since)


def images(release: Release) -> set[str]:
    return {one["spec"]["containers"][0]["image"] for one in release.pods()}


def test_a_rolling_upgrade(release: Release, bystander: Bystander, ticks: list[Planted], before: Former) -> None:
    """From the chart before to this one. There is a release already, so first the other way."""
    release.upgrade(source=before.chart, values=before.values)
    if before.image is not None:
        assert images(release) == {"ticklock:former"}
    began = time.time()
    with bystander.figures.measured(f"rolling upgrade of two replicas (from {before.what})"):
        release.upgrade()
    assert images(release) == {"ticklock:0.1.0"}
    accounted(bystander, ticks, "rolling upgrade", since=began)


def test_a_rollback(release: Release, bystander: Bystander, ticks: list[Planted], before: Former) -> None:
    """To the release before, on the schema of today; and from there to this one with four replicas."""
    began = time.time()
    with bystander.figures.measured("rollback of two replicas"):
        release.rollback(release.revision() - 1)
    if before.image is not None:
        assert images(release) == {"ticklock:former"}
    accounted(bystander, ticks, "rollback", since=began)


@pytest.mark.parametrize("replicas", [pytest.param(number, id=f"to {number}") for number in (4, 1, 2)])
def test_another_number_of_replicas(
    release: Release, bystander: Bystander, ticks: list[Planted], replicas: int
) -> None:
    began = time.time()
    release.upgrade(values={**LOCAL, "replicaCount": replicas})
    assert len(release.homes()) == replicas
    assert images(release) == {"ticklock:0.1.0"}
    accounted(bystander, ticks, f"scaled to {replicas}", since=began)
