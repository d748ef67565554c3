"""Which pod of a StrictPod attempt may start: one compare-and-set, however many ask at once."""

import asyncio

import pytest

from tests.store.makers import declared
from tests.store.test_recording import bound_run, statuses
from tests.store.world import TTL, World, ending
from ticklock.domain.errors import Unready
from ticklock.domain.model import JobUid, LaunchPolicy, PodUid
from ticklock.ports import Bound, PodClaim


def claim(bound: Bound, name: str = "a", job_uid: JobUid | None = None) -> PodClaim:
    return PodClaim(bound.key, job_uid or bound.job_uid, PodUid(name), f"{bound.job_name}-{name}")


async def chosen(world: World) -> list[str]:
    return [row.pod_uid for row in await world.sql("SELECT pod_uid FROM pods WHERE role = 'chosen'")]


@pytest.mark.field("launchPolicy", check="semantics")
async def test_the_policy_reaches_who_makes_the_job(world: World) -> None:
    await world.store(declared("plain"), declared("strict", launch_policy=LaunchPolicy.STRICT_POD))
    await world.plan()
    assert {order.ref.name: order.launch_policy for order in await world.claim()} == {
        "plain": LaunchPolicy.JOB,
        "strict": LaunchPolicy.STRICT_POD,
    }


async def test_of_many_that_ask_at_once_for_many_pods_one_pod_is_chosen(world: World) -> None:
    bound = await bound_run(world)
    replicas = [world.ledger, *(world.replica(f"r{number}") for number in range(3))]
    asked = [(replica, claim(bound, f"pod-{number}")) for number, replica in enumerate(replicas)]
    answers = await asyncio.gather(*(replica.choose_pods([one], ttl=TTL) for replica, one in asked))
    (winner,) = await chosen(world)
    assert {choice.pod_uid for answer in answers for choice in answer.values()} == {winner}
    assert [answer[one.pod_uid].mine for (_, one), answer in zip(asked, answers, strict=True)].count(True) == 1
    assert (await statuses(world, bound)).count("PodChosen") == 1


async def test_of_two_in_one_breath_one_is_chosen(world: World) -> None:
    bound = await bound_run(world)
    answer = await world.ledger.choose_pods([claim(bound, "a"), claim(bound, "b")], ttl=TTL)
    assert len({choice.pod_uid for choice in answer.values()}) == 1
    assert len(answer) == 2


async def test_a_claim_is_respected_until_it_runs_out(world: World) -> None:
    bound = await bound_run(world)
    other = world.replica()
    one = claim(bound)
    assert (await world.ledger.choose_pods([one], ttl=TTL))[one.pod_uid].mine
    assert not (await other.choose_pods([one], ttl=TTL))[one.pod_uid].mine
    await world.sql("UPDATE pods SET claimed_until = clock_timestamp()")
    assert (await other.choose_pods([one], ttl=TTL))[one.pod_uid].mine
    assert not (await world.ledger.choose_pods([one], ttl=TTL))[one.pod_uid].mine


async def test_a_replica_that_stops_gives_its_claims_back(world: World) -> None:
    bound = await bound_run(world)
    other = world.replica()
    one = claim(bound)
    await world.ledger.choose_pods([one], ttl=TTL)
    await world.ledger.give_back()
    assert (await other.choose_pods([one], ttl=TTL))[one.pod_uid].mine


async def test_a_pod_of_another_job_is_not_chosen(world: World) -> None:
    bound = await bound_run(world)
    assert await world.ledger.choose_pods([claim(bound, job_uid=JobUid("another"))], ttl=TTL) == {}
    assert await chosen(world) == []


async def test_a_pod_of_an_attempt_that_is_over_is_not_chosen(world: World) -> None:
    bound = await bound_run(world)
    await world.launch([bound])
    await world.ledger.record([ending(bound)])
    assert await world.ledger.choose_pods([claim(bound)], ttl=TTL) == {}


async def test_nothing_is_chosen_in_quarantine(world: World) -> None:
    bound = await bound_run(world)
    await world.sql("UPDATE clusters SET incarnation = 'another'")
    with pytest.raises(Unready):
        await world.ledger.choose_pods([claim(bound)], ttl=TTL)


async def test_another_takes_its_place_once(world: World) -> None:
    bound = await bound_run(world)
    first, second, third = (claim(bound, name) for name in "abc")
    await world.ledger.choose_pods([first], ttl=TTL)
    assert await world.ledger.choose_again(first.pod_uid, second, ttl=TTL)
    assert not await world.ledger.choose_again(first.pod_uid, third, ttl=TTL)
    choice = (await world.ledger.choose_pods([third], ttl=TTL))[third.pod_uid]
    assert (choice.pod_uid, choice.mine, choice.withdrawn) == (second.pod_uid, True, frozenset({first.pod_uid}))
    assert await chosen(world) == [second.pod_uid]


async def test_the_job_is_believed_where_the_ledger_says_something_else(world: World) -> None:
    bound = await bound_run(world)
    wrong, right = claim(bound, "wrong"), claim(bound, "right")
    await world.ledger.choose_pods([wrong], ttl=TTL)
    await world.ledger.correct_pod(right)
    choice = (await world.ledger.choose_pods([wrong], ttl=TTL))[wrong.pod_uid]
    assert (choice.pod_uid, choice.mine) == (right.pod_uid, False)
    assert (await world.ledger.choose_pods([right], ttl=TTL))[right.pod_uid].mine


async def test_that_it_was_let_go_is_written_once_and_shown(world: World) -> None:
    bound = await bound_run(world)
    await world.launch([bound])
    one = claim(bound)
    await world.ledger.choose_pods([one], ttl=TTL)
    for _ in range(2):
        await world.ledger.pods_admitted([one])
    assert (await statuses(world, bound))[-2:] == ["PodChosen", "PodAdmitted"]
    await world.sql("UPDATE schedule_state SET reported_at = to_timestamp(0)")
    (report,) = await world.ledger.reports(world.epoch, limit=10)
    assert report.last_run is not None
    assert report.last_run.pod_name == one.pod_name
