"""Every pod of the chart fits the restricted Pod Security Standard, and says what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chart import EXTERNAL, Chart, Object, Values

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
BOTH = pytest.mark.parametrize("values", [EXTERNAL, {}], ids=["a database of the user's own", "ours"])


def containers(spec: Object) -> Iterator[Object]:
    yield from spec["containers"]
    yield from spec.get("initContainers", ())


def unfit(spec: Object) -> Iterator[str]:
    """What of a pod the restricted standard does not allow."""
    pod = spec.get("securityContext", {})
    for container in containers(spec):
        own = {**pod, **container.get("securityContext", {})}
        wanted: dict[str, Any] = {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
            "readOnlyRootFilesystem": True,  # more than the standard asks for
        }
        yield from (f"{container['name']}: {key}" for key, value in wanted.items() if own.get(key) != value)
        if own.get("runAsUser") in {None, 0}:
            yield f"{container['name']}: runAsUser"
        if any("hostPort" in port for port in container.get("ports", ())):
            yield f"{container['name']}: hostPort"
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    yield from (volume["name"] for volume in spec.get("volumes", ()) if not (volume.keys() - {"name"}) <= VOLUMES)


@BOTH
def test_every_pod_is_restricted(chart: Chart, values: Values) -> None:
    found = list(chart.render(values).pods())
    assert found
    assert {name: list(unfit(spec)) for name, spec in found} == {name: [] for name, _ in found}


@BOTH
def test_every_container_says_what_it_needs(chart: Chart, values: Values) -> None:
    for name, spec in chart.render(values).pods():
        for container in containers(spec):
            resources = container["resources"]
            assert resources["requests"].keys() == {"cpu", "memory"}, name
            assert "memory" in resources["limits"], name


@BOTH
def test_what_is_mounted_is_there_and_what_is_there_is_mounted(chart: Chart, values: Values) -> None:
    for name, spec in chart.render(values).pods():
        mounted = {mount["name"] for one in containers(spec) for mount in one.get("volumeMounts", ())}
        assert mounted - {"data"} == {volume["name"] for volume in spec.get("volumes", ())} - {"data"}, name


def test_probes_ask_what_the_product_answers(chart: Chart) -> None:
    container = chart.render(EXTERNAL).container()
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": "http"},
        "liveness": {"path": "/healthz", "port": "http"},
        "readiness": {"path": "/readyz", "port": "http"},
    }
    assert [one["containerPort"] for one in container["ports"] if one["name"] == "http"] == [
        int(chart.render(EXTERNAL).env()["TICKLOCK_HTTP_PORT"])
    ]


def test_a_pod_that_is_unfit_would_be_noticed() -> None:
    spec = {
        "hostNetwork": True,
        "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
        "containers": [{"name": "x", "ports": [{"hostPort": 1}], "securityContext": {"runAsUser": 0}}],
    }
    assert {"hostNetwork", "root", "x: hostPort", "x: runAsUser", "x: runAsNonRoot"} <= set(unfit(spec))
