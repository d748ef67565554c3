"""Removing an installation: when it is refused, and what is let go in which way."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.engine.views import NOON, OTHER, UID, job
from ticklock.domain.errors import Conflict, Transient
from ticklock.domain.model import JobUid
from ticklock.engine.uninstalling import LOOK_SECONDS, Uninstaller
from ticklock.ports import Jobs, JobView, LeaseRecord


def lease(holder: str = "pod_1", renewed: int = 0, duration: float = 15.0) -> LeaseRecord:
    return LeaseRecord(holder, duration, 0, {"spec": {"holderIdentity": holder, "renewTime": renewed}})


class Cluster:
    """Jobs and a Lease in memory: `Jobs` and `Remains`, as far as they are asked."""

    def __init__(self, *jobs: JobView, lease: LeaseRecord | None = None) -> None:
        self.there = {one.uid: one for one in jobs}
        self.leases: list[LeaseRecord | None] = [lease]
        self.deleted: list[JobUid] = []
        self.released: list[JobUid] = []
        self.before_delete: Callable[[], None] = lambda: None
        self.fails: dict[JobUid, Exception] = {}

    # -- Remains
    async def jobs(self) -> Sequence[JobView]:
        return list(self.there.values())

    async def schedules(self) -> Mapping[str, int]:
        return {"shop": 2}

    async def lease(self) -> LeaseRecord | None:
        return self.leases.pop(0) if len(self.leases) > 1 else self.leases[0]

    async def remove_lease(self, seen: LeaseRecord) -> None:
        assert seen == self.leases[0]
        self.leases = [None]

    # -- Jobs
    async def read(self, namespace: str, name: str) -> JobView | None:
        return next((one for one in self.there.values() if (one.namespace, one.name) == (namespace, name)), None)

    async def delete(self, seen: JobView, *, only_if_unchanged: bool) -> JobView | None:
        assert only_if_unchanged
        self.before_delete()
        standing = self.there[seen.uid]
        if standing.resource_version != seen.resource_version:
            raise Conflict("changed")
        self.deleted.append(seen.uid)
        self.there[seen.uid] = replace(standing, deleting=True)
        return self.there[seen.uid]

    async def release(self, namespace: str, name: str, uid: JobUid) -> bool:
        if failure := self.fails.get(uid):
            raise failure
        self.released.append(uid)
        standing = self.there[uid]
        if standing.deleting:
            del self.there[uid]
        else:
            self.there[uid] = replace(standing, held=False)
        return True


def uninstaller(cluster: Cluster, slept: list[float] | None = None) -> Uninstaller:
    async def sleep(seconds: float) -> None:
        if slept is not None:
            slept.append(seconds)
        await asyncio.sleep(0)

    return Uninstaller(cast("Jobs", cluster), cast("Any", cluster), sleep)


STARTED = {"suspended": False, "started_at": NOON}


Fate = tuple[list[JobUid], set[JobUid], set[JobUid]]
"""What was asked to be deleted; what counts as un-staged, and what as released."""
DELETED: Fate = ([UID], {UID}, set())
LET_GO: Fate = ([], set(), {UID})
GONE: Fate = ([], {UID}, set())
UNTOUCHED: Fate = ([], set(), set())


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        pytest.param({}, DELETED, id="a staged Job is deleted"),
        pytest.param({"held": False}, DELETED, id="a staged Job whose finalizer somebody took off, too"),
        pytest.param({"deleting": True}, GONE, id="a staged Job that waits to go, goes"),
        pytest.param(STARTED, LET_GO, id="a running Job goes on"),
        pytest.param({"suspended": False}, LET_GO, id="a Job that was just let go goes on"),
        pytest.param({"generation": 3}, LET_GO, id="a Job that its user has suspended in the middle stays"),
        pytest.param({**STARTED, "deleting": True}, LET_GO, id="a running Job that waits to go, goes"),
        pytest.param({"key": None}, LET_GO, id="a Job that cannot be read as ours is not deleted"),
        pytest.param({**STARTED, "held": False}, UNTOUCHED, id="a Job that holds nothing up is not touched"),
    ],
)
async def test_what_is_let_go_in_which_way(changes: Mapping[str, Any], fate: Fate) -> None:
    cluster = Cluster(job(**changes))
    done = await uninstaller(cluster).remove()
    assert (cluster.deleted, done.unstaged, done.released) == fate
    assert not done.failed
    assert (await uninstaller(cluster).look()).clean


async def test_a_job_that_is_let_go_in_the_same_moment_is_not_deleted() -> None:
    cluster = Cluster(job())

    def launched() -> None:
        cluster.there[UID] = replace(cluster.there[UID], resource_version="6", suspended=False)

    cluster.before_delete = launched
    done = await uninstaller(cluster).remove()
    assert (cluster.deleted, cluster.released) == ([], [UID])
    assert (done.unstaged, done.released) == (set(), {UID})


async def test_one_that_cannot_be_let_go_is_told_and_keeps_the_lease() -> None:
    cluster = Cluster(job(**STARTED), job(uid=OTHER, name="other", **STARTED), lease=lease())
    cluster.fails[OTHER] = Transient("away")
    done = await uninstaller(cluster).remove()
    assert cluster.released == [UID]
    assert done.failed == {"shop/other": "away"}
    assert cluster.leases == [lease()]


async def test_what_comes_meanwhile_is_taken_away_too() -> None:
    cluster = Cluster(job(), lease=lease())
    late = job(uid=OTHER, name="late")

    def staged() -> None:
        cluster.before_delete = lambda: None
        cluster.there[OTHER] = late

    cluster.before_delete = staged
    done = await uninstaller(cluster).remove()
    assert done.unstaged == {UID, OTHER}
    assert cluster.leases == [None]


@pytest.mark.parametrize(
    ("leases", "renewing", "looks"),
    [
        pytest.param([None], False, 0, id="there is no Lease"),
        pytest.param([lease("")], False, 0, id="it was given back"),
        pytest.param([lease(renewed=1), lease(renewed=1), lease(renewed=2)], True, 2, id="it is renewed"),
        pytest.param([lease(renewed=1), lease("pod_2", 2)], True, 1, id="another takes it"),
        pytest.param([lease(renewed=1), lease("")], False, 1, id="it is given back just now"),
        pytest.param([lease(renewed=1), None], False, 1, id="it is deleted just now"),
        pytest.param([lease(renewed=1)], False, 15, id="nobody renews it for its whole duration"),
        pytest.param([lease(renewed=1, duration=0.0)], False, 1, id="a Lease of no duration is looked at once more"),
    ],
)
async def test_a_replica_leads_if_the_lease_changes(
    leases: list[LeaseRecord | None], *, renewing: bool, looks: int
) -> None:
    cluster, slept = Cluster(), list[float]()
    cluster.leases = list(leases)
    first = await cluster.lease()
    assert await uninstaller(cluster, slept).renewing(first) is renewing
    assert slept == [LOOK_SECONDS] * looks
