"""The PostgreSQL that the chart brings along."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.chart import Chart, Object, Values
from ticklock.settings import load
from ticklock.store.migrate import NEWEST, OLDEST

DATA = "/var/lib/postgresql/data"


def server(chart: Chart, **values: Any) -> Object:
    return chart.render({"postgresql": values}).one("StatefulSet", "ticklock-postgresql")


def container(found: Object) -> Object:
    (only,) = found["spec"]["template"]["spec"]["containers"]
    return dict(only)


def environment(found: Object) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container(found)["env"]}


def volumes(found: Object) -> dict[str, Object]:
    return {one["name"]: one for one in found["spec"]["template"]["spec"]["volumes"]}


def test_it_is_of_a_version_that_the_product_supports(chart: Chart) -> None:
    image = container(server(chart))["image"]
    assert image == "docker.io/library/postgres:15"
    assert OLDEST <= int(image.rpartition(":")[2]) <= NEWEST


def test_it_honours_what_the_public_image_honours(chart: Chart) -> None:
    found = server(chart, user="u", database="d")
    assert environment(found) == {
        "POSTGRES_DB": "d",
        "POSTGRES_USER": "u",
        "POSTGRES_PASSWORD": {"secretKeyRef": {"name": "ticklock-postgresql", "key": "password"}},
        "PGDATA": f"{DATA}/pgdata",
    }
    security = found["spec"]["template"]["spec"]["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (999, 999, 999)
    assert "command" not in container(found), "the image's own entry point makes the data directory"


def test_the_replicas_are_told_of_it(chart: Chart) -> None:
    rendered = chart.render({"postgresql": {"user": "u", "database": "d"}})
    env = rendered.env()
    settings = load([], {"TICKLOCK_DATABASE_URL": env["TICKLOCK_DATABASE_URL"]})
    assert settings.database_place == "ticklock-postgresql:5432/d"
    assert env["PGSSLMODE"] == "disable"
    service = rendered.one("Service", "ticklock-postgresql")["spec"]
    labels = rendered.one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    (volume,) = [one for one in rendered.replica()["volumes"] if one["name"] == "database"]
    assert volume["secret"]["secretName"] == "ticklock-postgresql"


def test_its_data_are_in_a_volume_that_outlives_the_release(chart: Chart) -> None:
    spec = server(chart)["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert {"name": "data", "mountPath": DATA} in container(server(chart))["volumeMounts"]


@pytest.mark.parametrize(
    ("persistence", "path", "wanted"),
    [
        pytest.param({"size": "1Gi"}, ("resources", "requests", "storage"), "1Gi", id="size"),
        pytest.param({"storageClassName": "fast"}, ("storageClassName",), "fast", id="class"),
        pytest.param({"accessModes": ["ReadWriteOncePod"]}, ("accessModes",), ["ReadWriteOncePod"], id="access modes"),
    ],
)
def test_its_volume_can_be_chosen(chart: Chart, persistence: Values, path: tuple[str, ...], wanted: Any) -> None:
    (claim,) = server(chart, persistence=persistence)["spec"]["volumeClaimTemplates"]
    place = claim["spec"]
    for step in path:
        place = place[step]
    assert place == wanted


def test_its_data_may_go_with_the_release_or_with_the_pod(chart: Chart) -> None:
    going = server(chart, persistence={"whenDeleted": "Delete"})["spec"]
    assert going["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
    fleeting = server(chart, persistence={"enabled": False})
    assert "volumeClaimTemplates" not in fleeting["spec"]
    assert volumes(fleeting)["data"] == {"name": "data", "emptyDir": {}}


def test_its_password_is_made_of_chance_and_kept_beyond_the_release(chart: Chart) -> None:
    """That it is kept over upgrades needs a cluster: tests/cluster/test_chart_install.py."""
    made = [chart.render().one("Secret", "ticklock-postgresql") for _ in range(2)]
    passwords = {base64.b64decode(one["data"]["password"]) for one in made}
    assert len(passwords) == 2
    assert all(len(one) == 32 for one in passwords)
    assert made[0]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_a_secret_of_the_users_own_is_taken_instead(chart: Chart) -> None:
    rendered = chart.render({"postgresql": {"existingSecret": "mine"}})
    assert not rendered.has("Secret")
    (volume,) = [one for one in rendered.replica()["volumes"] if one["name"] == "database"]
    reference = environment(rendered.one("StatefulSet"))["POSTGRES_PASSWORD"]["secretKeyRef"]
    assert (volume["secret"]["secretName"], reference["name"]) == ("mine", "mine")


def test_it_is_asked_over_the_network_whether_it_is_ready(chart: Chart) -> None:
    """While the data directory is made, a server answers on its socket alone, and goes again."""
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert "--host=127.0.0.1" in container(server(chart))[probe]["exec"]["command"]


def test_what_it_writes_to_is_mounted(chart: Chart) -> None:
    mounted = {one["mountPath"] for one in container(server(chart))["volumeMounts"]}
    assert mounted == {DATA, "/var/run/postgresql", "/tmp", "/dev/shm"}  # noqa: S108 - paths in the pod


def test_its_network_policy_lets_replicas_in_and_nothing_out(chart: Chart) -> None:
    rendered = chart.render({"networkPolicy": {"enabled": True}})
    spec = rendered.one("NetworkPolicy", "ticklock-postgresql")["spec"]
    replica = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    ((source,),) = [rule["from"] for rule in spec["ingress"]]
    assert source["podSelector"]["matchLabels"].items() <= replica.items()
    assert (spec["policyTypes"], "egress" in spec) == (["Ingress", "Egress"], False)


@pytest.mark.parametrize(
    ("values", "place", "wanted"),
    [
        pytest.param({"args": ["-c", "x=1"]}, ("containers", 0, "args"), ["-c", "x=1"], id="arguments"),
        pytest.param({"nodeSelector": {"a": "b"}}, ("nodeSelector",), {"a": "b"}, id="node selector"),
        pytest.param({"tolerations": [{"key": "a"}]}, ("tolerations",), [{"key": "a"}], id="tolerations"),
        pytest.param({"affinity": {"nodeAffinity": {}}}, ("affinity",), {"nodeAffinity": {}}, id="affinity"),
        pytest.param({"image": {"tag": 17}}, ("containers", 0, "image"), "docker.io/library/postgres:17", id="tag"),
        pytest.param({"resources": {"limits": {"memory": "2Gi"}}}, ("containers", 0, "resources", "limits", "memory"),
                     "2Gi", id="limits"),
    ],
)  # fmt: skip
def test_a_value_of_it(chart: Chart, values: dict[str, Any], place: tuple[str | int, ...], wanted: Any) -> None:
    found: Any = server(chart, **values)["spec"]["template"]["spec"]
    for step in place:
        found = found[step]
    assert found == wanted
