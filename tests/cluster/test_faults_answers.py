"""Answers of the API server that are refused, lost or late: each attempt still starts one Job.

Between the replica and a real API server stands a proxy that harms single requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.place import RARELY
from tests.support.proxy import Fault, FaultProxy, Harm
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.installation import Shape
from tools.devcluster.manifests import ACCOUNT, HOME, install_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.place import Place

JOBS = r"^/apis/batch/v1/namespaces/[^/]+/jobs(\?|$)"
ONE_JOB = r"^/apis/batch/v1/namespaces/[^/]+/jobs/"
LAUNCH = r'"/spec/suspend"|"suspend":\s*false'
FOR_GOOD = 10**6


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[Stack, FaultProxy]]:
    """One replica that reaches its API server only through the proxy."""
    with ControlPlane(Options(fsync=False)) as cluster:
        install_rights(cluster)
        with FaultProxy(cluster.service_account_credentials(HOME, ACCOUNT)) as proxy:
            settings = {"kubeconfig": proxy.kubeconfig(cluster.folder)}
            with Stack(Shape(replicas=1, fsync=False, settings=settings), cluster=cluster) as stack:
                yield stack, proxy


@pytest.fixture
def proxy(proxied: tuple[Stack, FaultProxy]) -> Iterator[FaultProxy]:
    yield proxied[1]
    proxied[1].heal()


@pytest.fixture
def place(proxied: tuple[Stack, FaultProxy], proxy: FaultProxy) -> Iterator[Place]:
    proxy.heal()
    proxied[0].heal()
    place = proxied[0].place()
    yield place
    proxy.heal()
    place.remove()


def create(harm: Harm, **options: object) -> Fault:
    return Fault("POST", JOBS, harm, **options)  # type: ignore[arg-type]


def launch(harm: Harm, **options: object) -> Fault:
    return Fault("PATCH", ONE_JOB, harm, body=LAUNCH, **options)  # type: ignore[arg-type]


REFUSED = [
    pytest.param(create(Harm.ANSWER, status=429, headers={"Retry-After": "1"}), 1, id="a create is throttled"),
    pytest.param(create(Harm.ANSWER, status=403, times=2), 0, id="two creates are forbidden"),
    pytest.param(create(Harm.ANSWER, status=504, times=2), 0, id="two creates time out"),
    pytest.param(create(Harm.LOSE), 0, id="the answer to a create is lost"),
    pytest.param(launch(Harm.ANSWER, status=429, headers={"Retry-After": "1"}), 1, id="a launch is throttled"),
    pytest.param(launch(Harm.ANSWER, status=504, times=3), 0, id="three launches time out"),
    pytest.param(launch(Harm.ANSWER, status=409), 0, id="a launch conflicts"),
    pytest.param(launch(Harm.ANSWER, status=404), 0, id="a launch hears that there is no such Job, which is not so"),
    pytest.param(launch(Harm.LOSE), 0, id="the answer to a launch is lost"),
    pytest.param(launch(Harm.DELAY), 0, id="a launch is delivered late"),
]


@pytest.mark.parametrize(("fault", "least"), REFUSED)
def test_a_run_starts_once_although(proxy: FaultProxy, place: Place, fault: Fault, least: float) -> None:
    planted = place.plant("harmed", RARELY)
    planted.wait_status(lambda now: bool(now.get("conditions")), what="it is known")
    proxy.harm(fault)
    planted.trigger("once")
    row = planted.wait_run(lambda row: row["state"] == "Completed", what="it completes")
    assert fault.hits == fault.times, "the harm was not done"
    assert least <= (row["launched_at"] - row["scheduled_time"]).total_seconds() < 5
    fault.deliver.set()
    if fault.harm is not Harm.ANSWER:
        eventually(lambda: len(fault.answers) == fault.times, what="the request reached the API server")
    planted.trigger("again")
    planted.wait_launched(2)
    assert [job.run_key for job in planted.launched()] == ["trigger:once", "trigger:again"]
    assert planted.launched()[0].uid == row["job_uid"]


def test_a_create_delivered_after_all_is_over_starts_nothing(proxy: FaultProxy, place: Place) -> None:
    fault = proxy.harm(create(Harm.DELAY))
    planted = place.plant("belated", RARELY, successfulJobsHistoryLimit=0)
    planted.trigger("once")
    first = planted.wait_launched()
    eventually(lambda: first.gone_at is not None, what="its Job has run and is gone")
    fault.deliver.set()
    late = planted.wait_seen(2)
    assert fault.answers == [201]
    assert late.name == first.name
    eventually(lambda: late.gone_at is not None, what="the Job that came too late is taken away")
    assert late.let_go_at is None
    assert [row["job_uid"] for row in planted.runs()] == [first.uid]


def test_a_bound_job_that_somebody_deletes_before_its_launch_never_starts(proxy: FaultProxy, place: Place) -> None:
    proxy.harm(launch(Harm.ANSWER, times=FOR_GOOD))
    planted = place.plant("doomed", RARELY)
    planted.trigger("once")
    row = planted.wait_run(lambda row: row["attempt"] == "bound", what="the run is bound")
    place.kubectl("delete", "job", row["job_name"], "--wait=false")
    eventually(lambda: "deletionTimestamp" in planted.seen()[0].last["metadata"], what="its Job is on its way out")
    proxy.heal()
    row = planted.wait_run(lambda row: row["state"] == "Stopped", what="the run is over")
    assert row["reason"] == "JobDeleted"
    assert not planted.launched()
    assert not place.pods()
    eventually(lambda: planted.seen()[0].gone_at is not None, what="the finalizer is released")


def test_a_bound_job_that_vanishes_before_its_launch_is_never_made_again(proxy: FaultProxy, place: Place) -> None:
    proxy.harm(launch(Harm.ANSWER, times=FOR_GOOD))
    planted = place.plant("lost", RARELY)
    planted.trigger("once")
    row = planted.wait_run(lambda row: row["attempt"] == "bound", what="the run is bound")
    place.stack.cluster.api.merge_patch(f"{place.jobs_path}/{row['job_name']}", {"metadata": {"finalizers": None}})
    place.kubectl("delete", "job", row["job_name"], "--wait=false")
    eventually(lambda: planted.seen()[0].gone_at is not None, what="the Job has vanished")
    proxy.heal()
    row = planted.wait_run(lambda row: row["state"] != "Pending", what="the run is over")
    assert (row["state"], row["reason"]) == ("Unknown", "JobVanished")
    assert len(planted.seen()) == 1


def test_a_run_bound_by_a_replica_that_died_is_launched_by_another(proxy: FaultProxy, place: Place) -> None:
    proxy.harm(launch(Harm.ANSWER, times=FOR_GOOD))
    planted = place.plant("orphan", RARELY)
    planted.trigger("once")
    row = planted.wait_run(lambda row: row["attempt"] == "bound", what="the run is bound")
    (replica,) = place.stack.replicas
    replica.kill9()
    proxy.heal()
    replica.start()
    replica.wait_ready()
    job = planted.wait_launched()
    assert (job.let_go_at or 0) - row["bound_at"].timestamp() < 12
    assert job.uid == row["job_uid"]
    taken = [fact["run"] for fact in place.stack.facts("stranded run taken over")]
    assert str(row["id"]) in taken
    eventually(
        lambda: replica.metrics().value("ticklock_launches_total", stranded="true") == 1, what="it is counted as such"
    )
