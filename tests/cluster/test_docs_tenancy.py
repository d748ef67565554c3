"""The page on several teams: the roles that it makes are enough for whom it says, and no more."""

from __future__ import annotations

import shlex
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.bad_manifests import valid_manifest
from tests.support.chart import EXTERNAL, Chart
from tests.support.crd import install
from tests.support.waiting import eventually
from tests.unit.docs.pages import ROOT, invocations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.devcluster.controlplane import ControlPlane

PAGE = ROOT / "docs" / "howto" / "multi-tenancy.md"
POLICY = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
AGGREGATED = {"ticklock-view", "ticklock-edit"}
NAMED = "shop"
"""The namespace of the page; here another takes its place."""


def calls(*beginning: str) -> list[list[str]]:
    return [call for call in invocations(PAGE, "kubectl") if call[: len(beginning)] == list(beginning)]


@pytest.fixture
def shop(control_plane: ControlPlane, namespace: str, chart: Chart) -> Iterator[str]:
    """A namespace in which the page's commands were typed, with the chart's policy and roles in force."""
    install(control_plane)
    objects = chart.render(EXTERNAL).objects
    manifest = yaml.safe_dump_all(
        [one for one in objects if one["kind"] in POLICY or one["metadata"]["name"] in AGGREGATED]
    )
    control_plane.kubectl("apply", "-f", "-", stdin=manifest)
    for call in calls("create"):
        assert "created" in typed(control_plane, namespace, call)
    for role in (call[2] for call in calls("create", "role")):
        control_plane.kubectl("create", "rolebinding", role, f"--role={role}", "--user=bob", "--namespace", namespace)
    yield namespace
    control_plane.kubectl("delete", "-f", "-", stdin=manifest)


def typed(cluster: ControlPlane, namespace: str, call: list[str]) -> str:
    try:
        return cluster.kubectl(*[namespace if word == NAMED else word for word in call])
    except RuntimeError as refused:
        return str(refused)


def written(cluster: ControlPlane, namespace: str, user: str, account: str) -> str:
    """What is answered to a user who writes a ScheduledJob for pods with that ServiceAccount."""
    body: dict[str, Any] = deepcopy(valid_manifest("report"))
    body["spec"]["jobTemplate"]["spec"]["template"]["spec"]["serviceAccountName"] = account
    command = shlex.split(f"create --dry-run=server -f - --as={user} --namespace {namespace}")
    try:
        return cluster.kubectl(*command, stdin=yaml.safe_dump(body))
    except RuntimeError as refused:
        return str(refused)


def test_the_roles_of_the_page_are_enough_and_no_more(shop: str, control_plane: ControlPlane) -> None:
    assert len(calls("create", "role")) == 3
    refusal = "may not use the ServiceAccount deployer"
    eventually(
        lambda: refusal in written(control_plane, shop, "bob", "deployer"),
        what="he may not write one for an account that he may not be",
    )
    assert "created" in written(control_plane, shop, "bob", "default"), "he may for the others"


def test_the_questions_of_the_page_are_answered_as_it_says(shop: str, control_plane: ControlPlane) -> None:
    first, last = calls("auth", "can-i")
    eventually(lambda: typed(control_plane, shop, first).strip() == "yes", what="alice may write schedules")
    assert "yes" not in typed(control_plane, shop, last), "and nobody a status"
