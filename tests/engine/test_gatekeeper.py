"""Of the pods of a StrictPod attempt one starts, whoever dies in between and whatever else is made of them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.engine.views import KEY, NOON, UID
from ticklock.domain.errors import Transient
from ticklock.domain.model import JobUid, PodUid
from ticklock.domain.pods import Cause
from ticklock.engine.gatekeeper import Gatekeeper
from ticklock.ports import FurtherPod, PodChoice, PodClaim, PodView

TTL = timedelta(seconds=10)
NONE_YET = PodUid("")


def pod(name: str, **changes: Any) -> PodView:
    plain = PodView(
        namespace="shop",
        name=name,
        uid=PodUid(name),
        job_name="payout-1",
        job_uid=UID,
        key=KEY,
        index="",
        created_at=NOON,
        tracked=True,
        deleting=False,
        strict=True,
        gate=0,
        unassigned=True,
    )
    return replace(plain, **changes)


A, B = pod("a"), pod("b")


@dataclass
class Scene:
    """A cluster, a ledger and a clock that several gatekeepers share."""

    clock: float = 0.0
    standing: dict[str, PodView] = field(default_factory=dict)
    witness: PodUid | None = NONE_YET
    """What the Job's annotation says; None: the Job is gone."""
    bound: bool = True
    chosen: PodClaim | None = None
    holder: object = None
    until: float = 0.0
    withdrawn: set[PodUid] = field(default_factory=set)
    noted: dict[PodUid, Cause] = field(default_factory=dict)
    let_go: list[PodUid] = field(default_factory=list)
    written: list[PodUid] = field(default_factory=list)
    discarded: dict[PodUid, bool] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    """Calls that fail once, each, for a while."""

    def make(self, *made: PodView) -> None:
        self.standing.update({one.name: one for one in made})

    def take(self, gone: PodView) -> None:
        self.standing.pop(gone.name)

    def fails(self, call: str) -> None:
        if call in self.failing:
            self.failing.remove(call)
            raise Transient(call)


class Replica:
    """The ports of one replica on the scene."""

    def __init__(self, scene: Scene, *, launched: bool = False) -> None:
        self.scene = scene
        given = cast("Any", self)
        self.keeper = Gatekeeper(given, given, given, given, TTL, asyncio.Semaphore(4), lambda: scene.clock)
        if launched:
            self.keeper.expect(UID)

    async def sees(self, *pods: PodView, gone: bool = False) -> None:
        for seen in pods:
            await self.keeper.on_change(seen, gone)

    async def steps(self, number: int = 1, *, seconds: float = 0.0) -> None:
        for _ in range(number):
            self.scene.clock += seconds
            await self.keeper.step()

    # -- ledger

    async def choose_pods(self, claims: Sequence[PodClaim], *, ttl: timedelta) -> Mapping[PodUid, PodChoice]:
        scene = self.scene
        scene.fails("choose")
        if not scene.bound:
            return {}
        for claim in claims:
            if scene.chosen is None or (scene.chosen == claim and scene.until <= scene.clock):
                self._choose(claim)
        assert scene.chosen is not None
        choice = PodChoice(
            scene.chosen.pod_uid, scene.chosen.pod_name, scene.holder is self, frozenset(scene.withdrawn)
        )
        return {claim.pod_uid: choice for claim in claims}

    def _choose(self, claim: PodClaim) -> None:
        self.scene.chosen, self.scene.holder = claim, self
        self.scene.until = self.scene.clock + TTL.total_seconds()

    async def choose_again(self, former: PodUid, claim: PodClaim, *, ttl: timedelta) -> bool:
        if self.scene.chosen is None or self.scene.chosen.pod_uid != former:
            return False
        self.scene.withdrawn.add(former)
        self._choose(claim)
        return True

    async def correct_pod(self, claim: PodClaim) -> None:
        self.scene.chosen, self.scene.holder, self.scene.until = claim, None, self.scene.clock

    async def pods_admitted(self, claims: Sequence[PodClaim]) -> None:
        if claims:
            self.scene.fails("write")
        self.scene.written += [claim.pod_uid for claim in claims]

    async def note_pods(self, found: Sequence[FurtherPod]) -> Mapping[PodUid, bool]:
        self.scene.noted.update({one.pod_uid: one.cause for one in found})
        return {one.pod_uid: True for one in found}

    # -- pods

    async def read(self, namespace: str, name: str) -> PodView | None:
        return self.scene.standing.get(name)

    async def of_job(self, namespace: str, job: JobUid) -> Sequence[PodView]:
        return list(self.scene.standing.values())

    async def bear_witness(self, given: PodView, withdrawn: Collection[PodUid]) -> PodUid | None:
        self.scene.fails("witness")
        if self.scene.witness is not None and (not self.scene.witness or self.scene.witness in withdrawn):
            self.scene.witness = given.uid
        return self.scene.witness

    async def admit(self, given: PodView) -> bool:
        self.scene.fails("admit")
        now = self.scene.standing.get(given.name)
        if now is None or now.deleting:
            return False
        assert self.scene.witness == given.uid, "let go before its Job bore witness of it"
        if now.gate is not None:
            self.scene.let_go.append(given.uid)
        self.scene.standing[given.name] = replace(now, gate=None)
        return True

    async def discard(self, given: PodView, *, counted: bool) -> None:
        self.scene.discarded[given.uid] = counted
        self.scene.standing.pop(given.name, None)

    # -- surroundings

    def poke(self, channel: str) -> None:
        assert channel == "gate"

    def count(self, name: str, value: float = 1, /, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...

    def observe(self, name: str, value: float, /, **labels: str) -> None: ...


async def test_the_only_pod_is_let_go_at_once_by_who_launched_its_job() -> None:
    scene = Scene()
    first = Replica(scene, launched=True)
    scene.make(A)
    await first.sees(A)
    await first.steps()
    assert (scene.let_go, scene.written, scene.witness) == ([A.uid], [A.uid], A.uid)
    assert not first.keeper.waiting


async def test_the_others_leave_it_to_that_replica_for_a_moment() -> None:
    scene = Scene()
    other = Replica(scene)
    scene.make(A)
    await other.sees(A)
    await other.steps()
    assert scene.chosen is None
    await other.steps(seconds=1.1)
    assert scene.let_go == [A.uid]


@pytest.mark.parametrize("call", ["witness", "admit", "write"])
async def test_a_call_that_fails_is_repeated(call: str) -> None:
    scene = Scene(failing=[call])
    first = Replica(scene, launched=True)
    scene.make(A)
    await first.sees(A)
    try:
        await first.steps()
    except Transient:
        assert call == "write", "only the ledger's failure ends a step"
    await first.steps(2, seconds=1)
    assert (scene.let_go, scene.written) == ([A.uid], [A.uid])


@pytest.mark.parametrize(
    "death",
    [
        pytest.param("witness", id="before its Job bears witness"),
        pytest.param("admit", id="before the gate comes off"),
        pytest.param("write", id="before it is written down"),
    ],
)
async def test_a_replica_that_dies_after_the_decision_is_followed_by_another(death: str) -> None:
    scene = Scene(failing=[death])
    dead, other = Replica(scene, launched=True), Replica(scene)
    scene.make(A, B)
    await dead.sees(A)
    await other.sees(A, B)
    try:
        await dead.steps()
    except Transient:
        assert death == "write"
    for _ in range(14):
        await other.sees(*scene.standing.values())
        await other.steps(seconds=1)
    assert scene.let_go == [A.uid]
    assert (scene.noted, scene.discarded) == ({B.uid: Cause.HELD}, {B.uid: False})


async def test_of_two_pods_one_starts_and_the_other_goes_without_counting_as_a_failure() -> None:
    scene = Scene()
    replicas = [Replica(scene, launched=True), Replica(scene)]
    scene.make(A, B)
    for replica in replicas:
        await replica.sees(A, B)
    for _ in range(3):
        for replica in replicas:
            await replica.steps(seconds=1)
    assert scene.let_go == [A.uid]
    assert scene.discarded == {B.uid: False}
    assert scene.noted == {B.uid: Cause.HELD}


@pytest.mark.parametrize(
    ("seen", "gone"),
    [
        pytest.param(replace(A, deleting=True), False, id="it is on its way out, and no node has it"),
        pytest.param(A, True, id="it went without ever having had a node"),
    ],
)
async def test_a_chosen_pod_that_was_taken_away_before_it_started_gives_its_place_to_the_next(
    seen: PodView,
    gone: bool,  # noqa: FBT001
) -> None:
    scene = Scene(failing=["admit"])
    first = Replica(scene, launched=True)
    scene.make(A)
    await first.sees(A)
    await first.steps()
    scene.take(A)
    scene.make(B)
    await first.sees(seen, gone=gone)
    await first.sees(B)
    await first.steps(3, seconds=0.1)
    assert (scene.let_go, scene.witness, scene.withdrawn) == ([B.uid], B.uid, {A.uid})


async def test_who_only_reads_that_the_chosen_one_leaves_without_a_node_knows_it_too() -> None:
    scene = Scene(chosen=PodClaim(KEY, UID, A.uid, A.name), witness=A.uid)
    late = Replica(scene)
    scene.make(replace(A, deleting=True), B)
    await late.sees(B)
    await late.steps(4, seconds=1.1)
    assert scene.let_go == [B.uid]


async def test_where_nobody_knows_whether_the_chosen_one_ran_the_next_is_removed_as_a_failure() -> None:
    scene = Scene(chosen=PodClaim(KEY, UID, A.uid, A.name), witness=A.uid)
    late = Replica(scene)
    scene.make(B)
    await late.sees(B)
    await late.steps(3, seconds=1.1)
    assert not scene.discarded, "the watch may still bring how it went"
    await late.steps(4, seconds=1.1)
    assert (scene.let_go, scene.discarded, scene.noted) == ([], {B.uid: True}, {B.uid: Cause.HELD})


async def test_a_disappearance_that_was_missed_proves_nothing() -> None:
    scene = Scene(chosen=PodClaim(KEY, UID, A.uid, A.name), witness=A.uid)
    late = Replica(scene)
    scene.make(B)
    await late.sees(replace(A, unassigned=False), gone=True)
    await late.sees(B)
    await late.steps(8, seconds=1.1)
    assert scene.let_go == []


@pytest.mark.parametrize("ended", [pytest.param(True, id="it has ended"), pytest.param(False, id="it runs")])
async def test_a_pod_that_follows_one_that_started_never_starts(ended: bool) -> None:  # noqa: FBT001
    scene = Scene()
    first = Replica(scene, launched=True)
    scene.make(A)
    await first.sees(A)
    await first.steps()
    running = replace(A, gate=None, unassigned=False)
    scene.standing[A.name] = running
    await first.sees(running, gone=ended)
    scene.make(B)
    await first.sees(B)
    await first.steps(8, seconds=1.1)
    assert (scene.let_go, scene.discarded) == ([A.uid], {B.uid: False})


async def test_a_ledger_that_lost_the_decision_believes_the_job() -> None:
    scene = Scene(witness=A.uid)
    late = Replica(scene, launched=True)
    scene.make(replace(A, gate=None, unassigned=False), B)
    await late.sees(B)
    await late.steps(3, seconds=0.1)
    assert scene.let_go == []
    assert scene.chosen is not None
    assert (scene.chosen.pod_uid, scene.chosen.pod_name) == (A.uid, A.name)
    assert scene.discarded == {B.uid: False}


async def test_a_pod_whose_attempt_is_not_bound_to_its_job_waits() -> None:
    scene = Scene(bound=False)
    first = Replica(scene, launched=True)
    scene.make(A)
    await first.sees(A)
    await first.steps(3, seconds=2)
    assert scene.let_go == []
    scene.bound = True
    await first.steps(2, seconds=10)
    assert scene.let_go == [A.uid]


async def test_a_pod_that_its_user_deletes_before_it_was_let_go_never_starts() -> None:
    scene = Scene()
    first = Replica(scene)
    scene.make(A)
    await first.sees(A)
    scene.make(replace(A, deleting=True))
    await first.sees(replace(A, deleting=True))
    await first.steps(3, seconds=2)
    assert (scene.chosen, scene.let_go) == (None, [])


async def test_a_job_that_is_gone_needs_no_pod() -> None:
    scene = Scene(witness=None)
    first = Replica(scene, launched=True)
    scene.make(A)
    await first.sees(A)
    await first.steps()
    assert (scene.let_go, dict(first.keeper.waiting)) == ([], {})


async def test_a_pod_that_came_without_our_gate_counts_as_the_one_that_started() -> None:
    scene = Scene()
    first = Replica(scene, launched=True)
    loose = replace(A, gate=None)
    scene.make(loose, B)
    await first.sees(loose, B)
    await first.steps(3, seconds=1)
    assert (scene.let_go, scene.discarded) == ([], {B.uid: False})


async def test_a_second_one_that_came_without_our_gate_is_told() -> None:
    scene = Scene()
    first = Replica(scene, launched=True)
    scene.make(A)
    await first.sees(A)
    await first.steps()
    loose = replace(B, gate=None)
    scene.make(loose)
    await first.sees(loose)
    await first.steps()
    assert scene.noted == {B.uid: Cause.UNFOUNDED}


async def test_pods_of_other_runs_are_left_alone() -> None:
    scene = Scene()
    first = Replica(scene, launched=True)
    await first.sees(replace(A, strict=False), replace(B, key=None))
    await first.steps()
    assert (scene.chosen, scene.let_go) == (None, [])
