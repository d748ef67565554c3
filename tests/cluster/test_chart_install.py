"""The chart on a real API server: what Helm installs, upgrades and removes, and that all of it is taken as it is.

The nodes are simulated: no container runs here.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.chart import EXTERNAL, FOLDER, HOME, RELEASE, Chart, Object, RefusedError, Values
from tests.support.crd import collection
from tests.support.waiting import eventually
from tools.devcluster.binaries import resolve
from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.kubeapi import ApiError, KubeApi

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"
ACCOUNT = f"system:serviceaccount:{HOME}:{RELEASE}"
RIGHTS = {"ServiceAccount", "Role", "RoleBinding"}
FOREIGN = {"PrometheusRule", "ServiceMonitor"}
"""Kinds of the Prometheus Operator, which is not here."""
KEPT = {
    "Secret/ticklock-postgresql": f"/api/v1/namespaces/{HOME}/secrets/ticklock-postgresql",
    "the CRD": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/scheduledjobs.ticklock.dev",
}

SEVERAL: dict[str, Values] = {
    "the defaults": {},
    "a database of the user's own": EXTERNAL,
    "everything that is off by default": {
        "networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {}}]},
        "flowControl": {"enabled": True},
        "dashboard": {"enabled": True},
    },
    "as little as there can be": {
        **EXTERNAL,
        "replicaCount": 1,
        "migrations": {"enabled": False},
        "rbac": {"create": False, "aggregate": False},
        "serviceAccount": {"create": False, "name": "default"},
        "crds": {"enabled": False},
        "admissionPolicy": {"enabled": False},
        "priorityClass": {"create": False},
        "uninstallHook": {"enabled": False},
        "test": {"enabled": False},
    },
    "everything that can be added": {
        "postgresql": {"persistence": {"enabled": False}, "args": ["-c", "shared_buffers=64MB"], "tolerations": []},
        "podLabels": {"a": "b"},
        "podAnnotations": {"a/b": "c"},
        "commonLabels": {"team": "a"},
        "commonAnnotations": {"a/b": "c"},
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraEnvFrom": [{"configMapRef": {"name": "x"}}],
        "extraVolumes": [{"name": "x", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}],
        "settings": {"stage_ahead_seconds": 2.5, "staging": False, "log_level": "debug"},
        "affinity": {"nodeAffinity": {}},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "imagePullSecrets": [{"name": "x"}],
    },
    "one namespace": {"namespaced": True, "networkPolicy": {"enabled": True}},
}


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A control plane that nobody has installed anything on."""
    with ControlPlane(Options(fsync=False)) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(bare: ControlPlane, chart: Chart) -> ControlPlane:
    """The chart installed on it, in a namespace that admits restricted pods alone."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    bare.api.post("/api/v1/namespaces", {"metadata": {"name": HOME, "labels": labels}})
    helm(chart, bare, "install", RELEASE, str(FOLDER))
    return bare


def helm(chart: Chart, cluster: ControlPlane, *arguments: str, values: Values | None = None) -> str:
    """Run Helm in the product's namespace, as an administrator."""
    given = ("--values", "-") if arguments[0] in {"install", "upgrade"} else ()
    return chart.run(*arguments, "--namespace", HOME, *given, values=values, kubeconfig=cluster.kubeconfig)


def there(cluster: ControlPlane, path: str) -> Object | None:
    try:
        return cluster.api.get(path)
    except ApiError as refusal:
        if refusal.status == 404:
            return None
        raise


def password(cluster: ControlPlane) -> bytes:
    return base64.b64decode(cluster.api.get(KEPT["Secret/ticklock-postgresql"])["data"]["password"])


# ------------------------------------------------------------------------------------------------------ as it is taken


@pytest.mark.parametrize("name", SEVERAL)
def test_every_object_is_taken_as_it_is(cluster: ControlPlane, chart: Chart, name: str) -> None:
    """By server-side apply: a field that Kubernetes does not know, or knows otherwise, is refused."""
    objects = [one for one in chart.render(SEVERAL[name]).objects if one["kind"] not in {*FOREIGN, "Pod"}]
    told = cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-",
        stdin=yaml.safe_dump_all(objects),
    )  # fmt: skip
    assert len(told.splitlines()) == len(objects)


def test_a_field_that_kubernetes_does_not_know_would_be_noticed(cluster: ControlPlane, chart: Chart) -> None:
    service = deepcopy(chart.render(EXTERNAL).one("Service"))
    service["spec"]["kindOf"] = "ClusterIP"
    with pytest.raises(RuntimeError, match="kindOf"):
        cluster.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(service))


@pytest.mark.parametrize("name", SEVERAL)
def test_every_pod_is_admitted_where_only_restricted_ones_are(cluster: ControlPlane, chart: Chart, name: str) -> None:
    for owner, spec in chart.render(SEVERAL[name]).pods():
        by_itself = {key: value for key, value in spec.items() if key != "priorityClassName"}
        volumes = {"data": {"name": "data", "emptyDir": {}}, **{one["name"]: one for one in spec["volumes"]}}
        by_itself |= {"restartPolicy": "Never", "serviceAccountName": "default", "volumes": list(volumes.values())}
        pod = {"metadata": {"generateName": "try-"}, "spec": by_itself}
        assert cluster.api.post(f"/api/v1/namespaces/{HOME}/pods?dryRun=All", pod), owner


# ------------------------------------------------------------------------------------------------------ what it may do


def test_what_the_replicas_may_do_is_what_stands_in_the_golden_file(cluster: ControlPlane) -> None:
    """All of it, by `kubectl auth can-i --list`; what everybody may do is left out."""
    assert rights(cluster, ACCOUNT) == (GOLDEN / "replica-rights.txt").read_text()


def test_the_uninstall_hook_may_do_nothing_else_than_its_golden_file_says(cluster: ControlPlane, chart: Chart) -> None:
    hooks = [one for one in chart.render().objects if "uninstall" in one["metadata"]["name"] and one["kind"] != "Job"]
    manifest = yaml.safe_dump_all(hooks)
    cluster.kubectl("apply", "-f", "-", stdin=manifest)
    assert rights(cluster, f"{ACCOUNT}-uninstall") == (GOLDEN / "uninstall-rights.txt").read_text()
    cluster.kubectl("delete", "-f", "-", stdin=manifest)


def rights(cluster: ControlPlane, user: str) -> str:
    """The lines of `kubectl auth can-i --list` that a ServiceAccount has beyond others; lines and verbs sorted."""
    groups = [f"--as-group={one}" for one in ("system:serviceaccounts", "system:authenticated")]

    def listed(name: str) -> set[str]:
        told = cluster.kubectl("auth", "can-i", "--list", "--no-headers", "-n", HOME, f"--as={name}", *groups)
        lines = (line.rpartition("[") for line in told.splitlines())
        return {f"{' '.join(what.split())} [{' '.join(sorted(verbs.strip(' ]').split()))}]" for what, _, verbs in lines}

    return "\n".join(sorted(listed(user) - listed(f"system:serviceaccount:{HOME}:nobody"))) + "\n"


def test_the_pod_of_helm_test_may_write_its_schedule(cluster: ControlPlane, chart: Chart) -> None:
    """The admission policy is in force here, and asks the same of it as of everybody."""
    found = chart.render().objects
    rights_ = [one for one in found if one["metadata"]["name"] == "ticklock-test" and one["kind"] in RIGHTS]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights_))
    (files,) = [one["data"] for one in found if one["kind"] == "ConfigMap"]
    schedule = json.loads(files["scheduledjob.json"])
    assert create_as_test(cluster, schedule) == ""
    template = schedule["spec"]["jobTemplate"]["spec"]["template"]
    template["spec"]["serviceAccountName"] = "another"
    eventually(lambda: "another" in create_as_test(cluster, schedule), what="the policy is in force")
    cluster.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(rights_))


def create_as_test(cluster: ControlPlane, schedule: Object) -> str:
    api = KubeApi(cluster.service_account_credentials(HOME, "ticklock-test"))
    try:
        api.post(f"{collection(HOME)}?dryRun=All", schedule)
    except ApiError as refused:
        return str(refused)
    finally:
        api.close()
    return ""


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        pytest.param(f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/ticklock", "ticklock-lease",
                     id="the Lease goes with the leader elections"),
        pytest.param("/apis/batch/v1/namespaces/default/jobs/nothing", "ticklock-launches",
                     id="launches have a level of their own"),
    ],
)  # fmt: skip
def test_the_api_server_sorts_the_replicas_requests(
    cluster: ControlPlane, chart: Chart, path: str, schema: str
) -> None:
    helm(chart, cluster, "upgrade", RELEASE, str(FOLDER), values={"flowControl": {"enabled": True}})
    wanted = cluster.api.get(f"/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/{schema}")["metadata"]["uid"]
    eventually(lambda: sorted_into(cluster, path) == wanted, what=f"it goes through {schema}")


def sorted_into(cluster: ControlPlane, path: str) -> str | None:
    """The FlowSchema that the API server says it has put a request of a replica to: GET a Lease, PATCH a Job."""
    credentials = cluster.service_account_credentials(HOME, RELEASE)
    trust = ssl.create_default_context(cafile=str(credentials.authority))
    headers = {"Authorization": f"Bearer {credentials.token}", "Content-Type": "application/merge-patch+json"}
    method, body = ("PATCH", b"{}") if "/jobs/" in path else ("GET", None)
    request = urllib.request.Request(  # noqa: S310 - https, to a server of our own
        credentials.server + path, body, headers, method=method
    )
    try:
        with urllib.request.urlopen(request, context=trust, timeout=10) as answer:  # noqa: S310 - the same
            return str(answer.headers["X-Kubernetes-PF-FlowSchema-UID"])
    except urllib.error.HTTPError as absent:
        return str(absent.headers["X-Kubernetes-PF-FlowSchema-UID"])


# ------------------------------------------------------------------------------------------------- upgraded and removed


def test_the_password_is_made_once(cluster: ControlPlane, chart: Chart) -> None:
    first = password(cluster)
    assert len(first) == 32
    helm(chart, cluster, "upgrade", RELEASE, str(FOLDER), values={"replicaCount": 3})
    assert password(cluster) == first
    assert cluster.api.get(f"/apis/apps/v1/namespaces/{HOME}/deployments/ticklock")["spec"]["replicas"] == 3


def test_a_second_installation_for_the_whole_cluster_is_refused(cluster: ControlPlane, chart: Chart) -> None:
    with pytest.raises(RefusedError, match="exists and cannot be imported into the current release"):
        chart.run("install", "another", str(FOLDER), "--namespace", "default", kubeconfig=cluster.kubeconfig)


def test_a_second_installation_in_a_namespace_of_its_own_is_not(cluster: ControlPlane, chart: Chart) -> None:
    cluster.api.post("/api/v1/namespaces", {"metadata": {"name": "team-a"}})
    arguments = ("team", "--namespace", "team-a")
    chart.run("install", *arguments, str(FOLDER), "--set", "namespaced=true", kubeconfig=cluster.kubeconfig)
    chart.run("uninstall", *arguments, "--no-hooks", kubeconfig=cluster.kubeconfig)


def test_what_is_printed_afterwards_works_as_printed(cluster: ControlPlane, chart: Chart, tmp_path: Path) -> None:
    """But for what a replica would do: none runs here."""
    notes = helm(chart, cluster, "get", "notes", RELEASE)
    script = "\n".join(line.removeprefix("   ") for line in notes.splitlines() if line.startswith("   "))
    assert script.count("kubectl ") == 3
    (tmp_path / "notes.sh").write_text(script + "\n")
    kubectl = resolve(["kubectl"])["kubectl"].parent
    env = {**os.environ, "PATH": f"{kubectl}:{os.environ['PATH']}", "KUBECONFIG": str(cluster.kubeconfig)}
    told = subprocess.run(
        ["/bin/bash", "-e", tmp_path / "notes.sh"], env=env, capture_output=True, text=True, check=True
    ).stdout
    for words in ("scheduledjob.ticklock.dev/hello created", "hello annotated", "NAME", "*/5 * * * *"):
        assert words in told


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({}, "a single pod without a standby", id="our own database"),
        pytest.param({"postgresql": {"persistence": {"enabled": False}}}, "gone with its pod", id="without a volume"),
        pytest.param({**EXTERNAL, "externalDatabase": {**EXTERNAL["externalDatabase"], "tls": {"mode": "require"}}},
                     "certificate of the database is not checked", id="a server that is not checked"),
        pytest.param({"admissionPolicy": {"enabled": False}}, "as any ServiceAccount", id="no admission policy"),
        pytest.param({"replicaCount": 1}, "nothing is launched while it is replaced", id="a single replica"),
    ],
)  # fmt: skip
def test_what_is_dangerous_is_told(cluster: ControlPlane, chart: Chart, values: Values, words: str) -> None:
    told = helm(chart, cluster, "upgrade", RELEASE, str(FOLDER), "--dry-run=server", values=values)
    assert words in told.partition("\nNOTES:\n")[2]


def test_uninstalling_leaves_what_is_worth_keeping_and_nothing_else(cluster: ControlPlane, chart: Chart) -> None:
    """The last of this module. The simulated nodes let the hook succeed; what it does is tested elsewhere."""
    first = password(cluster)
    helm(chart, cluster, "uninstall", RELEASE, "--timeout", "60s")
    assert all(there(cluster, path) for path in KEPT.values())
    left = eventually(lambda: _nothing_but_kept(cluster), what="what is not kept is gone")
    assert left
    helm(chart, cluster, "install", RELEASE, str(FOLDER))
    assert password(cluster) == first, "the data that it opens may still be there"


def _nothing_but_kept(cluster: ControlPlane) -> bool:
    selector = ("--selector=app.kubernetes.io/instance=ticklock", "--output=name", "--ignore-not-found")
    within = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets,networkpolicies,leases"
    beyond = "clusterroles,clusterrolebindings,priorityclasses,validatingadmissionpolicies,crds"
    found = cluster.kubectl("get", within, "--namespace", HOME, *selector) + cluster.kubectl("get", beyond, *selector)
    kept = {"secret/ticklock-postgresql", "customresourcedefinition.apiextensions.k8s.io/scheduledjobs.ticklock.dev"}
    return set(found.split()) == kept
