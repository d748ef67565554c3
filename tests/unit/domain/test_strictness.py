"""What launchPolicy StrictPod refuses, and what it makes of a template."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.support.orders import CLUSTER, Orders, template
from ticklock.domain.errors import Refused
from ticklock.domain.manifest import build_job
from ticklock.domain.model import LaunchPolicy, ScheduleUid
from ticklock.domain.strictness import check_strict

OURS = {"name": "ticklock.dev/launch"}
THEIRS = {"name": "example.com/quota"}
ORDERS = Orders("shop", uid=ScheduleUid("uid-1"))


def given(pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    plain = template()
    del plain["spec"]["backoffLimit"]
    plain["spec"].update(spec)
    plain["spec"]["template"]["spec"].update(pod or {})
    return plain


def built(job_template: dict[str, Any], policy: LaunchPolicy = LaunchPolicy.STRICT_POD) -> dict[str, Any]:
    order = replace(ORDERS.order(job_template=job_template), launch_policy=policy)
    return build_job(order, cluster=CLUSTER, job_name="report-1")


@pytest.mark.parametrize(
    "fine",
    [
        pytest.param(given(), id="nothing is said"),
        pytest.param(given(backoffLimit=0, completions=1, parallelism=1), id="all is said as it will be"),
        pytest.param(given(completionMode="Indexed", completions=1, backoffLimitPerIndex=0), id="one index"),
        pytest.param(given(podFailurePolicy={"rules": [{"action": "FailJob"}]}), id="failures end it"),
        pytest.param(given({"schedulingGates": [THEIRS]}), id="gates of its own"),
        pytest.param(given({"nodeSelector": {"disk": "fast"}}), id="a choice of nodes"),
    ],
)
def test_what_starts_one_pod_is_taken(fine: dict[str, Any]) -> None:
    check_strict(fine)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        pytest.param(given(backoffLimit=6), "spec.backoffLimit must be 0 or absent", id="retries"),
        pytest.param(given(backoffLimitPerIndex=1), "spec.backoffLimitPerIndex must be 0", id="retries of an index"),
        pytest.param(given(completions=2), "spec.completions must be 1 or absent", id="two completions"),
        pytest.param(given(parallelism=0), "spec.parallelism must be 1 or absent", id="no pod at all"),
        pytest.param(
            given(podFailurePolicy={"rules": [{"action": "Count"}, {"action": "Ignore"}]}),
            r"spec.podFailurePolicy.rules\[1\].action must not be Ignore",
            id="failures that are ignored",
        ),
        pytest.param(given({"restartPolicy": "OnFailure"}), "restartPolicy must be Never", id="restarts"),
        pytest.param(given({"restartPolicy": None}), "restartPolicy must be Never", id="no restart policy"),
        pytest.param(given({"nodeName": "node-0"}), "nodeName must be absent", id="a node"),
        pytest.param(
            given({"schedulingGates": [OURS]}), "schedulingGates must not have ticklock.dev/launch", id="ours"
        ),
    ],
)
@pytest.mark.field("launchPolicy", check="validation")
def test_what_may_start_more_is_refused_by_its_field(bad: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        check_strict(bad)


@pytest.mark.parametrize(
    ("theirs", "gates"),
    [
        pytest.param({}, [OURS], id="none of its own"),
        pytest.param({"schedulingGates": [THEIRS]}, [THEIRS, OURS], id="one of its own"),
        pytest.param({"schedulingGates": None}, [OURS], id="null"),
    ],
)
@pytest.mark.field("launchPolicy", check="semantics")
def test_a_pod_waits_behind_our_gate_and_its_own(theirs: dict[str, Any], gates: list[dict[str, str]]) -> None:
    body = given(theirs)
    before = deepcopy(body)
    job = built(body)
    assert body == before
    assert job["spec"]["template"]["spec"]["schedulingGates"] == gates
    assert job["spec"]["suspend"] is True
    assert job["spec"]["backoffLimit"] == 0


def test_job_and_pods_say_so() -> None:
    strict, plain = built(given()), built(given(), LaunchPolicy.JOB)
    assert strict["metadata"]["annotations"]["ticklock.dev/pod"] == ""
    assert strict["spec"]["template"]["metadata"]["labels"]["ticklock.dev/launch-policy"] == "StrictPod"
    assert "ticklock.dev/pod" not in plain["metadata"]["annotations"]
    assert "ticklock.dev/launch-policy" not in plain["spec"]["template"]["metadata"]["labels"]
    assert "schedulingGates" not in plain["spec"]["template"]["spec"]
    assert "backoffLimit" not in plain["spec"]
