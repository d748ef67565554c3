"""What is told before anything goes wrong."""

from typing import Any

import pytest

from tests.store.makers import TEMPLATE, declared, edited
from tests.store.world import World
from ticklock.domain.reasons import Reason

REFUSED = 'Job.batch "x" is invalid: spec.template.spec.containers[0].image: Required value'


async def warnings(world: World, reason: Reason) -> list[str]:
    queued = await world.ledger.outbox(world.epoch, limit=100)
    return [item.note for item in queued if (item.type, item.reason) == ("Warning", reason)]


def template(**spec: Any) -> dict[str, Any]:
    return {"spec": {**TEMPLATE["spec"], **spec}}


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        pytest.param({"completions": 0}, 1, id="completions 0"),
        pytest.param({"completions": 1}, 0, id="completions 1"),
        pytest.param({"completions": False}, 0, id="something that is no number"),
        pytest.param({}, 0, id="unset"),
    ],
)
async def test_a_job_that_completes_at_once_is_warned_of(world: World, changes: dict[str, Any], warned: int) -> None:
    item = declared(job_template=template(**changes))
    await world.store(item)
    assert len(await warnings(world, Reason.COMPLETES_AT_ONCE)) == warned
    await world.store(edited(item, suspend=True))
    assert len(await warnings(world, Reason.COMPLETES_AT_ONCE)) == 2 * warned
    assert await world.value("SELECT problem_reason FROM schedules WHERE uid = :uid", uid=item.ref.uid) is None


@pytest.mark.parametrize("odd", [{}, {"spec": None}, {"spec": []}], ids=str)
async def test_a_template_of_any_shape_is_no_stumbling_block(world: World, odd: dict[str, Any]) -> None:
    await world.store(declared(job_template=odd))
    assert await warnings(world, Reason.COMPLETES_AT_ONCE) == []


async def test_a_job_that_is_refused_ahead_of_its_tick_is_told_once(world: World) -> None:
    await world.store(declared())
    await world.plan()
    order = (await world.claim())[0]
    for _ in range(2):
        await world.ledger.defer(order, seconds=4, reason=Reason.JOB_REJECTED, message=REFUSED)
    (note,) = await warnings(world, Reason.JOB_REJECTED)
    assert REFUSED in note
    assert f"{order.scheduled_time:%FT%TZ}" in note
    assert (await world.attempt(order.key)).state == "planned"


async def test_what_an_edit_has_overtaken_is_not_told(world: World) -> None:
    item = declared()
    await world.store(item)
    await world.plan()
    order = (await world.claim())[0]
    await world.store(edited(item, priority=0))
    await world.ledger.defer(order, seconds=4, reason=Reason.JOB_REJECTED, message=REFUSED)
    assert await warnings(world, Reason.JOB_REJECTED) == []


async def test_a_passing_trouble_of_the_api_server_is_not_told(world: World) -> None:
    await world.store(declared())
    await world.plan()
    order = (await world.claim())[0]
    await world.ledger.defer(order, seconds=4, reason=Reason.API_UNAVAILABLE, message="timeout")
    assert await warnings(world, Reason.API_UNAVAILABLE) == []
