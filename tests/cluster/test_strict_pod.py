"""launchPolicy StrictPod: of all pods that Kubernetes makes for an attempt, at most one starts.

Whether a pod started is recorded by the simulated nodes; nobody else gives it a start time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

import pytest
import yaml

from tests.support.crd import EXAMPLES
from tests.support.place import RARELY, manifest
from tests.support.proxy import Fault, FaultProxy, Harm
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.installation import Shape
from tools.devcluster.manifests import ACCOUNT, HOME, install_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.place import Place, Planted
    from tests.support.sights import SeenJob, SeenPod

STRICT = {"launchPolicy": "StrictPod"}
EXAMPLE = EXAMPLES / "07-strict-pod.yaml"
GATE = "example.com/quota"
ONE_POD = r"^/api/v1/namespaces/[^/]+/pods/"
ADMISSION = "schedulingGates"
FOR_GOOD = 10**6

_CHOSEN: LiteralString = """
SELECT p.pod_uid FROM pods p JOIN runs r ON r.id = p.run_id
WHERE r.schedule_uid = %(uid)s AND p.role IN ('chosen', 'withdrawn') ORDER BY p.noted_at
"""


def strict(name: str, schedule: str = RARELY, *, pod: dict[str, Any] | None = None, **simulate: str) -> dict[str, Any]:
    notes = {key.replace("_", "-"): value for key, value in simulate.items()}
    body = manifest(name, schedule, simulate=notes, **STRICT)
    del body["spec"]["jobTemplate"]["spec"]["backoffLimit"]
    body["spec"]["jobTemplate"]["spec"]["template"]["spec"].update(pod or {})
    if schedule == RARELY:
        body["metadata"]["annotations"] = {"ticklock.dev/trigger": "now"}
    return body


def started(place: Place, job: SeenJob) -> list[SeenPod]:
    return [pod for pod in place.stack.sights.pods(job.uid) if pod.started_at is not None]


def waiting(place: Place) -> list[dict[str, Any]]:
    """The pods that stand behind a gate."""
    return [pod for pod in place.pods() if pod["spec"].get("schedulingGates")]


def wait_over(planted: Planted, state: str, seconds: float = 60) -> dict[str, Any]:
    return planted.wait_run(lambda row: row["state"] == state, what=f"the run is {state}", seconds=seconds)


# -------------------------------------------------------------------------------------------------------- as it is used


@pytest.mark.field("launchPolicy", check="semantics")
@pytest.mark.field("launchPolicy", check="status")
def test_the_example_runs_and_its_status_names_the_pod(stack: Stack, place: Place) -> None:
    body = yaml.safe_load(EXAMPLE.read_text())
    assert body["spec"]["launchPolicy"] == "StrictPod"
    body["spec"]["schedule"] = "@every 4s"
    planted = place.plant_manifest(body)
    row = wait_over(planted, "Completed")
    (pod,) = started(place, planted.launched()[0])
    assert {"PodChosen", "PodAdmitted"} <= set(stack.rows.trail(row["id"]))
    names = {one.name for job in planted.launched() for one in started(place, job)}
    planted.wait_status(lambda now: now.get("lastRun", {}).get("podName") in names, what="the status names the pod")
    assert pod.name in names
    planted.edit(suspend=True)


@pytest.mark.field("launchPolicy", check="semantics")
def test_every_tick_starts_one_pod(place: Place) -> None:
    schedules = [place.plant_manifest(strict(f"each-{number}", "@every 3s")) for number in range(5)]
    schedules[-1].wait_launched(3)
    for planted in schedules:
        planted.edit(suspend=True)
    jobs = [job for planted in schedules for job in planted.launched()]
    eventually(lambda: all(job.ended_at for job in jobs), what="every run is over")
    assert [len(started(place, job)) for job in jobs] == [1] * len(jobs)
    assert len(jobs) >= 12


def test_a_template_with_a_gate_of_its_own_waits_for_both(stack: Stack, place: Place) -> None:
    planted = place.plant_manifest(strict("both", pod={"schedulingGates": [{"name": GATE}]}))
    job = planted.wait_launched()

    def only_theirs() -> bool:
        return [pod["spec"]["schedulingGates"] for pod in waiting(place)] == [[{"name": GATE}]]

    eventually(only_theirs, what="our gate is off, and theirs is on")
    assert not started(place, job)
    (pod,) = waiting(place)
    path = f"/api/v1/namespaces/{place.namespace}/pods/{pod['metadata']['name']}"
    stack.cluster.api.merge_patch(path, {"spec": {"schedulingGates": []}})
    wait_over(planted, "Completed")
    assert len(started(place, job)) == 1


def test_a_failed_pod_is_not_followed_by_another(place: Place) -> None:
    planted = place.plant_manifest(strict("once", simulate="fail"))
    wait_over(planted, "Failed")
    assert len(place.stack.sights.pods(planted.launched()[0].uid)) == 1


def test_a_job_resumed_by_its_user_gets_a_second_pod_which_does_not_start(stack: Stack, place: Place) -> None:
    planted = place.plant_manifest(strict("resumed", simulate="hang"))
    job = planted.wait_launched()
    eventually(lambda: started(place, job), what="its pod has started")
    for suspend in (True, False):
        stack.cluster.api.merge_patch(f"{place.jobs_path}/{job.name}", {"spec": {"suspend": suspend}})
        if suspend:
            eventually(lambda: not place.pods(), what="its pod is gone")
    row = wait_over(planted, "Failed", seconds=90)
    assert len(stack.sights.pods(job.uid)) > 1, "Kubernetes made a second one"
    assert len(started(place, job)) == 1
    eventually(lambda: "PodHeld" in {event["reason"] for event in planted.events()}, what="an Event tells of it")
    assert "PodHeld" in stack.rows.trail(row["id"])


# --------------------------------------------------------------------------------------------------- what breaks things


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[Stack, FaultProxy]]:
    """One replica that reaches its API server only through the proxy."""
    with ControlPlane(Options(fsync=False)) as cluster:
        install_rights(cluster)
        with FaultProxy(cluster.service_account_credentials(HOME, ACCOUNT)) as proxy:
            settings = {"kubeconfig": proxy.kubeconfig(cluster.folder), "claim_seconds": 3}
            with Stack(Shape(replicas=1, fsync=False, settings=settings), cluster=cluster) as stack:
                yield stack, proxy


@pytest.fixture
def proxy(proxied: tuple[Stack, FaultProxy]) -> Iterator[FaultProxy]:
    yield proxied[1]
    proxied[1].heal()


@pytest.fixture
def through(proxied: tuple[Stack, FaultProxy], proxy: FaultProxy) -> Iterator[Place]:
    """A namespace in the cluster behind the proxy."""
    proxied[0].heal()
    place = proxied[0].place()
    yield place
    proxy.heal()
    place.remove()


def chosen(place: Place, planted: Planted) -> list[str]:
    """The pods that were ever the chosen one, the present one last."""
    return [row["pod_uid"] for row in place.stack.rows.all(_CHOSEN, uid=planted.uid)]


def test_a_replica_killed_between_decision_and_gate_is_followed_by_another(proxy: FaultProxy, through: Place) -> None:
    held = proxy.harm(Fault("PATCH", ONE_POD, Harm.ANSWER, body=ADMISSION, times=FOR_GOOD))
    planted = through.plant_manifest(strict("orphaned"))
    job = planted.wait_launched()
    eventually(lambda: held.hits and chosen(through, planted), what="a pod is chosen and cannot be let go")
    (victim,) = through.stack.replicas
    victim.kill9()
    assert waiting(through)
    assert not started(through, job)
    proxy.heal()
    victim.start()
    victim.wait_ready()
    wait_over(planted, "Completed")
    assert [len(chosen(through, planted)), len(started(through, job))] == [1, 1]


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(Fault("PATCH", ONE_POD, Harm.ANSWER, body=ADMISSION, times=3), id="three times it times out"),
        pytest.param(Fault("PATCH", ONE_POD, Harm.ANSWER, body=ADMISSION, status=403), id="it is forbidden for now"),
        pytest.param(Fault("PATCH", ONE_POD, Harm.LOSE, body=ADMISSION), id="its answer is lost"),
        pytest.param(Fault("PATCH", ONE_POD, Harm.DELAY, body=ADMISSION), id="it is delivered late"),
        pytest.param(Fault("PATCH", "/jobs/", Harm.LOSE, body="ticklock.dev~1pod"), id="the witness's answer is lost"),
        pytest.param(Fault("PATCH", "/jobs/", Harm.DELAY, body="ticklock.dev~1pod"), id="the witness comes late"),
    ],
)
def test_one_pod_starts_although_the_request_that_lets_it_go_is_harmed(
    proxy: FaultProxy, through: Place, harm: Fault
) -> None:
    proxy.harm(harm)
    planted = through.plant_manifest(strict("harmed"))
    wait_over(planted, "Completed")
    assert harm.hits == harm.times, "the harm was not done"
    harm.deliver.set()
    if harm.harm is not Harm.ANSWER:
        eventually(lambda: len(harm.answers) == harm.times, what="the request reached the API server")
    assert len(started(through, planted.launched()[0])) == 1


def test_a_pod_deleted_before_it_was_let_go_never_starts_however_late_the_request_comes(
    proxy: FaultProxy, through: Place
) -> None:
    late = proxy.harm(Fault("PATCH", ONE_POD, Harm.DELAY, body=ADMISSION, times=FOR_GOOD))
    planted = through.plant_manifest(strict("deleted"))
    job = planted.wait_launched()
    eventually(lambda: late.hits, what="the request to let it go is on its way")
    (pod,) = waiting(through)
    through.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    late.deliver.set()
    eventually(lambda: late.answers, what="the request arrives")
    proxy.heal()
    wait_over(planted, "Failed", seconds=90)
    assert not started(through, job)
    assert len(through.stack.sights.pods(job.uid)) == 1


def test_a_pod_that_vanished_before_it_was_let_go_is_followed_by_one_that_starts(
    proxy: FaultProxy, through: Place
) -> None:
    late = proxy.harm(Fault("PATCH", ONE_POD, Harm.DELAY, body=ADMISSION, times=1))
    planted = through.plant_manifest(strict("vanished"))
    job = planted.wait_launched()
    eventually(lambda: late.hits, what="the request to let it go is on its way")
    proxy.harm(Fault("PATCH", ONE_POD, Harm.ANSWER, body=ADMISSION, times=FOR_GOOD))
    (pod,) = waiting(through)
    path = f"/api/v1/namespaces/{through.namespace}/pods/{pod['metadata']['name']}"
    through.stack.cluster.api.merge_patch(path, {"metadata": {"finalizers": None}})
    through.stack.cluster.api.delete(path)
    eventually(lambda: len(through.stack.sights.pods(job.uid)) == 2, what="Kubernetes makes another")
    late.deliver.set()
    eventually(lambda: late.answers, what="the late request arrives")
    proxy.heal()
    wait_over(planted, "Completed")
    assert len(chosen(through, planted)) == 2
    (only,) = started(through, job)
    assert only.name != pod["metadata"]["name"]


@pytest.fixture
def rival(own_stack: Stack) -> Iterator[None]:
    """A second job controller that waits for no Lease either, as after a partition."""
    with own_stack.cluster.rival():
        yield


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("rival")
def test_with_two_controller_managers_no_attempt_has_two_started_pods(own_stack: Stack, own_place: Place) -> None:
    plain = [own_place.plant(f"plain-{number}", "@every 3s", simulate={"simulate-seconds": "1"}) for number in range(3)]
    once = [
        own_place.plant_manifest(strict(f"strict-{number}", "@every 3s", simulate_seconds="1")) for number in range(3)
    ]

    def most(schedules: list[Planted]) -> int:
        jobs = [job for planted in schedules for job in planted.launched()]
        return max((len(started(own_place, job)) for job in jobs), default=0)

    def doubled() -> bool:
        jobs = [job for planted in once for job in planted.launched()]
        return any(len(own_stack.sights.pods(job.uid)) > 1 for job in jobs)

    eventually(lambda: most(plain) > 1, what="without it two pods of one Job start", seconds=120)
    eventually(doubled, what="two pods of one StrictPod Job are made", seconds=120)
    eventually(lambda: all(len(planted.launched()) >= 8 for planted in once), what="eight ticks", seconds=60)
    for planted in (*plain, *once):
        planted.edit(suspend=True)
    eventually(
        lambda: all(job.ended_at for planted in once for job in planted.launched()),
        what="every StrictPod run is over",
        seconds=90,
    )
    assert most(once) == 1
    rows = [row for planted in once for row in planted.runs() if row["attempt"] != "Skipped"]
    completed = [row for row in rows if row["state"] == "Completed"]
    assert len(completed) > len(rows) / 2, [(row["state"], row["message"]) for row in rows]
