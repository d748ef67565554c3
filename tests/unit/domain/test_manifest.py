import copy
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.orders import CLUSTER, Orders, template
from ticklock.domain.errors import Refused
from ticklock.domain.manifest import build_job, check_template
from ticklock.domain.model import ScheduleUid

ORDERS = Orders("shop", uid=ScheduleUid("uid-1"))
ORDER = ORDERS.order()


def built(job_template: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    order = ORDERS.order(job_template=job_template or template(**spec))
    return build_job(order, cluster=CLUSTER, job_name="report-1")


def env_of(job: dict[str, Any], kind: str = "containers", at: int = 0) -> dict[str, str]:
    return {one["name"]: one["value"] for one in job["spec"]["template"]["spec"][kind][at]["env"]}


def test_the_job_is_suspended_held_and_owned() -> None:
    job = built()
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["finalizers"] == ["ticklock.dev/outcome"]
    assert job["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "ticklock.dev/v1",
            "kind": "ScheduledJob",
            "name": "report",
            "uid": "uid-1",
            "controller": True,
            "blockOwnerDeletion": False,
        },
    ]


def test_the_job_says_which_attempt_it_is() -> None:
    assert built()["metadata"]["annotations"] == {
        "ticklock.dev/run-id": str(ORDER.key.run_id),
        "ticklock.dev/run-key": "tick:1795365000",
        "ticklock.dev/attempt": "1",
        "ticklock.dev/stage": "2",
        "ticklock.dev/generation": "3",
        "ticklock.dev/cluster": str(CLUSTER),
        "ticklock.dev/scheduled-time": "2026-11-22T16:30:00Z",
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-22T16:30:00Z",
        "ticklock.dev/user-suspend": "false",
    }


def test_cronjobs_annotation_is_in_the_schedules_zone() -> None:
    job = build_job(ORDER, cluster=CLUSTER, job_name="x", zone=ZoneInfo("Europe/Berlin"))
    noted = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert noted == "2026-11-22T17:30:00+01:00"


def test_labels_and_annotations_of_the_template_are_kept() -> None:
    given = {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}, **template()}
    metadata = built(given)["metadata"]
    assert metadata["annotations"]["note"] == "b"
    assert metadata["labels"] == {
        "team": "a",
        "app.kubernetes.io/managed-by": "ticklock",
        "ticklock.dev/schedule": "report",
    }


def test_the_templates_own_managed_by_stays() -> None:
    given = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}, **template()}
    assert built(given)["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_nobody_can_pretend_to_be_another_attempt() -> None:
    given = {
        "metadata": {
            "labels": {"ticklock.dev/schedule": "other"},
            "annotations": {"ticklock.dev/attempt": "9", "ticklock.dev/user-suspend": "true"},
        },
        **template(),
    }
    metadata = built(given)["metadata"]
    assert metadata["labels"]["ticklock.dev/schedule"] == "report"
    assert metadata["annotations"]["ticklock.dev/attempt"] == "1"
    assert metadata["annotations"]["ticklock.dev/user-suspend"] == "false"


def test_its_pods_say_which_attempt_they_are_of() -> None:
    given = template()
    given["spec"]["template"]["metadata"] = {
        "labels": {"app": "report", "ticklock.dev/schedule": "other"},
        "annotations": {"note": "b", "ticklock.dev/attempt": "9"},
    }
    metadata = built(given)["spec"]["template"]["metadata"]
    assert metadata["labels"] == {"app": "report", "ticklock.dev/schedule": "report"}
    assert metadata["annotations"] == {
        "note": "b",
        "ticklock.dev/run-id": str(ORDER.key.run_id),
        "ticklock.dev/attempt": "1",
    }


def test_every_container_learns_what_it_runs_for() -> None:
    given = template()
    given["spec"]["template"]["spec"]["initContainers"] = [{"name": "init", "env": [{"name": "A", "value": "$(B)"}]}]
    job = built(given)
    expected = {
        "TICKLOCK_RUN_ID": str(ORDER.key.run_id),
        "TICKLOCK_SCHEDULED_TIME": "2026-11-22T16:30:00Z",
        "TICKLOCK_ATTEMPT": "1",
        "TICKLOCK_FENCING_TOKEN": "7",
    }
    assert env_of(job) == expected
    assert env_of(job, "initContainers") == {**expected, "A": "$(B)"}


def test_the_users_own_variable_of_the_same_name_wins() -> None:
    given = template()
    given["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "TICKLOCK_RUN_ID", "value": "mine"}]
    assert env_of(built(given))["TICKLOCK_RUN_ID"] == "mine"
    assert len(built(given)["spec"]["template"]["spec"]["containers"][0]["env"]) == 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, "Failed", id="unset: a pod is replaced when it has ended, not when it is ending"),
        pytest.param({"podReplacementPolicy": "TerminatingOrFailed"}, "TerminatingOrFailed", id="set: kept"),
    ],
)
def test_pod_replacement(given: dict[str, Any], expected: str) -> None:
    assert built(**given)["spec"]["podReplacementPolicy"] == expected


def test_a_template_that_is_suspended_by_its_user_is_noted() -> None:
    job = built(suspend=True)
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["annotations"]["ticklock.dev/user-suspend"] == "true"


def test_unknown_fields_are_kept_and_the_template_is_not_changed() -> None:
    given = template(brandNew={"a": [1]})
    given["spec"]["template"]["spec"]["alsoNew"] = True
    before = copy.deepcopy(given)
    job = built(given)
    assert given == before
    assert job["spec"]["brandNew"] is given["spec"]["brandNew"]
    assert job["spec"]["template"]["spec"]["alsoNew"] is True


BROKEN: list[Any] = [
    pytest.param([], "spec.jobTemplate must be an object, not a list", id="a list"),
    pytest.param({}, "spec.jobTemplate.spec must be an object, not absent", id="empty"),
    pytest.param({"spec": "x"}, "spec.jobTemplate.spec must be an object, not a text", id="spec is a text"),
    pytest.param({"spec": {}}, "spec.jobTemplate.spec.template must be an object, not absent", id="no pod template"),
    pytest.param(
        {"spec": {"template": {"spec": 5}}},
        "spec.jobTemplate.spec.template.spec must be an object, not a number",
        id="pod spec is a number",
    ),
    pytest.param(
        {"spec": {"template": {"spec": {"containers": "main"}}}},
        "spec.jobTemplate.spec.template.spec.containers must be a list, not a text",
        id="containers is a text",
    ),
    pytest.param(
        {"spec": {"template": {"spec": {"initContainers": [True]}}}},
        r"template.spec.initContainers\[0\] must be an object, not true or false",
        id="an init container is a flag",
    ),
    pytest.param(
        {"spec": {"template": {"spec": {"containers": [{"env": {"A": "b"}}]}}}},
        r"containers\[0\].env must be a list of objects",
        id="env as a mapping",
    ),
    pytest.param(
        {**template(), "metadata": {"labels": {"a": 1}}},
        r"spec.jobTemplate.metadata.labels\['a'\] must be a text: put it in quotes",
        id="a label is a number",
    ),
    pytest.param(
        {"spec": {"template": {"metadata": {"annotations": {"a": True}}, "spec": {}}}},
        r"spec.jobTemplate.spec.template.metadata.annotations\['a'\] must be a text: put it in quotes",
        id="an annotation of the pods is a flag",
    ),
    pytest.param(
        template(suspend="yes"), "spec.jobTemplate.spec.suspend must be true or false", id="suspend is a text"
    ),
    pytest.param(template(managedBy="kueue"), "spec.jobTemplate.spec.managedBy must be", id="another controller's Job"),
    pytest.param(
        {**template(), "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "q"}}},
        r"labels\['kueue.x-k8s.io/queue-name'\] must be absent: Kueue",
        id="Kueue would let it go",
    ),
]


@pytest.mark.parametrize(("given", "complaint"), BROKEN)
def test_an_unusable_template_is_refused_by_the_name_of_its_field(given: object, complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        check_template(given)


@pytest.mark.parametrize("given", [one.values[0] for one in BROKEN[1:8]])
def test_what_the_check_refuses_is_refused_at_the_building_too(given: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        build_job(ORDERS.order(job_template=given), cluster=CLUSTER, job_name="x")


def test_null_containers_are_left_for_the_api_server_to_refuse() -> None:
    given = template()
    given["spec"]["template"]["spec"]["containers"] = None
    check_template(given)
    assert built(given)["spec"]["template"]["spec"]["containers"] is None
