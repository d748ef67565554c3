"""The CustomResourceDefinition as a user meets it: applied, explained, listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bad_manifests import valid_manifest
from tests.support.crd import CRD_FILE, collection, install
from tools.crd.__main__ import main
from tools.crd.assemble import ANNOTATION_LIMIT
from tools.crd.source import OPENAPI_PATH

if TYPE_CHECKING:
    from pathlib import Path

    from tools.devcluster.controlplane import ControlPlane

NAME = "scheduledjobs.ticklock.dev"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
COLUMNS = ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST RUN", "LAST STATE", "NEXT RUN", "AGE"]
WIDE = ["QUEUE", "PRIORITY", "CONCURRENCY", "READY", "MESSAGE"]


@pytest.fixture(autouse=True, scope="module")
def crd(control_plane: ControlPlane) -> None:
    install(control_plane)


def test_client_side_apply_has_room_for_it_and_may_be_repeated(control_plane: ControlPlane) -> None:
    assert "unchanged" in control_plane.kubectl("apply", "-f", str(CRD_FILE))
    stored = control_plane.api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAME}")
    assert len(stored["metadata"]["annotations"][LAST_APPLIED].encode()) < ANNOTATION_LIMIT


def test_the_api_server_finds_nothing_to_complain_about(control_plane: ControlPlane) -> None:
    stored = control_plane.api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAME}")
    conditions = {condition["type"]: condition["status"] for condition in stored["status"]["conditions"]}
    # the fourth would be NonStructuralSchema
    assert conditions.items() >= {"NamesAccepted": "True", "Established": "True"}.items()
    assert "NonStructuralSchema" not in conditions


def test_the_committed_file_is_what_this_api_server_gives(control_plane: ControlPlane) -> None:
    assert main(["check", "--kubeconfig", str(control_plane.kubeconfig)]) == 0


def test_a_saved_document_gives_the_same(control_plane: ControlPlane, tmp_path: Path) -> None:
    saved, made = tmp_path / "openapi.json", tmp_path / "crd.yaml"
    saved.write_text(control_plane.kubectl("get", "--raw", OPENAPI_PATH))
    assert main(["generate", "--openapi", str(saved), "--output", str(made)]) == 0
    assert made.read_text() == CRD_FILE.read_text()


@pytest.mark.parametrize(
    ("field", "words"),
    [
        pytest.param("", "exactly once", id="the object"),
        pytest.param(".spec.schedule", "@every 90s", id="the schedule, with examples"),
        pytest.param(".spec.timeZone", "Europe/Berlin", id="the time zone"),
        pytest.param(".spec.concurrencyPolicy", "ENUM: Allow Forbid Replace", id="the policy, with its values"),
        pytest.param(".spec.startingDeadlineSeconds", "Missed", id="the deadline"),
        pytest.param(".spec.queueName", "Queue of the runs", id="the queue"),
        pytest.param(".spec.priority", "launched first", id="the priority"),
        pytest.param(".spec.jobTemplate.spec.template.spec.containers.env.valueFrom", "secretKeyRef", id="deep below"),
        pytest.param(".status.conditions", "Stalled", id="the conditions"),
        pytest.param(".status.lastRun", "lagSeconds", id="the last run"),
    ],
)
def test_kubectl_explains(control_plane: ControlPlane, field: str, words: str) -> None:
    told = control_plane.kubectl("explain", f"scheduledjob{field}")
    assert words in " ".join(told.split())


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_of_ours_is_described(control_plane: ControlPlane, part: str) -> None:
    assert "<no description>" not in control_plane.kubectl("explain", f"scheduledjob.{part}")


def test_its_names(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.api.post(collection(namespace), valid_manifest("found"))
    for word in ("sjob", "scheduledjob", "scheduledjobs", "scheduledjobs.ticklock.dev", "all"):
        assert "scheduledjob.ticklock.dev/found" in control_plane.kubectl("get", word, "-n", namespace, "-o", "name")


def test_the_columns_of_get(control_plane: ControlPlane, namespace: str) -> None:
    fill(control_plane, namespace)
    row = table(control_plane.kubectl("get", "sjob", "-n", namespace), COLUMNS)
    assert row.pop("AGE").endswith("s")
    assert row.pop("LAST RUN").endswith("d")
    assert row == {
        "NAME": "shown",
        "SCHEDULE": "30 2 * * *",
        "TIMEZONE": "Europe/Berlin",
        "SUSPEND": "false",
        "ACTIVE": "2",
        "LAST STATE": "Failed",
        "NEXT RUN": "2999-01-01T01:30:00Z",
    }


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param({"schedule": "*/5 * * * *"}, "*/5 * * * *", id="one expression"),
        pytest.param({"schedules": ["0 9 * * 1-5", "0 12 * * 6"]}, '["0 9 * * 1-5","0 12 * * 6"]', id="several"),
        pytest.param({"everySeconds": 90}, "90", id="a distance, in seconds"),
        pytest.param({}, "", id="nothing: on demand only"),
    ],
)
def test_the_schedule_is_shown_before_any_controller_has_seen_it(
    control_plane: ControlPlane, namespace: str, said: dict[str, Any], shown: str
) -> None:
    manifest = valid_manifest("fresh")
    del manifest["spec"]["schedule"]
    manifest["spec"] |= said
    control_plane.api.post(collection(namespace), manifest)
    heading, row = control_plane.kubectl("get", "sjob", "-n", namespace).splitlines()
    assert row[heading.index("SCHEDULE") : heading.index("TIMEZONE")].strip() == shown


def test_the_columns_of_get_wide(control_plane: ControlPlane, namespace: str) -> None:
    fill(control_plane, namespace)
    row = table(control_plane.kubectl("get", "sjob", "-n", namespace, "-o", "wide"), COLUMNS + WIDE)
    assert {column: row[column] for column in WIDE} == {
        "QUEUE": "default",
        "PRIORITY": "Regular",
        "CONCURRENCY": "Allow",
        "READY": "True",
        "MESSAGE": "all is well",
    }


def fill(control_plane: ControlPlane, namespace: str) -> None:
    """Make one object, with a status in which no column is empty; its next run lies in the future."""
    manifest = valid_manifest("shown")
    manifest["spec"]["timeZone"] = "Europe/Berlin"
    control_plane.api.post(collection(namespace), manifest)
    ready = {"type": "Ready", "status": "True", "reason": "Accepted", "message": "all is well"}
    status = {
        "activeCount": 2,
        "lastScheduleTime": "2020-01-01T01:30:00Z",
        "nextScheduleTime": "2999-01-01T01:30:00Z",
        "lastRun": {"state": "Failed"},
        "conditions": [ready | {"lastTransitionTime": "2020-01-01T01:30:00Z"}],
    }
    control_plane.api.merge_patch(f"{collection(namespace)}/shown/status", {"status": status})


def table(printed: str, columns: list[str]) -> dict[str, str]:
    """The one row of kubectl's table, cut where its heading says; all columns, in their order."""
    heading, row = printed.splitlines()
    starts = [heading.index(column) for column in columns]
    assert heading.split() == " ".join(columns).split()
    cells = zip(starts, [*starts[1:], None], strict=True)
    return {column: row[begin:end].strip() for column, (begin, end) in zip(columns, cells, strict=True)}
