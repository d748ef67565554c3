"""What is there for kind, as far as it goes without docker: its own loader reads the configuration, stand-ins the rest.

kind reads and judges a configuration before it makes anything; the first image that it asks docker for is the sign that
it has found nothing wrong.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.chart import FOLDER, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONFIG = (ROOT / "kind-config.yaml").read_text()
SCRIPT = ROOT / "tools" / "kind.sh"
TAKEN = "failed to pull image"

DOCKER = """
case $1 in
info) echo '{"SecurityOptions": [], "CgroupVersion": "2", "MemoryLimit": true, "PidsLimit": true, "CPUShares": true}' ;;
ps | build) ;;
*) echo "a stand-in makes no containers: $*" >&2; exit 1 ;;
esac
"""
"""A docker that is there, has no containers, and gives no images."""


def put(folder: Path, name: str, body: str = "") -> None:
    """A stand-in of that name, which also writes down how it was called."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f'#!/bin/sh\n[ "$1" = info ] || echo "{name} $*" >>"{folder}/calls"\n{body}')
    program.chmod(0o755)


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the machine's own but what every shell needs; above all no docker and no kubeconfig of a person."""
    tools = folder.parent / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("bash", "sh", "sed", "grep", "dirname"):
        link = tools / name
        if not link.exists():
            link.symlink_to(next(place for place in (f"/bin/{name}", f"/usr/bin/{name}") if os.access(place, os.X_OK)))
    return {"PATH": f"{folder}:{tools}", "HOME": str(folder.parent), "KIND_EXPERIMENTAL_PROVIDER": "docker"}


# -------------------------------------------------------------------------------------------------- the configuration


def complaint(kind: Path, config: str, folder: Path) -> str:
    """What kind says of a configuration on a machine whose docker gives no images."""
    put(folder / "bin", "docker", DOCKER)
    done = subprocess.run(
        [kind, "create", "cluster", "--config", "-", "--kubeconfig", str(folder / "kubeconfig")],
        input=config, capture_output=True, text=True, check=False, env=environment(folder / "bin"),
    )  # fmt: skip
    assert done.returncode != 0
    return done.stderr


def test_kind_finds_nothing_wrong_with_our_configuration(kind_program: Path, tmp_path: Path) -> None:
    said = complaint(kind_program, CONFIG, tmp_path)
    assert 'Creating cluster "ticklock"' in said
    assert TAKEN in said


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        pytest.param("role: worker", "rolle: worker", "field rolle not found", id="a field that kind does not know"),
        pytest.param("role: worker", "role: helper", "is not a valid node role", id="a role that there is not"),
        pytest.param("kind: Cluster", "kind: Clusters", "unknown kind", id="another kind of object"),
        pytest.param("v1alpha4", "v1alpha9", "unknown apiVersion", id="a version that there is not"),
    ],
)
def test_kind_would_say_what_is_wrong(  # noqa: PLR0917 - fixtures and a case
    kind_program: Path, tmp_path: Path, was: str, now: str, words: str
) -> None:
    said = complaint(kind_program, CONFIG.replace(was, now), tmp_path)
    assert words in said
    assert TAKEN not in said


def test_the_replicas_have_two_nodes_to_lie_on() -> None:
    roles = [node["role"] for node in yaml.safe_load(CONFIG)["nodes"]]
    assert roles == ["control-plane", "worker", "worker"]


# -------------------------------------------------------------------------------------------------------- the commands


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments], capture_output=True, text=True, check=False, env=environment(folder), timeout=30
    )


@pytest.mark.parametrize(
    ("there", "command", "missing"),
    [
        pytest.param((), "up", "docker kind", id="neither docker nor kind"),
        pytest.param(("docker",), "up", "kind", id="docker without kind"),
        pytest.param(("kind",), "up", "docker", id="kind without docker"),
        pytest.param(("docker", "kind"), "e2e", "helm kubectl", id="nothing to install with"),
        pytest.param((), "down", "docker kind", id="nothing to remove with"),
    ],
)
def test_what_is_missing_is_told_and_nothing_done(
    tmp_path: Path, there: Sequence[str], command: str, missing: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in there:
        put(folder, name)
    done = run(folder, command)
    assert done.returncode == 1
    assert done.stderr.startswith(f"kind: missing on PATH: {missing}; nothing was done")
    assert not (folder / "calls").exists()


def test_a_docker_that_does_not_answer_is_told(tmp_path: Path) -> None:
    put(tmp_path / "bin", "docker", "exit 1\n")
    put(tmp_path / "bin", "kind")
    done = run(tmp_path / "bin", "up")
    assert done.returncode == 1
    assert "its daemon does not answer" in done.stderr


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """All that the commands need, each a stand-in."""
    folder = tmp_path / "bin"
    put(folder, "docker", DOCKER)
    for name in ("kind", "helm", "kubectl"):
        put(folder, name)
    return folder


def calls(folder: Path) -> list[str]:
    return [" ".join(line.split()[:2]) for line in (folder / "calls").read_text().splitlines()]


def test_up_builds_the_image_and_loads_it_onto_a_cluster(complete: Path) -> None:
    assert run(complete, "up").returncode == 0
    assert calls(complete) == ["docker build", "kind get", "kind create", "kind load"]
    version = yaml.safe_load((FOLDER / "Chart.yaml").read_text())["appVersion"]
    assert f"load docker-image ghcr.io/ticklock/ticklock:{version} --name ticklock" in (complete / "calls").read_text()


def test_up_takes_the_cluster_that_is_there(complete: Path) -> None:
    put(complete, "kind", '[ "$1" = get ] && echo ticklock\nexit 0\n')
    assert run(complete, "up").returncode == 0
    assert calls(complete) == ["docker build", "kind get", "kind load"]


def test_e2e_installs_tests_uses_and_removes(complete: Path) -> None:
    assert run(complete, "e2e").returncode == 0
    told = (complete / "calls").read_text()
    used = ["helm install", "helm test", "kubectl --context", "kubectl --context", "helm uninstall"]
    assert [call for call in calls(complete) if call.startswith(("helm", "kubectl"))] == [*used, "kubectl --context"]
    assert calls(complete)[-1] == "kind delete"
    clusters = [line for line in told.splitlines() if line.startswith(("helm", "kubectl"))]
    assert all("context kind-ticklock" in line for line in clusters), "no other cluster is ever talked to"


def test_e2e_removes_its_cluster_where_a_step_fails(complete: Path) -> None:
    put(complete, "helm", "exit 1\n")
    assert run(complete, "e2e").returncode == 1
    assert calls(complete)[-2:] == ["helm install", "kind delete"]


def test_e2e_leaves_a_cluster_alone_that_was_there_before(complete: Path) -> None:
    put(complete, "kind", '[ "$1" = get ] && echo ticklock\nexit 0\n')
    done = run(complete, "e2e")
    assert done.returncode == 1
    assert calls(complete) == ["kind get"]
