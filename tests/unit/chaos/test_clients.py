"""What a client writes down of each request, and what it makes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.clients import Client, Standing
from tests.chaos.folder import Recorder, load
from tests.chaos.history import Action, ClientOp, Meta, Phase
from tests.chaos.operations import Operation
from tests.support.place import manifest
from tools.devcluster.kubeapi import ApiError, Credentials, KubeApi

Answer = Callable[[], dict[str, Any]]
MADE = {"metadata": {"uid": "u-1", "generation": 1, "creationTimestamp": "2023-11-14T22:13:20Z"}}
EDITED = {"metadata": {"uid": "u-1", "generation": 2, "creationTimestamp": "2023-11-14T22:13:20Z"}}


class Scripted(KubeApi):
    """An API server that gives these answers, one after the other."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def request(self, method: str, path: str, body: Any = None, *, content_type: str = "") -> dict[str, Any]:
        self.asked.append((method, path, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def refusal(status: int) -> ApiError:
    return ApiError(status, {"message": "no"}, "PATCH")


def person(folder: Path, monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any] | Exception) -> Client:
    monkeypatch.setattr("tests.chaos.clients.KubeApi", lambda *_, **__: Scripted(*answers))
    return Client(
        "client-0", Credentials("https://none", folder), Recorder(folder, Meta(seed=1, seconds=1, command=""))
    )


def standing() -> Standing:
    return Standing("n", "s", manifest("s", "@every 5s", concurrencyPolicy="Forbid"), uid="u-1")


def written(folder: Path) -> list[ClientOp]:
    return list(load(folder).each(ClientOp))


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        pytest.param(EDITED, Phase.OK, id="a yes"),
        pytest.param(refusal(404), Phase.FAIL, id="a no"),
        pytest.param(refusal(429), Phase.FAIL, id="not now"),
        pytest.param(refusal(504), Phase.INFO, id="a time-out of the server: it may have happened"),
        pytest.param(OSError("reset"), Phase.INFO, id="no answer: it may have happened"),
    ],
)
def test_the_phases_of_an_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | Exception, phase: Phase
) -> None:
    one = standing()
    done = person(tmp_path, monkeypatch, answer).edit(one, schedule="@every 9s")
    asked, answered = written(tmp_path)
    assert (asked.phase, answered.phase) == (Phase.INVOKE, phase)
    assert asked.op == answered.op
    assert asked.spec is not None
    assert (asked.spec.schedule, asked.spec.concurrency) == ("@every 9s", "Forbid"), "the spec whole"
    assert (done is not None) is (phase is Phase.OK)
    assert one.spec.schedule == ("@every 9s" if phase is Phase.OK else "@every 5s")
    assert answered.generation == (2 if phase is Phase.OK else None)


def test_a_creation_tells_uid_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Standing("n", "s", manifest("s", "@every 5s"))
    person(tmp_path, monkeypatch, MADE).create(one)
    asked, answered = written(tmp_path)
    assert one.uid == "u-1"
    assert (asked.schedule_uid, answered.schedule_uid) == (None, "u-1")
    assert answered.created_at == 1_700_000_000


def test_an_older_object_that_came_back_is_told_by_its_own_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = standing()
    person(tmp_path, monkeypatch, {"metadata": {"uid": "u-0", "generation": 1}}).trigger(one, "now")
    asked, answered = written(tmp_path)
    assert (asked.schedule_uid, answered.schedule_uid, one.uid) == ("u-1", "u-0", "u-0")
    (operation,) = Operation.all_of(load(tmp_path))
    assert operation.schedule_uid == "u-0"


def test_a_namespace_that_goes_is_a_deletion_of_each_schedule_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with person(tmp_path, monkeypatch, {}).deleting_namespace("n", [standing()]):
        assert [entry.phase for entry in written(tmp_path)] == [Phase.INVOKE]
    assert [(entry.action, entry.phase) for entry in written(tmp_path)] == [
        (Action.DELETE, Phase.INVOKE),
        (Action.DELETE, Phase.OK),
    ]


def test_a_job_is_deleted_by_its_uid_and_with_its_pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = person(tmp_path, monkeypatch, {})
    client.delete_job({"metadata": {"namespace": "n", "name": "s-1", "uid": "j-1"}})
    assert isinstance(client.api, Scripted)
    assert client.api.asked == [
        (
            "DELETE",
            "/apis/batch/v1/namespaces/n/jobs/s-1",
            {"propagationPolicy": "Background", "preconditions": {"uid": "j-1"}},
        )
    ]
    assert [entry.object_uid for entry in written(tmp_path)] == ["j-1", "j-1"]
