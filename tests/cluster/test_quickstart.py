"""The quickstart, typed as it stands, on a real control plane: what the page shows is what is printed.

The nodes are simulated, so two replicas run beside it as processes, with the rights that the chart has given.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.chart import HOME, RELEASE, ROOT, Chart
from tests.unit.docs.pages import Command, commands
from tools.devcluster.binaries import resolve
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs" / "quickstart.md"
NOT_HERE = {
    "make kind-up": "it needs docker; tools/kind.sh is tested with stand-ins",
    "kubectl logs": "a simulated node keeps no logs; tests/e2e reads those of real ones",
}
INSTALL = "helm install"

_STORAGE = f"""
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: static
  annotations: {{storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: ledger}}
spec:
  capacity: {{storage: 8Gi}}
  accessModes: [ReadWriteOnce]
  storageClassName: static
  hostPath: {{path: /nowhere/{HOME}}}
"""
"""A cluster of a user gives volumes; this one has one, which no container will ever write."""


@pytest.fixture
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane(Options(fsync=False)) as running:
        running.kubectl("apply", "-f", "-", stdin=_STORAGE)
        yield running


def shape(text: str) -> list[list[str]]:
    """The words of each line; what holds a digit is one as good as another, for it is a time, a number or an id."""
    return [[re.sub(r"\S*\d\S*", "#", word) for word in line.split()] for line in text.strip().splitlines()]


def typed(command: Command, cluster: ControlPlane, folder: Path) -> None:
    """Type it, and hold what is printed against the page. A page that shows nothing lets anything be printed."""
    script = folder / "command.sh"
    script.write_text(command.line + "\n")
    programs = {resolve([one])[one].parent for one in ("kubectl", "helm")}
    path = ":".join([*map(str, programs), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run(
        ["/bin/bash", "-e", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    told = done.stdout + done.stderr
    refused = " is invalid: " in command.output
    assert (done.returncode != 0) == refused, f"{command.line}\n{told}"
    if command.output.strip():
        assert shape(told) == shape(command.output), f"{command.line}\n{told}"


@pytest.mark.timeout(300)
def test_every_command_prints_what_the_page_shows(
    cluster: ControlPlane, chart: Chart, database: str, tmp_path: Path
) -> None:
    listed = list(commands(PAGE))
    skipped = {key for key in NOT_HERE for command in listed if command.line.startswith(key)}
    assert skipped == set(NOT_HERE), "what is left out here stands in the page"
    with ExitStack() as replicas:
        for command in listed:
            if command.line.startswith(tuple(NOT_HERE)):
                continue
            typed(command, cluster, tmp_path)
            if command.line.startswith(INSTALL):
                start(replicas, chart, cluster, database, tmp_path)


def start(  # noqa: PLR0917 - what a replica is made of
    running: ExitStack, chart: Chart, cluster: ControlPlane, database: str, folder: Path
) -> None:
    """Start what the pods of the Deployment would be."""
    found = chart.render()
    env = {key: str(value) for key, value in found.env().items() if "LEASE" in key}
    kubeconfig = cluster.service_account_kubeconfig(HOME, RELEASE)
    for number in range(found.one("Deployment")["spec"]["replicas"]):
        settings = {"database_url": database, "kubeconfig": kubeconfig}
        replica = Replica(f"{RELEASE}-{number}", settings, folder, env=env)
        running.callback(replica.close)
        replica.start()
        replica.wait_ready()


def test_the_manifest_of_the_page_is_that_of_a_cronjob_but_for_its_kind() -> None:
    (applied,) = [command.line for command in commands(PAGE) if "apply" in command.line]
    manifest = yaml.safe_load(applied.partition("\n")[2].removesuffix("EOF"))
    assert (manifest["apiVersion"], manifest["kind"]) == ("ticklock.dev/v1", "ScheduledJob")
    ours = {"schedule", "timeZone", "concurrencyPolicy", "jobTemplate"}
    assert set(manifest["spec"]) == ours, "a field that a CronJob does not have would belie the page"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("hello 12s Completed", "hello   7s   Completed", True, id="another age"),
        pytest.param("hello 12s Completed", "hello 12s Failed", False, id="another state"),
        pytest.param("hello created", "hello created\nand more", False, id="another line"),
    ],
)
def test_what_is_compared(one: str, other: str, *, same: bool) -> None:
    assert (shape(one) == shape(other)) is same
