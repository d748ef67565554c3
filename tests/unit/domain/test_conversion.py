"""CronJobs become ScheduledJobs: what stays, what is said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.cronjob_shapes import Shape
from tests.support.cronjob_shapes_more import ALL_SHAPES
from tests.support.orders import CLUSTER, Orders, template
from ticklock.domain.conversion import Conversion, Weight, Wishes, convert, is_cronjob
from ticklock.domain.manifest import build_job
from ticklock.domain.parse import declared
from ticklock.domain.timing import declared_timetable

NOW = datetime(2026, 2, 1, tzinfo=UTC)
KNOWN = {"namespace": "shop", "uid": "u", "creationTimestamp": "2026-02-01T00:00:00Z"}


def cronjob(metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    calm = template(podReplacementPolicy="Failed")
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly", **(metadata or {})},
        "spec": {"schedule": "*/5 * * * *", "timeZone": "Etc/UTC", "jobTemplate": calm, **spec},
    }


def converted(body: dict[str, Any], **wishes: Any) -> Conversion:
    return convert(body, now=NOW, wishes=Wishes(**wishes))


def test_there_are_at_least_twenty_five_shapes() -> None:
    assert len({shape.name for shape in ALL_SHAPES}) >= 25


@pytest.mark.parametrize("shape", ALL_SHAPES, ids=lambda shape: shape.name)
def test_every_shape_converts_and_its_template_launches_unchanged(shape: Shape) -> None:
    body = shape.manifest()
    done = converted(body)
    assert not done.fails, done.notes
    assert (done.manifest["apiVersion"], done.manifest["kind"]) == ("ticklock.dev/v1", "ScheduledJob")
    assert done.manifest["spec"] == body["spec"]
    item = declared({**done.manifest, "metadata": {**done.manifest["metadata"], **KNOWN}})
    assert item is not None
    assert item.rule is not None, item.problem
    assert declared_timetable(item, item.rule).next(NOW) is not None
    order = Orders("shop").order(job_template=item.rule.job_template)
    job = build_job(order, cluster=CLUSTER, job_name="made")["spec"]
    asked = body["spec"]["jobTemplate"]["spec"]
    ours = {"suspend", "podReplacementPolicy", "template"}
    assert {key: value for key, value in job.items() if key not in ours} == {
        key: value for key, value in asked.items() if key not in ours
    }
    pod, asked_pod = job["template"]["spec"], asked["template"]["spec"]
    assert {key: value for key, value in pod.items() if not key.lower().endswith("containers")} == {
        key: value for key, value in asked_pod.items() if not key.lower().endswith("containers")
    }


@pytest.mark.parametrize(
    ("body", "weight", "words"),
    [
        pytest.param(cronjob(schedule="TZ=Asia/Tokyo 5 4 * * *"), Weight.CHANGED, "moved from schedule", id="a prefix"),
        pytest.param(cronjob(timeZone=None), Weight.DIFFERS, "timeZone is unset", id="no zone"),
        pytest.param(cronjob(schedule="@every 90m"), Weight.DIFFERS, "@every is counted from", id="an interval"),
        pytest.param(cronjob(concurrencyPolicy="Replace"), Weight.DIFFERS, "Replace waits", id="Replace"),
        pytest.param(cronjob(concurrencyPolicy="Forbid"), Weight.DIFFERS, "Forbid counts", id="Forbid"),
        pytest.param(cronjob(suspend=True), Weight.DIFFERS, "suspend is true, and kept", id="suspended"),
        pytest.param(
            cronjob(jobTemplate=template()), Weight.DIFFERS, "podReplacementPolicy is unset", id="replacement of pods"
        ),
        pytest.param(
            cronjob(jobTemplate=template(backoffLimit=None, podReplacementPolicy="Failed")),
            Weight.DIFFERS,
            "backoffLimit is unset",
            id="no limit of retries",
        ),
        pytest.param(cronjob({"ownerReferences": [{}]}), Weight.CHANGED, "ownerReferences are left out", id="owned"),
        pytest.param(cronjob({"finalizers": ["a/b"]}), Weight.CHANGED, "finalizers are left out", id="a finalizer"),
        pytest.param(
            cronjob({"labels": {"app.kubernetes.io/managed-by": "Helm"}}), Weight.DIFFERS, "Helm owns", id="of Helm"
        ),
        pytest.param(
            cronjob(schedule="30 2 * * *", timeZone="Europe/Berlin"),
            Weight.DIFFERS,
            "runs once (2026-03-29: 02:30 does not exist on this day: shifted to 03:00)",
            id="a time that a clock change leaves out",
        ),
        pytest.param(
            cronjob(schedule="30 1 * * *", timeZone="America/New_York"),
            Weight.DIFFERS,
            "runs once (2026-11-01: 01:30 exists twice",
            id="a time that a clock change repeats",
        ),
        pytest.param(cronjob(schedule="*-5 * * * *"), Weight.FAILS, "spec.schedule: minute", id="only robfig reads it"),
        pytest.param(cronjob(schedule="0 0 31 2 *"), Weight.FAILS, "never fires", id="31 February"),
        pytest.param(
            cronjob(jobTemplate=template(managedBy="example.com/x")), Weight.FAILS, "managedBy", id="managed by another"
        ),
        pytest.param({"apiVersion": "batch/v1", "kind": "CronJob"}, Weight.FAILS, "", id="nothing but a kind"),
    ],
)
def test_what_differs_is_said(body: dict[str, Any], weight: Weight, words: str) -> None:
    found = [note for note in converted(body).notes if note.weight is weight]
    assert any(words in note.text for note in found), converted(body).notes


def test_of_what_does_not_differ_nothing_is_said() -> None:
    assert converted(cronjob()).notes == ()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"schedule": "*/30 * * * *"}, id="a star follows real time in both"),
        pytest.param({"schedule": "30 12 * * *"}, id="noon is no night"),
        pytest.param({"schedule": "30 2 * * *", "timeZone": "Asia/Tokyo"}, id="no clock changes"),
    ],
)
def test_of_nights_that_change_nothing_nothing_is_said(changes: dict[str, Any]) -> None:
    assert converted(cronjob(**{"timeZone": "Europe/Berlin", **changes})).notes == ()


def test_the_nights_of_a_cronjob_can_be_kept() -> None:
    done = converted(cronjob(schedule="30 2 * * *", timeZone="Europe/Berlin"), cronjob_nights=True)
    assert done.manifest["spec"]["dst"] == {"nonexistent": "Skip", "ambiguous": "Both"}
    assert done.notes == ()


def test_a_start_is_written_for_the_hand_over() -> None:
    assert converted(cronjob(), start_at=NOW).manifest["spec"]["startAt"] == "2026-02-01T00:00:00Z"


def test_only_what_a_user_writes_is_kept_of_the_metadata() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "billing"}
    live = {
        "uid": "u",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "managedFields": [{}],
        "annotations": applied,
        "labels": {"app": "a"},
    }
    done = converted({**cronjob(live), "status": {"active": [{}]}})
    assert done.manifest["metadata"] == {"name": "nightly", "labels": {"app": "a"}, "annotations": {"team": "billing"}}
    assert "status" not in done.manifest


def test_the_zone_of_the_field_wins_over_a_prefix() -> None:
    done = converted(cronjob(schedule="CRON_TZ=Asia/Tokyo 5 4 * * *", timeZone="Europe/Berlin"))
    assert (done.manifest["spec"]["schedule"], done.manifest["spec"]["timeZone"]) == ("5 4 * * *", "Europe/Berlin")


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        pytest.param("batch/v1", "CronJob", True, id="a CronJob"),
        pytest.param("batch/v1beta1", "CronJob", True, id="of an older cluster"),
        pytest.param("batch/v1", "Job", False, id="a Job"),
        pytest.param("example.com/v1", "CronJob", False, id="a namesake"),
    ],
)
def test_what_a_cronjob_is(api_version: str, kind: str, expected: bool) -> None:  # noqa: FBT001 - a row of the table
    assert is_cronjob({"apiVersion": api_version, "kind": kind}) is expected
