"""`ticklock uninstall` on a real installation: what it refuses, what it lets go, and that namespaces can go then."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.place import RARELY
from tests.support.waiting import eventually
from tools.devcluster.manifests import HOME
from tools.devcluster.replica import PROGRAM

if TYPE_CHECKING:
    from tests.support.place import Place, Planted
    from tests.support.stack import Stack

FINALIZER = "ticklock.dev/outcome"


def uninstall(stack: Stack, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the command as an administrator; exit code, what it says, and its complaints."""
    done = subprocess.run(
        [PROGRAM, "uninstall", "-o", "json", *arguments],
        env={"PATH": os.environ["PATH"], "TICKLOCK_KUBECONFIG": str(stack.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def jobs_of(told: dict[str, Any], place: Place) -> dict[str, int]:
    found = [one["jobs"] for one in told["namespaces"] if one["namespace"] == place.namespace]
    return dict(found[0]) if found else {}


def standing(place: Place) -> dict[str, dict[str, Any]]:
    """The Jobs of the namespace by the name of their schedule."""
    return {job["metadata"]["labels"]["ticklock.dev/schedule"]: job for job in place.jobs()}


def held(place: Place) -> list[str]:
    return [name for name, job in standing(place).items() if FINALIZER in job["metadata"].get("finalizers", ())]


def active(planted: Planted) -> bool:
    return bool(standing(planted.place).get(planted.name, {}).get("status", {}).get("active"))


def gone_wrong(stack: Stack, place: Place) -> dict[str, Planted]:
    """Leave one Job of each kind behind, and replicas that are all dead."""
    hang = {"simulate": "hang"}
    found = {
        "running": place.plant("running", RARELY, simulate=hang),
        "paused": place.plant("paused", RARELY, simulate=hang),
        "finished": place.plant("finished", RARELY, simulate={"simulate-seconds": "6"}),
    }
    for name in ("running", "paused", "finished"):
        found[name].trigger("once")
    for name in ("running", "paused", "finished"):
        eventually(lambda name=name: active(found[name]), what=f"{name} has a pod")  # type: ignore[misc]  # bound now
    found["staged"] = place.plant("staged", "@every 5s")
    waiting = found["staged"].wait_seen()
    for replica in stack.replicas:
        replica.kill9()
    assert waiting.let_go_at is None, "it was launched before its replicas were dead"
    path = f"{place.jobs_path}/{standing(place)['paused']['metadata']['name']}"
    stack.cluster.api.merge_patch(path, {"spec": {"suspend": True}})
    eventually(lambda: not active(found["paused"]), what="its user has paused it")
    eventually(lambda: standing(place)["finished"]["status"].get("completionTime") is not None, what="one has finished")
    return found


@pytest.mark.timeout(180)
def test_an_installation_is_removed(own_stack: Stack, own_place: Place) -> None:
    leader = own_stack.leader()
    code, told, complaint = uninstall(own_stack)
    assert code == 1
    assert f"{leader.pod}_" in complaint
    assert "--force" in complaint
    assert told["lease"]["holder"].startswith(leader.pod)

    gone_wrong(own_stack, own_place)
    code, told, _ = uninstall(own_stack, "--check")
    assert code == 3
    assert jobs_of(told, own_place) == {"running": 2, "staged": 1, "finished": 1}
    assert {one["namespace"]: one["scheduledJobs"] for one in told["namespaces"]}[own_place.namespace] == 4
    assert sorted(held(own_place)) == ["finished", "paused", "running", "staged"]

    code, told, complaint = uninstall(own_stack)
    assert (code, complaint) == (0, "")
    assert told["done"]["unstaged"] == 1
    assert told["done"]["released"] >= 3
    assert told["clean"]
    assert own_stack.installation.lease() is None
    assert sorted(standing(own_place)) == ["finished", "paused", "running"]
    assert held(own_place) == []
    assert active_names(own_place) == ["running"]
    assert uninstall(own_stack, "--check")[0] == 0

    own_place.remove()
    eventually(lambda: not own_place.exists(), what="the namespace goes with all that is in it", seconds=30)


def active_names(place: Place) -> list[str]:
    return [name for name, job in standing(place).items() if job.get("status", {}).get("active")]


@pytest.mark.timeout(180)
def test_beside_a_replica_that_leads_it_is_forced_and_harms_no_run(own_stack: Stack, own_place: Place) -> None:
    planted = own_place.plant("running", RARELY, simulate={"simulate": "hang"})
    planted.trigger("once")
    eventually(lambda: active(planted), what="it has a pod")
    code, told, complaint = uninstall(own_stack, "--force")
    assert "leads all the same" in complaint
    assert code in {0, 1}, complaint  # a replica may have taken the Lease again before the last look
    assert told["done"]["released"] >= 1
    assert held(own_place) == []
    assert active(planted)
    own_stack.leader()
    assert [job.uid for job in planted.launched()] == [planted.runs()[0]["job_uid"]]


def test_without_an_installation_nothing_is_left(own_stack: Stack) -> None:
    """Another name for the Lease: of that installation there is none."""
    code, told, _ = uninstall(own_stack, "--check", "--lease-name", "nobody", "--lease-namespace", HOME)
    assert told["lease"] is None
    assert code == (0 if told["clean"] else 3)
