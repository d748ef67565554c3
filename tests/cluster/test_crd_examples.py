"""The examples: each is taken as it stands, by either kind of apply, and says something."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.crd import EXAMPLES, collection, install

if TYPE_CHECKING:
    from pathlib import Path

    from tools.devcluster.controlplane import ControlPlane

FILES = sorted(EXAMPLES.rglob("*.yaml"))


@pytest.fixture(autouse=True, scope="module")
def crd(control_plane: ControlPlane) -> None:
    install(control_plane)


def files() -> list[object]:
    return [pytest.param(file, id=file.stem) for file in FILES]


@pytest.mark.parametrize("file", files())
@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="client-side"),
        pytest.param(["--server-side"], id="server-side"),
        pytest.param(["--server-side", "--dry-run=server"], id="dry run"),
    ],
)
def test_apply_takes_it(control_plane: ControlPlane, namespace: str, file: Path, options: list[str]) -> None:
    # a namespace that enforces the strictest standard warns about nothing either
    control_plane.api.merge_patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": RESTRICTED}})
    control_plane.kubectl("apply", "-n", namespace, *options, "-f", str(file))


RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}


@pytest.mark.parametrize("file", files())
def test_its_pods_are_admitted_where_the_strictest_standard_is_enforced(
    control_plane: ControlPlane, namespace: str, file: Path
) -> None:
    control_plane.api.merge_patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": RESTRICTED}})
    for manifest in documents(file):
        template = manifest["spec"]["jobTemplate"]["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template["spec"]}
        control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)


@pytest.mark.parametrize("file", files())
def test_it_tells_what_it_is_for(file: Path) -> None:
    assert file.read_text().startswith("# ")


def test_all_together_are_what_the_demo_needs(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("apply", "-n", namespace, "-f", str(EXAMPLES))
    stored = control_plane.api.get(collection(namespace))["items"]
    specs = {item["metadata"]["name"]: item["spec"] for item in stored}
    assert {specs[name]["queueName"] for name in ("heartbeat-a", "heartbeat-b")} == {"red", "blue"}
    assert [specs[f"test-job-{n}"]["priority"] for n in range(1, 6)] == ["High"] * 3 + ["Regular"] * 2
    assert specs["berlin-night"]["timeZone"] == "Europe/Berlin"
    assert specs["never-two"]["concurrencyPolicy"] == "Forbid"
    assert pod_annotations(specs["fails"]) == {"ticklock.dev/simulate": "fail"}
    assert pod_annotations(specs["never-two"]) == {"ticklock.dev/simulate-seconds": "25"}


def test_they_are_numbered_without_a_gap() -> None:
    numbers = [int(file.name.split("-")[0]) for file in [file for file in FILES if file.parent == EXAMPLES]]
    assert numbers[0] == 1
    assert all(later - earlier == 1 for earlier, later in pairwise(numbers))


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def pod_annotations(spec: dict[str, Any]) -> dict[str, str]:
    """The annotations of the pods."""
    found: dict[str, str] = spec["jobTemplate"]["spec"]["template"]["metadata"]["annotations"]
    return found
