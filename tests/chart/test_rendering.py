"""What the chart renders, and what a value changes of it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import yaml

from tests.support.chart import EXTERNAL, FOLDER, HOME, ROOT, Chart, Object, RefusedError, Rendered, Values

EVERYTHING: Values = {
    "networkPolicy": {"enabled": True},
    "flowControl": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboard": {"enabled": True},
}
OF_THE_CLUSTER = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def at(place: Any, path: str) -> Any:
    for step in path.split("."):
        place = place[int(step)] if step.isdigit() else place.get(step)
    return place


def test_the_chart_is_of_the_version_of_the_product() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((FOLDER / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == project["version"]
    assert f"ghcr.io/ticklock/ticklock:{project['version']}" in chart["annotations"]["artifacthub.io/images"]


@pytest.mark.parametrize("version", ["1.30.0", "1.33.1", "1.36.3", "1.40.0", "1.31.0-eks-1"])
def test_it_is_for_every_version_that_the_product_supports(chart: Chart, version: str) -> None:
    assert chart.render(EXTERNAL, kubernetes=version).has("Deployment")


def test_an_older_version_is_refused(chart: Chart) -> None:
    with pytest.raises(RefusedError, match="incompatible with Kubernetes"):
        chart.render(EXTERNAL, kubernetes="1.29.9")


def test_helm_finds_nothing_to_complain_about(chart: Chart) -> None:
    assert "[ERROR]" not in chart.run("lint", "--strict", str(FOLDER))


@pytest.mark.parametrize(
    ("kind", "path", "wanted"),
    [
        pytest.param("Deployment", "spec.replicas", 2, id="two replicas"),
        pytest.param("Deployment", "spec.strategy.rollingUpdate", {"maxSurge": 1, "maxUnavailable": 0},
                     id="a new replica is ready before an old one goes"),
        pytest.param("Deployment", "spec.template.spec.initContainers.0.args", ["migrate"], id="migrations come first"),
        pytest.param("Deployment", "spec.template.spec.containers.0.args", ["controller"], id="then the controller"),
        pytest.param("Deployment", "spec.template.spec.containers.0.image", "ghcr.io/ticklock/ticklock:0.1.0",
                     id="the image of the chart's version"),
        pytest.param("Deployment", "spec.template.spec.enableServiceLinks", False,
                     id="no variables of other Services, which may look like settings"),
        pytest.param("PodDisruptionBudget", "spec.maxUnavailable", 1, id="evictions take one at a time"),
        pytest.param("PriorityClass", "value", 1_000_000, id="replicas before what they launch"),
        pytest.param("CustomResourceDefinition", "metadata.annotations", {"helm.sh/resource-policy": "keep"},
                     id="the CRD survives an uninstallation"),
        pytest.param("ServiceAccount", "automountServiceAccountToken", False, id="no token for pods that ask for none"),
    ],
)  # fmt: skip
def test_by_default(chart: Chart, kind: str, path: str, wanted: Any) -> None:
    name = "ticklock" if kind == "ServiceAccount" else None
    assert at(chart.render(EXTERNAL).one(kind, name), path) == wanted


@pytest.mark.parametrize(
    ("values", "path", "wanted"),
    [
        pytest.param({"replicaCount": 3}, "spec.replicas", 3, id="replicas"),
        pytest.param({"image": {"tag": "9"}}, "spec.template.spec.containers.0.image", "ghcr.io/ticklock/ticklock:9",
                     id="tag"),
        pytest.param({"image": {"digest": "sha256:" + "0" * 64, "tag": "9"}},
                     "spec.template.spec.initContainers.0.image", "ghcr.io/ticklock/ticklock@sha256:" + "0" * 64,
                     id="a digest counts before a tag"),
        pytest.param({"imagePullSecrets": [{"name": "x"}]}, "spec.template.spec.imagePullSecrets", [{"name": "x"}],
                     id="pull secrets"),
        pytest.param({"podLabels": {"team": "a"}}, "spec.template.metadata.labels.team", "a", id="labels of pods"),
        pytest.param({"commonLabels": {"team": "a"}}, "metadata.labels.team", "a", id="labels of everything"),
        pytest.param({"podAnnotations": {"a/b": "c"}}, "spec.template.metadata.annotations", {"a/b": "c"},
                     id="annotations of pods"),
        pytest.param({"commonAnnotations": {"a/b": "c"}}, "metadata.annotations", {"a/b": "c"},
                     id="annotations of everything"),
        pytest.param({"priorityClassName": "high"}, "spec.template.spec.priorityClassName", "high",
                     id="a priority class of the user's own"),
        pytest.param({"nodeSelector": {"a": "b"}}, "spec.template.spec.nodeSelector", {"a": "b"}, id="node selector"),
        pytest.param({"tolerations": [{"key": "a"}]}, "spec.template.spec.tolerations", [{"key": "a"}],
                     id="tolerations"),
        pytest.param({"affinity": {"podAntiAffinity": {}}}, "spec.template.spec.affinity",
                     {"podAntiAffinity": {}}, id="affinity"),
        pytest.param({"affinity": {"podAffinity": {"a": "b"}}}, "spec.template.spec.affinity.podAffinity",
                     {"a": "b"}, id="another affinity"),
        pytest.param({"affinity": {"podAffinity": {"a": "b"}}},
                     "spec.template.spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution.0"
                     ".podAffinityTerm.topologyKey",
                     "topology.kubernetes.io/zone", id="which leaves that over zones"),
        pytest.param({"topologySpreadConstraints": [{"maxSkew": 2}]},
                     "spec.template.spec.topologySpreadConstraints", [{"maxSkew": 2}], id="topology spread"),
        pytest.param({"extraContainers": [{"name": "x"}]}, "spec.template.spec.containers.1.name", "x",
                     id="a further container"),
        pytest.param({"extraVolumes": [{"name": "x", "emptyDir": {}}], "migrations": {"enabled": False}},
                     "spec.template.spec.volumes.2", {"name": "x", "emptyDir": {}}, id="a further volume"),
        pytest.param({"extraVolumeMounts": [{"name": "x", "mountPath": "/x"}]},
                     "spec.template.spec.initContainers.0.volumeMounts.2", {"name": "x", "mountPath": "/x"},
                     id="mounted for migrations too"),
        pytest.param({"migrations": {"enabled": False}}, "spec.template.spec.initContainers", None, id="no migrations"),
    ],
)  # fmt: skip
def test_a_value_of_the_deployment(chart: Chart, values: Values, path: str, wanted: Any) -> None:
    assert at(chart.render({**EXTERNAL, **values}).one("Deployment"), path) == wanted


@pytest.mark.parametrize(
    ("values", "kind", "there"),
    [
        pytest.param({"replicaCount": 1}, "PodDisruptionBudget", False, id="one replica may always be evicted"),
        pytest.param({"crds": {"enabled": False}}, "CustomResourceDefinition", False, id="CRDs are left to others"),
        pytest.param({"rbac": {"create": False, "aggregate": False}}, "ClusterRole", False, id="so are the rights"),
        pytest.param({"serviceAccount": {"create": False, "name": "x"}}, "ServiceAccount", False,
                     id="so is the ServiceAccount"),
        pytest.param({"admissionPolicy": {"enabled": False}}, "ValidatingAdmissionPolicy", False,
                     id="so is the admission policy"),
        pytest.param({"priorityClass": {"create": False}}, "PriorityClass", False, id="no priority class"),
        pytest.param({}, "NetworkPolicy", False, id="no network policies unless asked for"),
        pytest.param({}, "FlowSchema", False, id="no FlowSchemas unless asked for"),
        pytest.param({"networkPolicy": {"enabled": True}}, "NetworkPolicy", True, id="network policies when asked for"),
    ],
)  # fmt: skip
def test_a_switch(chart: Chart, values: Values, kind: str, there: bool) -> None:  # noqa: FBT001 - a table's column
    hooks_aside = {"uninstallHook": {"enabled": False}, "test": {"enabled": False}}
    assert chart.render({**EXTERNAL, **hooks_aside, **values}).has(kind) is there


def test_strict_pods_need_a_role_that_can_be_left_out(chart: Chart) -> None:
    name = "ClusterRole/ticklock-strict-pods"
    assert name in chart.render(EXTERNAL).names
    assert name not in chart.render({**EXTERNAL, "rbac": {"strictPods": False}}).names


def test_a_crd_need_not_be_kept(chart: Chart) -> None:
    crd = chart.render({**EXTERNAL, "crds": {"keep": False, "annotations": {"a/b": "c"}}}).one(
        "CustomResourceDefinition"
    )
    assert crd["metadata"]["annotations"] == {"a/b": "c"}


def test_further_objects_are_rendered_as_templates_or_as_they_are(chart: Chart) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-x'}"
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ y }}"}}
    names = chart.render({**EXTERNAL, "extraObjects": [text, whole]}).names
    assert {"ConfigMap/ticklock-x", "ConfigMap/{{ y }}"} <= names


@pytest.mark.parametrize("values", [EXTERNAL, {}], ids=["with a database of the user's own", "with ours"])
def test_within_a_namespace_nothing_is_rendered_outside_of_it(chart: Chart, values: Values) -> None:
    found = chart.render({**EVERYTHING, **values, "namespaced": True}, namespace="team-a")
    assert {one["metadata"].get("namespace") for one in found.objects} == {"team-a"}
    assert not {one["kind"] for one in found.objects} & OF_THE_CLUSTER
    assert found.env()["TICKLOCK_WATCH_NAMESPACE"] == "team-a"
    assert "priorityClassName" not in found.replica()


@pytest.mark.parametrize("values", [EXTERNAL, {}], ids=["with a database of the user's own", "with ours"])
def test_every_object_says_whose_it_is_and_where(chart: Chart, values: Values) -> None:
    for one in chart.render({**EVERYTHING, **values}).objects:
        name = f"{one['kind']}/{one['metadata']['name']}"
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "ticklock", name
        assert labels["app.kubernetes.io/instance"] == "ticklock", name
        assert labels["app.kubernetes.io/managed-by"] == "Helm", name
        assert one["metadata"].get("namespace") == (None if one["kind"] in OF_THE_CLUSTER else HOME), name


def test_what_selects_pods_selects_the_replicas(chart: Chart) -> None:
    found = chart.render({**EVERYTHING, **EXTERNAL})
    labels = found.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = {
        "Deployment": found.one("Deployment")["spec"]["selector"]["matchLabels"],
        "PodDisruptionBudget": found.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        "NetworkPolicy": found.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        "Service": found.one("Service")["spec"]["selector"],
    }
    for kind, selector in selectors.items():
        assert selector.items() <= labels.items(), kind
        assert selector["app.kubernetes.io/component"] == "controller", kind


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        pytest.param("ticklock", {}, "ticklock", id="the release is called so"),
        pytest.param("ticklock-eu", {}, "ticklock-eu", id="its name contains it"),
        pytest.param("prod", {}, "prod-ticklock", id="it has another name"),
        pytest.param("prod", {"nameOverride": "cron"}, "prod-cron", id="another name for the chart"),
        pytest.param("prod", {"fullnameOverride": "cron"}, "cron", id="another name for all of it"),
        pytest.param("p" * 53, {}, "p" * 48, id="a long name is cut, for what is appended to it"),
    ],
)
def test_names_follow_the_release(chart: Chart, release: str, values: Values, name: str) -> None:
    found = chart.render({**EXTERNAL, **values}, release=release)
    assert found.one("Deployment")["metadata"]["name"] == name
    assert found.env()["TICKLOCK_LEASE_NAME"] == name
    (held,) = [rule for rule in found.one("Role", f"{name}-leader")["rules"] if "resourceNames" in rule]
    assert held["resourceNames"] == [name], "the Lease that it may hold is the one that it is told to hold"


def test_objects_of_the_cluster_have_the_same_names_in_every_release(chart: Chart) -> None:
    def of_the_cluster(found: Rendered) -> set[str]:
        return {f"{one['kind']}/{one['metadata']['name']}" for one in found.objects if one["kind"] in OF_THE_CLUSTER}

    assert of_the_cluster(chart.render(EXTERNAL)) == of_the_cluster(chart.render(EXTERNAL, release="b", namespace="b"))


def ports(rule: Object) -> set[Any]:
    return {one["port"] for one in rule["ports"]}


def test_network_policies_let_through_what_is_needed(chart: Chart) -> None:
    found = chart.render({**EXTERNAL, "networkPolicy": {"enabled": True, "metricsFrom": [{"podSelector": {}}]}})
    spec = found.one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    (metrics,) = spec["ingress"]
    assert (ports(metrics), metrics["from"]) == ({"http"}, [{"podSelector": {}}])
    assert [ports(rule) for rule in spec["egress"]] == [{53}, {443, 6443}, {5432}]


def test_flow_schemas_are_of_the_replicas_alone(chart: Chart) -> None:
    found = chart.render({**EXTERNAL, "flowControl": {"enabled": True}})
    for schema in found.all("FlowSchema"):
        (rule,) = schema["spec"]["rules"]
        account = {"name": "ticklock", "namespace": HOME}
        assert rule["subjects"] == [{"kind": "ServiceAccount", "serviceAccount": account}]
    level = found.one("PriorityLevelConfiguration")["metadata"]["name"]
    assert found.one("FlowSchema", "ticklock-launches")["spec"]["priorityLevelConfiguration"]["name"] == level
