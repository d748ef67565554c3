"""A real Lease, and two electors on it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.kube import client
from tests.support.waiting import eventually_async
from ticklock.domain.errors import Conflict, Transient
from ticklock.domain.lease import LeaseTimes
from ticklock.engine.elector import Clocks, Elector, Term
from ticklock.kube.client import K8sApi
from ticklock.kube.lease import KubeLease
from ticklock.kube.resources import LEASES
from tools.devcluster.controlplane import ControlPlane

AT = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[K8sApi]:
    async with client(control_plane) as opened:
        yield opened


@pytest.fixture
def lease(api: K8sApi, namespace: str) -> KubeLease:
    return KubeLease(api, namespace, "ticklock")


async def test_a_lease_is_made_once(lease: KubeLease, api: K8sApi, namespace: str) -> None:
    assert await lease.read() is None
    made = await lease.create("first", 15, AT)
    assert (made.holder, made.duration, made.transitions) == ("first", 15, 0)
    stored = await api.get(LEASES.one(namespace, "ticklock"))
    assert stored["spec"]["renewTime"] == stored["spec"]["acquireTime"] == "2026-11-22T16:00:00.000000Z"
    with pytest.raises(Conflict):
        await lease.create("second", 15, AT)


async def test_a_lease_is_written_only_on_the_version_seen(lease: KubeLease) -> None:
    seen = await lease.create("first", 15, AT)
    renewed = await lease.update(seen, "first", 15, AT + timedelta(seconds=2), transitions=0, acquired=False)
    with pytest.raises(Conflict):
        await lease.update(seen, "second", 15, AT, transitions=1, acquired=True)
    taken = await lease.update(renewed, "second", 15, AT, transitions=1, acquired=True)
    assert (taken.holder, taken.transitions) == ("second", 1)


async def test_a_released_lease_has_no_holder(lease: KubeLease) -> None:
    seen = await lease.create("first", 15, AT)
    released = await lease.update(seen, "", 1, AT, transitions=0, acquired=False)
    assert (released.holder, released.duration) == ("", 1)
    assert await lease.read() == released


async def test_a_lease_that_was_deleted_meanwhile_is_a_conflict(
    lease: KubeLease, control_plane: ControlPlane, namespace: str
) -> None:
    seen = await lease.create("first", 15, AT)
    control_plane.api.delete(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/ticklock")
    with pytest.raises(Conflict):
        await lease.update(seen, "first", 15, AT, transitions=0, acquired=False)


async def test_a_namespace_that_is_missing_is_no_reason_to_give_up(api: K8sApi) -> None:
    with pytest.raises(Transient):
        await KubeLease(api, "nowhere", "ticklock").create("first", 15, AT)


async def test_a_lease_that_somebody_mangled_is_read_as_free(
    lease: KubeLease, control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.api.post(
        f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
        {"metadata": {"name": "ticklock"}},
    )
    seen = await lease.read()
    assert seen is not None
    assert (seen.holder, seen.duration, seen.transitions) == ("", 0.0, 0)
    taken = await lease.update(seen, "first", 15, AT, transitions=1, acquired=True)
    assert taken.holder == "first"


async def test_the_lease_is_handed_over_on_a_stop(lease: KubeLease) -> None:
    times = LeaseTimes(duration=5, renew_deadline=3, retry_period=0.2)
    clocks = Clocks(asyncio.get_running_loop().time, lambda: datetime.now(UTC))
    first, second = (Elector(lease, identity=name, clocks=clocks, times=times) for name in ("first", "second"))
    led: list[str] = []

    async def lead(term: Term) -> None:
        led.append(term.holder)
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(first.run(lead))

        async def begun() -> bool:
            return bool(led)

        await eventually_async(begun, what="the first leads")
        waiting = group.create_task(second.run(lead))
        running.cancel()

        async def handed_over() -> bool:
            return second.leading

        await eventually_async(handed_over, what="the second leads", seconds=4)
        assert led == ["first", "second"]
        waiting.cancel()
    released = await lease.read()
    assert released is not None
    assert (released.holder, released.transitions) == ("", 1)
