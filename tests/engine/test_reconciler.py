"""What the reconciler makes of lists and news that do not agree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from tests.engine.quiet import QuietMeter, QuietWakeups
from tests.support.orders import template
from ticklock.domain.limits import Limits
from ticklock.domain.model import Declared, ObjectRef, ScheduleUid
from ticklock.domain.parse import declared
from ticklock.engine.reconciler import Reconciler
from ticklock.ports import Jobs, Ledger, Leftover, Objects

NOTHING: Any = None
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def body(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "creationTimestamp": "2026-03-01T12:00:00Z"}
    return {"metadata": {**metadata, "generation": 1}, "spec": {"schedule": "0 0 * * *", "jobTemplate": {}}}


@dataclass
class World:
    """The objects as they stand, and the rows as they are stored: `Objects` and `Ledger`, as far as they are asked."""

    objects: dict[str, Declared] = field(default_factory=dict)
    rows: dict[str, ObjectRef] = field(default_factory=dict)
    after_list: Callable[[], None] = lambda: None

    async def list_all(self) -> tuple[Sequence[Declared], str]:
        listed = list(self.objects.values())
        self.after_list()
        return listed, "7"

    async def known_objects(self) -> Sequence[ObjectRef]:
        return list(self.rows.values())

    async def note_resource_version(self, epoch: int, version: int) -> bool:
        return version > epoch

    async def reconcile(
        self, epoch: int, objects: Sequence[Declared], gone: Sequence[ObjectRef]
    ) -> tuple[int, Sequence[Leftover]]:
        assert epoch == 1
        for ref in gone:
            self.rows.pop(ref.uid, None)
        self.rows |= {item.ref.uid: item.ref for item in objects}
        return len(objects) + len(gone), ()

    def create(self, name: str) -> dict[str, Any]:
        item = declared(body(name))
        assert item is not None
        self.objects[item.ref.uid] = item
        return body(name)

    def delete(self, name: str) -> dict[str, Any]:
        del self.objects[ScheduleUid(f"uid-{name}")]
        return body(name)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def reconciler(world: World) -> Reconciler:
    """Lists at each step."""
    ledger, objects = cast("Ledger", world), cast("Objects", world)
    return Reconciler(ledger, objects, cast("Jobs", NOTHING), QuietWakeups(), QuietMeter(), 1, list_every=0.0)


async def test_a_deletion_that_nobody_told_of_is_noticed_by_the_next_list(world: World, reconciler: Reconciler) -> None:
    world.create("stays")
    world.create("goes")
    await reconciler.step()
    assert set(world.rows) == {"uid-stays", "uid-goes"}
    world.delete("goes")
    await reconciler.step()
    assert set(world.rows) == {"uid-stays"}


async def test_an_object_that_nobody_told_of_is_noticed_by_the_next_list(world: World, reconciler: Reconciler) -> None:
    await reconciler.step()
    world.create("comes")
    await reconciler.step()
    assert set(world.rows) == {"uid-comes"}


async def test_an_object_deleted_while_it_was_listed_does_not_come_back(world: World, reconciler: Reconciler) -> None:
    world.create("goes")
    world.after_list = lambda: reconciler.submit("DELETED", world.delete("goes"))
    await reconciler.step()
    assert world.rows == {}


async def test_what_the_installation_does_not_allow_is_stored_as_a_problem(reconciler: Reconciler) -> None:
    reconciler.limits = Limits(min_interval=timedelta(hours=2))
    spec = {"schedule": "0 * * * *", "jobTemplate": template()}
    reconciler.submit("ADDED", {**body("often"), "spec": spec})
    stored = reconciler.pending["uid-often"]
    assert stored.rule is None
    assert stored.problem is not None
    assert "min_interval_seconds" in stored.problem.message


def up_to_date(reconciler: Reconciler) -> bool:
    return reconciler.caught_up


async def test_after_a_gap_it_is_behind_until_another_list_is_stored(world: World, reconciler: Reconciler) -> None:
    reconciler.list_every = 300.0
    await reconciler.step()
    assert up_to_date(reconciler)
    world.create("edited meanwhile")
    reconciler.look_again()
    assert not up_to_date(reconciler)
    await reconciler.step()
    assert up_to_date(reconciler)
    assert set(world.rows) == {"uid-edited meanwhile"}


async def test_a_list_that_was_under_way_does_not_count_after_a_gap(world: World, reconciler: Reconciler) -> None:
    reconciler.list_every = 300.0
    world.after_list = reconciler.look_again
    await reconciler.step()
    assert not up_to_date(reconciler)
    world.after_list = lambda: None
    await reconciler.step()
    assert up_to_date(reconciler)


async def test_an_object_created_while_others_were_listed_is_not_taken_for_gone(
    world: World, reconciler: Reconciler
) -> None:
    world.after_list = lambda: reconciler.submit("ADDED", world.create("comes"))
    await reconciler.step()
    assert set(world.rows) == {"uid-comes"}
