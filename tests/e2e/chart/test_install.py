"""The chart is installed by one command, its own test passes, and what is printed afterwards works as printed."""

from __future__ import annotations

import os
import re
import subprocess
from itertools import groupby
from typing import TYPE_CHECKING

from tests.e2e.chart.figures import INSTALL
from tests.support.pods import is_ready
from tests.support.waiting import eventually
from tools.devcluster.binaries import resolve
from tools.devcluster.manifests import collection

if TYPE_CHECKING:
    from tests.e2e.chart.figures import Figures
    from tests.e2e.chart.release import Release
    from tests.support.sights import Sights

HELLO = f"{collection('default')}/hello"


def printed_commands(notes: str) -> list[str]:
    """The commands of NOTES: each block of indented lines, and what stands in backticks."""
    lines = notes.splitlines()
    blocks = [
        "\n".join(line.removeprefix("   ") for line in block)
        for indented, block in groupby(lines, lambda line: line.startswith("   "))
        if indented
    ]
    return [*blocks, *re.findall(r"`((?:helm|kubectl) [^`]*)`", notes)]


def run(release: Release, command: str) -> str:
    """Run a command in a shell, as somebody who has copied it would."""
    programs = {resolve([name])[name].parent for name in ("helm", "kubectl")}
    path = ":".join([*map(str, programs), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "KUBECONFIG": str(release.cluster.control_plane.kubeconfig)}
    done = subprocess.run(["/bin/bash", "-ec", command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{what_failed(release)}"
    return done.stdout


def what_failed(release: Release) -> str:
    """What the pod of Helm's test has said, if it is there: Helm does not tell."""
    return release.kubectl("logs", "--selector=app.kubernetes.io/component=test", "--ignore-errors")


def test_what_is_printed_works_as_printed(release: Release, sights: Sights, figures: Figures) -> None:
    """Make a schedule, ask for a run, see what became of it, and let Helm test all of it."""
    make, ask, see, test = printed_commands(release.helm("get", "notes", release.name))
    assert "scheduledjob.ticklock.dev/hello created" in run(release, make)
    assert "hello annotated" in run(release, ask)
    uid = release.cluster.control_plane.api.get(HELLO)["metadata"]["uid"]
    launched = eventually(lambda: sights.launched(uid), what="it was let go", seconds=60)
    first = next(iter(launched.values()))[0]
    assert first.let_go_at is not None
    what = "from `helm install` to the first launched run, by the commands of its notes"
    figures.put(what, first.let_go_at - figures.begin_of(INSTALL))

    eventually(lambda: "Completed" in run(release, see), what="it has completed", seconds=60, interval=0.5)
    assert re.search(r"hello +\*/5 \* \* \* \* .* Completed ", run(release, see))
    assert re.search(r"job.batch/hello-\S+ +Complete +1/1 ", run(release, see))
    assert re.search(r"ticklock-test\n.*\n.*\nPhase: +Succeeded", run(release, test))
    release.cluster.control_plane.api.delete(HELLO)


def test_a_test_that_has_passed_leaves_nothing(release: Release) -> None:
    found = release.kubectl("get", "pods,jobs,sjob,configmaps,roles,serviceaccounts", "--output=name")
    assert "ticklock-test" not in found


def test_replicas_are_on_different_nodes_one_leads_and_none_was_restarted(release: Release) -> None:
    release.wait_settled()
    assert set(release.homes().values()) == {"node1", "node2"}
    everybody = release.pods("app.kubernetes.io/instance=ticklock")
    assert len(everybody) == 3
    assert all(map(is_ready, everybody))
    containers = [one for pod in everybody for one in pod["status"]["containerStatuses"]]
    assert {one["restartCount"] for one in containers} == {0}


def test_its_pods_are_restricted(release: Release) -> None:
    """From here on the namespace admits no others: not in an upgrade either, nor as a hook."""
    modes = " ".join(f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn"))
    told = run(release, f"kubectl label namespace {release.namespace} {modes} 2>&1")
    assert told == f"namespace/{release.namespace} labeled\n", "no pod that is there violates it"


def test_the_data_are_on_a_volume(release: Release) -> None:
    claims = release.cluster.control_plane.api.get(f"/api/v1/namespaces/{release.namespace}/persistentvolumeclaims")[
        "items"
    ]
    assert [(one["status"]["phase"], one["spec"]["storageClassName"]) for one in claims] == [("Bound", "static")]
    assert release.rows.all("SHOW data_directory") == [{"data_directory": "/var/lib/postgresql/data/pgdata"}]
