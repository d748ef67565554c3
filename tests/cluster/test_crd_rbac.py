"""What a replica may do with the manifest's rules: what it needs, and nothing beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.crd import RBAC_FILE, install
from tools.devcluster.kubeapi import ApiError

if TYPE_CHECKING:
    from tools.devcluster.controlplane import ControlPlane

HOME = "ticklock-system"
USER = f"system:serviceaccount:{HOME}:ticklock"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

MAY = [
    *(pytest.param("ticklock.dev/scheduledjobs", verb, "", id=f"{verb} schedules") for verb in ("list", "watch")),
    pytest.param("ticklock.dev/scheduledjobs", "get", "", id="read one schedule"),
    pytest.param("ticklock.dev/scheduledjobs/status", "patch", "", id="report its status"),
    *(
        pytest.param("batch/jobs", verb, "", id=f"{verb} Jobs")
        for verb in ("create", "get", "list", "watch", "patch", "delete")
    ),
    *(pytest.param("/pods", verb, "", id=f"{verb} pods") for verb in ("get", "list", "watch", "patch", "delete")),
    pytest.param("events.k8s.io/events", "create", "", id="tell an Event"),
    pytest.param("events.k8s.io/events", "patch", "", id="tell it again"),
    pytest.param("/namespaces", "get", "kube-system", id="know which cluster this is"),
]
MAY_AT_HOME = [
    pytest.param("create", "", id="make the Lease"),
    pytest.param("get", "ticklock", id="look at the Lease"),
    pytest.param("update", "ticklock", id="hold the Lease"),
]
MAY_NOT = [
    *(
        pytest.param("ticklock.dev/scheduledjobs", verb, "", id=f"{verb} a schedule")
        for verb in ("create", "update", "patch", "delete")
    ),
    *(pytest.param("/pods", verb, "", id=f"{verb} a pod") for verb in ("create", "update", "deletecollection")),
    pytest.param("/pods/exec", "create", "", id="enter a pod"),
    *(pytest.param("/secrets", verb, "", id=f"{verb} secrets") for verb in ("get", "list", "watch")),
    pytest.param("/configmaps", "get", "", id="read configuration"),
    pytest.param("/namespaces", "list", "", id="list namespaces"),
    pytest.param("/namespaces", "get", "default", id="read another namespace"),
    pytest.param("batch/cronjobs", "list", "", id="list CronJobs"),
    pytest.param("batch/jobs", "deletecollection", "", id="delete Jobs by the dozen"),
    pytest.param("coordination.k8s.io/leases", "update", "ticklock", id="hold a Lease elsewhere"),
    pytest.param("/serviceaccounts/token", "create", "", id="make itself a token"),
    pytest.param("rbac.authorization.k8s.io/clusterroles", "update", "", id="raise its own rights"),
]


@pytest.fixture(autouse=True, scope="module")
def rules(control_plane: ControlPlane) -> None:
    install(control_plane)
    try:
        control_plane.api.post(
            "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
        )
    except ApiError as error:
        if error.body.get("reason") != "AlreadyExists":
            raise
    control_plane.kubectl("apply", "-f", str(RBAC_FILE))


@pytest.mark.parametrize(("resource", "verb", "name"), MAY)
def test_it_may(control_plane: ControlPlane, resource: str, verb: str, name: str) -> None:
    assert allowed(control_plane, resource, verb, name=name)


@pytest.mark.parametrize(("verb", "name"), MAY_AT_HOME)
def test_in_its_own_namespace_it_may(control_plane: ControlPlane, verb: str, name: str) -> None:
    assert allowed(control_plane, "coordination.k8s.io/leases", verb, name=name, namespace=HOME)
    assert not allowed(control_plane, "coordination.k8s.io/leases", verb, name=name)


@pytest.mark.parametrize(("resource", "verb", "name"), MAY_NOT)
def test_it_may_not(control_plane: ControlPlane, resource: str, verb: str, name: str) -> None:
    assert not allowed(control_plane, resource, verb, name=name)


def test_another_lease_of_its_namespace_is_not_its_own(control_plane: ControlPlane) -> None:
    assert not allowed(control_plane, "coordination.k8s.io/leases", "update", name="other", namespace=HOME)


def test_no_rule_has_a_wildcard() -> None:
    rules = [rule for role in yaml.safe_load_all(RBAC_FILE.read_text()) for rule in role.get("rules", ())]
    assert rules
    assert not any("*" in values for rule in rules for values in rule.values())


def allowed(control_plane: ControlPlane, resource: str, verb: str, *, name: str, namespace: str = "default") -> bool:
    """Ask the API server; `resource` is group/resource, or group/resource/subresource."""
    group, kind, *below = resource.split("/")
    asked = {"group": group, "resource": kind, "verb": verb, "name": name}
    if below:
        asked["subresource"] = below[0]
    if kind not in {"namespaces", "clusterroles"}:
        asked["namespace"] = namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": USER, "resourceAttributes": asked},
    }
    return bool(control_plane.api.post(REVIEWS, review)["status"]["allowed"])
