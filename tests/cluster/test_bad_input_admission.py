"""Malformed manifests at the API server's door."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.bad_manifests import CASES, BadManifest, Outcome, valid_manifest
from tests.support.crd import collection, install
from tools.devcluster.kubeapi import ApiError

if TYPE_CHECKING:
    from tools.devcluster.controlplane import ControlPlane

AT_LEAST = 30


@pytest.fixture(autouse=True, scope="module")
def crd(control_plane: ControlPlane) -> None:
    install(control_plane)


def cases(outcome: Outcome) -> list[object]:
    return [pytest.param(case, id=case.name) for case in CASES if case.outcome == outcome]


def test_the_table_is_as_long_as_promised_and_says_nothing_twice() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= AT_LEAST


def test_the_manifest_that_all_cases_spoil_is_taken(control_plane: ControlPlane, namespace: str) -> None:
    created = control_plane.api.post(collection(namespace), valid_manifest())
    assert created["spec"]["schedule"] == valid_manifest()["spec"]["schedule"]


@pytest.mark.parametrize("case", cases("refused"))
@pytest.mark.field(
    "schedule",
    "schedules",
    "everySeconds",
    "startAt",
    "endAt",
    "launchPolicy",
    "exclude",
    "dst",
    "jitterSeconds",
    "catchUp",
    "timeZone",
    "suspend",
    "concurrencyPolicy",
    "startingDeadlineSeconds",
    "successfulJobsHistoryLimit",
    "failedJobsHistoryLimit",
    "queueName",
    "priority",
    check="schema",
)
def test_refused_with_the_field_named(control_plane: ControlPlane, namespace: str, case: BadManifest) -> None:
    with pytest.raises(ApiError) as refusal:
        control_plane.api.post(collection(namespace), case.manifest)
    assert refusal.value.status in {400, 422}
    assert case.field in str(refusal.value)


@pytest.mark.parametrize("case", cases("condition"))
def test_left_to_the_controller(control_plane: ControlPlane, namespace: str, case: BadManifest) -> None:
    stored = control_plane.api.post(collection(namespace), case.manifest)
    assert case.manifest["spec"].items() <= stored["spec"].items()


def test_a_person_reads_what_is_wrong_and_how_to_mend_it(control_plane: ControlPlane, namespace: str) -> None:
    manifest = valid_manifest()
    manifest["spec"]["schedule"] = "CRON_TZ=Europe/Berlin 61 24 * * *"
    with pytest.raises(RuntimeError) as refusal:
        control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    assert str(refusal.value).endswith(
        "schedule must not hold a time zone: take TZ= or CRON_TZ= out and use timeZone instead"
    )


def test_each_wrong_part_of_a_schedule_is_named(control_plane: ControlPlane, namespace: str) -> None:
    manifest = valid_manifest()
    manifest["spec"]["schedule"] = "61 24 32 13 8"
    with pytest.raises(ApiError) as refusal:
        control_plane.api.post(collection(namespace), manifest)
    for part in ("minute", "hour", "day of month", "month", "day of week"):
        assert f"wrong {part}:" in str(refusal.value)


def test_a_good_object_cannot_be_made_bad(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.api.post(collection(namespace), valid_manifest("good"))
    with pytest.raises(ApiError, match="wrong minute"):
        control_plane.api.merge_patch(f"{collection(namespace)}/good", {"spec": {"schedule": "61 * * * *"}})
