"""Pods beyond those that a Job asks for: written down once, and told where no failure explains them."""

import pytest

from tests.store.test_recording import bound_run, statuses
from tests.store.world import World
from ticklock.domain.model import JobUid, PodUid
from ticklock.domain.pods import Cause
from ticklock.domain.reasons import Reason
from ticklock.ports import Bound, FurtherPod


def further(bound: Bound, cause: Cause, uid: str = "pod-2", job_uid: JobUid | None = None) -> FurtherPod:
    return FurtherPod(bound.key, job_uid or bound.job_uid, PodUid(uid), f"{bound.job_name}-{uid}", cause)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause.alarming])
async def test_an_alarming_one_is_told_once(world: World, cause: Cause) -> None:
    bound = await bound_run(world)
    await world.launch([bound])
    found = further(bound, cause)
    assert await world.ledger.note_pods([found]) == {found.pod_uid: True}
    assert await world.ledger.note_pods([found]) == {found.pod_uid: False}
    assert (await statuses(world, bound))[-2:] == ["Launched", "SecondPod"]
    (event,) = [one for one in await world.ledger.outbox(world.epoch, limit=10) if one.reason is Reason.SECOND_POD]
    assert (event.type, event.related_job, event.related_uid) == ("Warning", bound.job_name, bound.job_uid)
    assert event.state is None, "the run goes on: it must not be counted as one that ended"
    assert found.pod_name in event.note


async def test_a_retry_is_written_down_and_not_told(world: World) -> None:
    bound = await bound_run(world)
    await world.launch([bound])
    found = further(bound, Cause.RETRY)
    assert await world.ledger.note_pods([found]) == {found.pod_uid: True}
    assert (await world.one("SELECT role, pod_uid FROM pods"))[:] == ("retry", "pod-2")
    assert (await statuses(world, bound))[-1] == "Launched"
    assert Reason.SECOND_POD not in {one.reason for one in await world.ledger.outbox(world.epoch, limit=10)}


async def test_a_pod_of_a_job_that_the_attempt_is_not_bound_to_is_left_out(world: World) -> None:
    bound = await bound_run(world)
    ours, strange = further(bound, Cause.UNFOUNDED), further(bound, Cause.UNFOUNDED, "pod-3", JobUid("another"))
    assert await world.ledger.note_pods([ours, strange]) == {ours.pod_uid: True}


async def test_it_goes_with_its_run(world: World) -> None:
    bound = await bound_run(world)
    await world.ledger.note_pods([further(bound, Cause.RETRY)])
    await world.sql("DELETE FROM runs WHERE id = :id", id=bound.key.run_id)
    assert await world.sql("SELECT * FROM pods") == []
