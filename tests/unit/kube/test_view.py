from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.orders import Orders
from ticklock.domain.model import AttemptState, ScheduleUid
from ticklock.kube.view import pod_view, view
from ticklock.ports import PodPhase

ORDERS = Orders("shop", uid=ScheduleUid("uid-1"))


def stored(status: Any = None, *, metadata: Any = None, spec: Any = None) -> dict[str, Any]:
    job = ORDERS.job()
    job["metadata"] = {**job["metadata"], "uid": "job-uid", "resourceVersion": "17", **(metadata or {})}
    job["spec"] = {**job["spec"], **(spec or {})}
    return {**job, "status": status}


def annotated(**changes: Any) -> dict[str, Any]:
    notes = {f"ticklock.dev/{key.replace('_', '-')}": value for key, value in changes.items()}
    return stored(metadata={"annotations": {**ORDERS.job()["metadata"]["annotations"], **notes}})


def test_our_own_manifest_is_read_back() -> None:
    order = ORDERS.order()
    job = view(stored())
    assert (job.key, job.run_key, job.stage) == (order.key, order.run_key, order.stage)
    assert (job.owner_uid, job.owner_name) == ("uid-1", "report")
    assert job.scheduled_time == order.scheduled_time
    assert (job.suspended, job.held, job.deleting, job.finished) == (True, True, False, None)
    assert (job.uid, job.resource_version) == ("job-uid", "17")


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(annotated(run_id="not a uuid"), id="a run id that is none"),
        pytest.param(annotated(run_id=None), id="no run id"),
        pytest.param(annotated(attempt="0"), id="attempt 0"),
        pytest.param(annotated(attempt="-1"), id="a negative attempt"),
        pytest.param(annotated(attempt="9" * 40), id="an attempt beyond any number"),
        pytest.param(annotated(attempt="\N{SUPERSCRIPT TWO}"), id="a digit that is no number"),
        pytest.param(stored(metadata={"annotations": []}), id="annotations are a list"),
        pytest.param({}, id="an empty object"),
        pytest.param({"metadata": 5, "spec": [], "status": "x"}, id="nothing as it should be"),
    ],
)
def test_a_job_that_cannot_be_told_is_not_ours(job: dict[str, Any]) -> None:
    assert view(job).key is None


def condition(kind: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": kind, "status": status, "lastTransitionTime": "2026-11-22T16:31:00Z", **more}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        pytest.param([condition("Complete")], AttemptState.COMPLETED, id="complete"),
        pytest.param([condition("Suspended", "False"), condition("Failed")], AttemptState.FAILED, id="failed"),
        pytest.param([condition("FailureTarget")], None, id="will fail, pods are still ending"),
        pytest.param([condition("SuccessCriteriaMet")], None, id="will complete, pods are still ending"),
        pytest.param([condition("Complete", "False")], None, id="not complete"),
        pytest.param([None, 5, {"type": ["Complete"]}], None, id="garbage"),
        pytest.param("Complete", None, id="no list"),
    ],
)
def test_a_job_has_ended_when_its_final_condition_stands(conditions: Any, expected: AttemptState | None) -> None:
    assert view(stored({"conditions": conditions})).finished is expected


def test_the_end_says_when_and_why() -> None:
    failed = condition("Failed", reason="BackoffLimitExceeded", message="too many")
    job = view(stored({"conditions": [failed], "startTime": "2026-11-22T16:30:01Z", "failed": 2, "active": 0}))
    assert job.message == "BackoffLimitExceeded: too many"
    assert job.finished_at == datetime(2026, 11, 22, 16, 31, tzinfo=UTC)
    assert job.started_at == datetime(2026, 11, 22, 16, 30, 1, tzinfo=UTC)
    assert (job.failed_pods, job.active_pods) == (2, 0)


@pytest.mark.parametrize(
    ("job", "suspended"),
    [
        pytest.param(stored(spec={"suspend": False}), False, id="let go"),
        pytest.param(annotated(user_suspend="true"), True, id="waits for us and for its user"),
        pytest.param(annotated(user_suspend="true", launched="true"), False, id="waits for its user only"),
        pytest.param(annotated(launched="true"), True, id="a mark on a Job that waits for no user says nothing"),
    ],
)
def test_suspended_means_not_launched(job: dict[str, Any], *, suspended: bool) -> None:
    assert view(job).suspended is suspended


def test_only_the_controlling_owner_counts() -> None:
    owners = [{"uid": "a", "name": "a"}, {"uid": "b", "name": "b", "controller": True}]
    assert view(stored(metadata={"ownerReferences": owners})).owner_uid == "b"
    assert view(stored(metadata={"ownerReferences": owners[:1]})).owner_uid is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=6), children, max_size=3),
    max_leaves=6,
)
PART = st.dictionaries(st.sampled_from(["annotations", "ownerReferences", "finalizers", "conditions", "active"]), JSON)


@given(PART, PART, PART)
def test_no_job_whatsoever_stops_the_reading(metadata: Any, spec: Any, status: Any) -> None:
    assert view({"metadata": metadata, "spec": spec, "status": status}).namespace == ""


# ----------------------------------------------------------------------------------------------------------------- pods


def pod(status: Any = None, **metadata: Any) -> dict[str, Any]:
    template = ORDERS.job()["spec"]["template"]["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "report-1", "uid": "job-uid", "controller": True}
    known = {
        "namespace": "shop",
        "name": "report-1-x",
        "uid": "pod-uid",
        "creationTimestamp": "2026-11-22T16:30:00Z",
        "ownerReferences": [owner],
        "finalizers": ["batch.kubernetes.io/job-tracking"],
    }
    return {"metadata": {**template, **known, **metadata}, **({} if status is None else {"status": status})}


def test_a_pod_of_our_manifest_is_read_back() -> None:
    found = pod_view(pod())
    assert found is not None
    assert found.key == ORDERS.order().key
    assert (found.job_uid, found.job_name, found.uid, found.name) == ("job-uid", "report-1", "pod-uid", "report-1-x")
    assert (found.tracked, found.deleting, found.index, found.phase, found.ended_at) == (True, False, "", None, None)


def test_a_whole_pod_tells_how_far_it_came() -> None:
    ends = [
        {"state": {"terminated": {"finishedAt": "2026-11-22T16:30:07Z"}}},
        {"state": {"terminated": {"finishedAt": "2026-11-22T16:30:09Z"}}},
        {"state": {"running": {}}},
    ]
    found = pod_view(pod({"phase": "Failed", "containerStatuses": ends}, finalizers=None, deletionTimestamp="x"))
    assert found is not None
    assert (found.phase, found.ended_at) == (PodPhase.FAILED, datetime(2026, 11, 22, 16, 30, 9, tzinfo=UTC))
    assert (found.tracked, found.deleting) == (False, True)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="an empty object"),
        pytest.param(pod(ownerReferences=None), id="nobody owns it"),
        pytest.param(
            pod(ownerReferences=[{"kind": "ReplicaSet", "uid": "x", "controller": True}]), id="no Job owns it"
        ),
        pytest.param(pod(creationTimestamp="yesterday"), id="nobody knows since when"),
        pytest.param({"metadata": 5, "status": []}, id="nothing as it should be"),
    ],
)
def test_a_pod_that_no_job_owns_is_none_of_ours(body: dict[str, Any]) -> None:
    assert pod_view(body) is None


GATE, OTHER_GATE = {"name": "ticklock.dev/launch"}, {"name": "example.com/quota"}


@pytest.mark.parametrize(
    ("spec", "gate", "unassigned"),
    [
        pytest.param({"schedulingGates": [OTHER_GATE, GATE]}, 1, True, id="ours is the second"),
        pytest.param({"schedulingGates": [OTHER_GATE]}, None, True, id="ours is off"),
        pytest.param({"containers": []}, None, True, id="none, and no node yet"),
        pytest.param({"nodeName": "node-0"}, None, False, id="a node has it"),
        pytest.param({"schedulingGates": "ticklock.dev/launch"}, None, True, id="no list"),
        pytest.param({}, None, False, id="only metadata: nothing is known of nodes"),
    ],
)
def test_whether_a_pod_waits(spec: dict[str, Any], gate: int | None, unassigned: bool) -> None:  # noqa: FBT001
    found = pod_view({**pod(labels={"ticklock.dev/launch-policy": "StrictPod"}), "spec": spec})
    assert found is not None
    assert (found.strict, found.gate, found.unassigned) == (True, gate, unassigned)


@given(PART, PART)
def test_no_pod_whatsoever_stops_the_reading(metadata: Any, status: Any) -> None:
    owned = pod()["metadata"]
    found = pod_view({"metadata": {**owned, **metadata, "ownerReferences": owned["ownerReferences"]}, "status": status})
    assert found is not None
    assert found.uid == "pod-uid"


@pytest.mark.parametrize("phase", [5, [], {}, "Odd", None])
def test_a_phase_that_is_none_is_not_known(phase: object) -> None:
    found = pod_view(pod({"phase": phase}))
    assert found is not None
    assert found.phase is None


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param({}, 1, id="nothing is said"),
        pytest.param({"parallelism": 3}, 3, id="a queue of work"),
        pytest.param({"completions": 5, "parallelism": 2}, 5, id="so many completions"),
        pytest.param({"completions": 5, "completionMode": "Indexed"}, 1, id="Indexed: one for each index"),
        pytest.param({"completions": 0}, 1, id="none at all"),
        pytest.param({"completions": "five"}, 1, id="no number"),
    ],
)
def test_how_many_pods_a_job_asks_for(spec: dict[str, Any], wanted: int) -> None:
    assert view(stored(spec=spec)).wanted_pods == wanted
