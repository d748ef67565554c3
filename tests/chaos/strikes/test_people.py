"""What people do is done, and written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.folder import load
from tests.chaos.history import Action, ClientOp, Phase
from tests.support.waiting import eventually
from tools.devcluster.kubeapi import ApiError

if TYPE_CHECKING:
    from tests.chaos.battlefield import Battlefield
    from tests.chaos.strikes.conftest import Strike


def done(field: Battlefield, action: Action) -> int:
    """How many operations of that kind the API server has said yes to."""
    return sum(entry.action is action and entry.phase is Phase.OK for entry in load(field.folder).each(ClientOp))


@pytest.mark.parametrize(
    ("name", "action"),
    [
        pytest.param("job-deleted", Action.DELETE_JOB),
        pytest.param("finalizer-stripped", Action.STRIP_FINALIZER),
        pytest.param("job-suspended", Action.SUSPEND_JOB),
        pytest.param("job-suspended", Action.LET_JOB_GO),
        pytest.param("job-let-go-early", Action.LET_JOB_GO),
        pytest.param("schedule-edited", Action.EDIT),
        pytest.param("schedule-suspended", Action.SUSPEND),
        pytest.param("schedule-suspended", Action.RESUME),
        pytest.param("run-triggered", Action.TRIGGER),
        pytest.param("schedule-recreated", Action.DELETE),
        pytest.param("schedule-recreated", Action.CREATE),
        pytest.param("namespace-recreated", Action.CREATE),
    ],
)
def test_it_is_done_and_written_down(field: Battlefield, strike: Strike, name: str, action: Action) -> None:
    before = done(field, action)

    def struck() -> bool:
        with strike(name):
            pass
        return done(field, action) > before

    eventually(struck, what=f"somebody did {action}: there was a Job to do it to")


def test_a_namespace_and_all_in_it_are_others_afterwards(field: Battlefield, strike: Strike) -> None:
    inside = {one.name: one.uid for one in field.estate if one.namespace == field.doomed_namespace}
    assert inside
    path = f"/api/v1/namespaces/{field.doomed_namespace}"
    before = field.cluster.api.get(path)["metadata"]["uid"]
    with strike("namespace-recreated"):
        pass
    assert field.cluster.api.get(path)["metadata"]["uid"] != before
    assert not inside.items() & {(one.name, one.uid) for one in field.estate}


def test_nobody_may_create_a_job_while_the_quota_is_full(field: Battlefield, strike: Strike) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
    job = {"metadata": {"generateName": "one-too-many-"}, "spec": {"suspend": True, "template": {"spec": pod}}}

    def refused(path: str) -> bool:
        try:
            field.cluster.api.post(path, job)
        except ApiError as refusal:
            return "exceeded quota" in str(refusal)
        return False

    with strike("quota-full") as said:
        path = f"/apis/batch/v1/namespaces/{said['namespace']}/jobs"
        eventually(lambda: refused(path), what="the quota refuses")
    eventually(lambda: not refused(path), what="Jobs may be created")
