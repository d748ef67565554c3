"""Second pods are noticed and judged: what a watch brings, and the pods as they stand when they are looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.engine.views import KEY, NOON, OTHER, UID, job
from ticklock.domain.model import JobUid, PodUid
from ticklock.domain.pods import Cause
from ticklock.engine.secondpods import SecondPods
from ticklock.ports import FurtherPod, JobView, PodPhase, PodView


def pod(name: str, created: float = 0, **changes: Any) -> PodView:
    plain = PodView(
        namespace="shop",
        name=name,
        uid=PodUid(name),
        job_name="payout-1",
        job_uid=UID,
        key=KEY,
        index="",
        created_at=NOON + timedelta(seconds=created),
        tracked=True,
        deleting=False,
    )
    return replace(plain, **changes)


def whole(seen: PodView, phase: PodPhase = PodPhase.RUNNING, ended: float | None = None) -> PodView:
    return replace(seen, phase=phase, ended_at=None if ended is None else NOON + timedelta(seconds=ended))


@dataclass
class Scene:
    """A cluster with one Job, a ledger that is bound to it, and what was done with them."""

    standing: list[PodView] = field(default_factory=list)
    job: JobView | None = field(default_factory=lambda: job(suspended=False))
    bound: bool = True
    clock: float = 0.0
    asked: int = 0
    noted: dict[PodUid, Cause] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)

    def duty(self) -> SecondPods:
        given = cast("Any", self)
        return SecondPods(given, given, given, given, given, given, monotonic=lambda: self.clock)

    async def read(self, namespace: str, name: str) -> JobView | None:
        return self.job

    async def of_job(self, namespace: str, uid: JobUid) -> Sequence[PodView]:
        self.asked += 1
        return self.standing

    def known(self) -> Sequence[JobView]:
        return [self.job] if self.job is not None else []

    async def note_pods(self, found: Sequence[FurtherPod]) -> Mapping[PodUid, bool]:
        if not self.bound:
            return {}
        news = {one.pod_uid: one.pod_uid not in self.noted for one in found}
        self.noted.update({one.pod_uid: one.cause for one in found})
        return news

    def poke(self, channel: str) -> None:
        assert channel == "pods"

    def count(self, name: str, value: float = 1, /, **labels: str) -> None:
        assert name == "further_pods_total"
        self.counted.append(labels["cause"])


FIRST, SECOND = pod("first"), pod("second", 20)
DELETED = replace(FIRST, deleting=True)
GIVEN_UP = replace(FIRST, tracked=False)


@pytest.mark.parametrize(
    ("told", "standing", "cause"),
    [
        pytest.param(
            [(FIRST, False), (SECOND, False)],
            [whole(FIRST), whole(SECOND)],
            "unfounded",
            id="both run",
        ),
        pytest.param(
            [(FIRST, False), (FIRST, True), (SECOND, False)],
            [whole(FIRST, PodPhase.FAILED, 5), whole(SECOND)],
            "retry",
            id="the first has failed",
        ),
        pytest.param(
            [(FIRST, False), (FIRST, True), (SECOND, False)],
            [whole(FIRST, PodPhase.SUCCEEDED, 5), whole(SECOND)],
            "unfounded",
            id="the first has succeeded",
        ),
        pytest.param(
            [(FIRST, False), (FIRST, True), (SECOND, False)],
            [whole(FIRST, PodPhase.FAILED, 25), whole(SECOND)],
            "unfounded",
            id="the first has failed, but after the second was made",
        ),
        pytest.param(
            [(FIRST, False), (FIRST, True), (SECOND, False)],
            [whole(SECOND)],
            "retry",
            id="the first ended by itself, and somebody tidied up",
        ),
        pytest.param(
            [(FIRST, False), (DELETED, False), (DELETED, True), (SECOND, False)],
            [whole(SECOND)],
            "deleted",
            id="the first was deleted while it ran",
        ),
        pytest.param(
            [(FIRST, False), (DELETED, False), (DELETED, True), (SECOND, False)],
            [whole(DELETED, PodPhase.FAILED, 5), whole(SECOND)],
            "deleted",
            id="the first was deleted, and its end counts as a failure",
        ),
        pytest.param(
            [(FIRST, False), (GIVEN_UP, False), (GIVEN_UP, True), (SECOND, False)],
            [whole(SECOND)],
            "deleted",
            id="the first was given up by the job controller: a suspension",
        ),
        pytest.param(
            [(FIRST, False), (SECOND, False)],
            [whole(DELETED), whole(SECOND)],
            "deleted",
            id="the watch is behind: the first is on its way out",
        ),
    ],
)
async def test_a_second_pod_and_its_cause(
    told: list[tuple[PodView, bool]], standing: list[PodView], cause: str
) -> None:
    scene = Scene(standing)
    duty = scene.duty()
    for seen, gone in told:
        await duty.on_change(seen, gone)
    await duty.step()
    assert scene.noted == {SECOND.uid: cause}
    assert scene.counted == [cause]


async def test_a_single_pod_costs_no_request() -> None:
    scene = Scene([whole(FIRST)])
    duty = scene.duty()
    for gone in (False, True):
        await duty.on_change(FIRST, gone)
        await duty.step()
    assert scene.asked == 0


async def test_what_was_judged_is_not_asked_for_again() -> None:
    scene = Scene([whole(FIRST), whole(SECOND)])
    duty = scene.duty()
    for seen in (FIRST, SECOND, replace(SECOND, deleting=True)):
        await duty.on_change(seen, False)  # noqa: FBT003
        await duty.step()
    assert scene.asked == 1
    assert scene.counted == ["unfounded"]


async def test_the_pods_of_another_leaders_term_are_no_news() -> None:
    scene = Scene([whole(FIRST), whole(SECOND)], noted={SECOND.uid: Cause.UNFOUNDED})
    duty = scene.duty()
    for seen in (FIRST, SECOND):
        await duty.on_change(seen, False)  # noqa: FBT003
    await duty.step()
    assert (scene.asked, scene.counted) == (1, [])


async def test_as_many_as_the_job_asks_for_are_looked_at_once() -> None:
    pods = [pod(f"p{number}") for number in range(4)]
    scene = Scene([whole(one) for one in pods], job=job(suspended=False, wanted_pods=4))
    duty = scene.duty()
    for seen in pods:
        await duty.on_change(seen, False)  # noqa: FBT003
        await duty.step()
    assert (scene.asked, scene.noted) == (1, {})
    fifth = pod("p5", 1)
    scene.standing.append(whole(fifth))
    await duty.on_change(fifth, False)  # noqa: FBT003
    await duty.step()
    assert scene.noted == {fifth.uid: Cause.UNFOUNDED}


async def test_each_index_of_an_indexed_job_has_its_own_pod() -> None:
    pods = [pod("zero", index="0"), pod("one", index="1"), pod("again", 20, index="1")]
    scene = Scene([whole(pods[0]), whole(pods[1], PodPhase.FAILED, 5), whole(pods[2])])
    duty = scene.duty()
    for seen in pods:
        await duty.on_change(seen, False)  # noqa: FBT003
    await duty.step()
    assert scene.noted == {pods[2].uid: Cause.RETRY}


async def test_a_job_whose_row_is_not_bound_to_it_yet_is_looked_at_again() -> None:
    scene = Scene([whole(FIRST), whole(SECOND)], bound=False)
    duty = scene.duty()
    for seen in (FIRST, SECOND):
        await duty.on_change(seen, False)  # noqa: FBT003
    await duty.step()
    scene.bound = True
    await duty.step()
    assert scene.asked == 1
    scene.clock += 6
    await duty.step()
    assert (scene.asked, scene.counted) == (2, ["unfounded"])


async def test_a_row_that_is_never_bound_to_it_is_not_asked_for_for_ever() -> None:
    scene = Scene([whole(FIRST), whole(SECOND)], bound=False)
    duty = scene.duty()
    for seen in (FIRST, SECOND):
        await duty.on_change(seen, False)  # noqa: FBT003
    for _ in range(50):
        await duty.step()
        scene.clock += 6
    assert scene.asked == 12


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(None, id="its Job is gone"),
        pytest.param(job(suspended=False, finished="Completed"), id="its Job is over"),
        pytest.param(job(uid=OTHER), id="another Job has its name"),
    ],
)
async def test_what_is_over_is_forgotten_a_round_later(after: JobView | None) -> None:
    scene = Scene([])
    duty = scene.duty()
    for gone in (False, True):
        await duty.on_change(FIRST, gone)
    scene.job = after
    await duty.step()
    assert FIRST.job_uid in duty.seen
    scene.clock += 61
    await duty.step()
    assert not duty.seen


async def test_pods_that_are_not_ours_are_left_alone() -> None:
    scene = Scene()
    duty = scene.duty()
    await duty.on_change(pod("foreign", key=None), False)  # noqa: FBT003
    assert not duty.seen
