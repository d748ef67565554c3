from typing import Any

import orjson
import pytest

from tests.support.scripted_server import Answer, Script, breaks, hangs, refuses, says, serving, streams
from ticklock.domain.errors import Conflict, Refused, Transient
from ticklock.domain.model import JobUid
from ticklock.kube.client import Content, K8sApi, Manner
from ticklock.kube.errors import ApiError
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.resources import JOBS

PLACE = JOBS.one("shop", "report")
JOB = {"kind": "Job", "metadata": {"namespace": "shop", "name": "report", "uid": "u"}, "spec": {"suspend": False}}


async def ask(api: K8sApi, verb: str = "GET", *, seconds: float = 5) -> dict[str, Any]:
    return await api.request(verb, PLACE, manner=Manner(seconds=seconds))


async def test_a_request_is_what_was_asked_for() -> None:
    script = Script(says(201, JOB))
    async with serving(script, token=lambda: "Bearer secret") as access, K8sApi(access) as api:
        query = {"fieldManager": "ticklock"}
        patch = {"a": None}
        assert await api.request("PATCH", PLACE, body=patch, content=Content.MERGE_PATCH, query=query) == JOB
    [request] = script.asked
    assert (request.method, request.path_qs) == (
        "PATCH",
        "/apis/batch/v1/namespaces/shop/jobs/report?fieldManager=ticklock",
    )
    assert request.headers["Content-Type"] == "application/merge-patch+json"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["User-Agent"].startswith("ticklock/")
    assert script.bodies == [b'{"a":null}']


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(hangs, id="no answer in time"),
        pytest.param(breaks, id="a broken connection"),
        pytest.param(says(200, [1]), id="an answer that is no object"),
        pytest.param(streams(b"{"), id="an answer that is cut off"),
    ],
)
async def test_without_a_readable_answer_nothing_is_known_and_nothing_is_repeated(answer: Answer) -> None:
    script = Script(answer)
    async with serving(script) as access, K8sApi(access) as api:
        with pytest.raises(Transient, match="POST /apis/batch"):
            await ask(api, "POST", seconds=0.2)
    assert len(script.asked) == 1


async def test_a_server_that_is_not_there_is_transient() -> None:
    async with serving(Script(hangs)) as access:
        pass
    async with K8sApi(access) as api:
        with pytest.raises(Transient):
            await ask(api)


async def test_a_refusal_is_kept_with_its_causes() -> None:
    causes = [{"reason": "FieldValueInvalid", "field": "metadata.uid", "message": "immutable"}, 5]
    body = {"reason": "Invalid", "message": "wrong", "details": {"causes": causes}}
    async with serving(Script(says(422, body))) as access, K8sApi(access) as api:
        with pytest.raises(ApiError) as refusal:
            await ask(api)
    assert (refusal.value.status, refusal.value.reason, refusal.value.message) == (422, "Invalid", "wrong")
    assert refusal.value.names("metadata.uid")
    assert not refusal.value.names("metadata")


@pytest.mark.parametrize(
    ("answer", "error", "retry_after"),
    [
        pytest.param(refuses(429, "TooManyRequests", Retry_After="7"), Transient, 7.0, id="429 says when"),
        pytest.param(refuses(503, "ServiceUnavailable", Retry_After="soon"), Transient, None, id="503 says nonsense"),
        pytest.param(refuses(504, "Timeout"), Transient, None, id="504: it may have happened"),
        pytest.param(refuses(500, "InternalError"), Transient, None, id="500, such as a webhook that is down"),
        pytest.param(refuses(403, "Forbidden"), Transient, None, id="403: rights and quotas change"),
        pytest.param(refuses(404, "NotFound"), Transient, None, id="404: the namespace may come"),
        pytest.param(refuses(409, "Conflict"), Transient, None, id="409 of a quota's bookkeeping"),
        pytest.param(refuses(409, "AlreadyExists"), Conflict, None, id="409: the name is taken"),
        pytest.param(refuses(422, "Invalid"), Refused, None, id="422"),
        pytest.param(refuses(400, "BadRequest"), Refused, None, id="400"),
        pytest.param(refuses(413, "RequestEntityTooLarge"), Refused, None, id="413"),
    ],
)
async def test_what_a_refused_creation_means(answer: Answer, error: type[Exception], retry_after: float | None) -> None:
    script = Script(answer)
    async with serving(script) as access, K8sApi(access) as api:
        with pytest.raises(error) as refusal:
            await KubeJobs(api).create("shop", JOB)
    assert getattr(refusal.value, "retry_after", None) == retry_after
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([refuses(409, "Conflict")], id="409"),
        pytest.param([refuses(422, "Invalid"), says(200, JOB), refuses(422, "Invalid")], id="422 of an admission rule"),
        pytest.param([refuses(404, "", "page not found")], id="a 404 that is not the API server's"),
        pytest.param([refuses(422, "Invalid"), refuses(503, "ServiceUnavailable")], id="the confirming read fails"),
        pytest.param([refuses(429, "TooManyRequests")], id="429"),
    ],
)
async def test_only_a_job_that_is_seen_to_be_gone_is_gone(answers: list[Answer]) -> None:
    async with serving(Script(*answers)) as access, K8sApi(access) as api:
        with pytest.raises(Transient):
            await KubeJobs(api).launch("shop", "report", JobUid("u"))


async def test_a_401_is_answered_with_a_token_read_anew() -> None:
    tokens = iter(["Bearer first", "Bearer first", "Bearer second", "Bearer third"])
    script = Script(refuses(401, "Unauthorized"), says(200, JOB))
    async with serving(script, token=lambda: next(tokens)) as access, K8sApi(access) as api:
        assert await ask(api, "POST") == JOB
    assert [request.headers["Authorization"] for request in script.asked] == ["Bearer first", "Bearer second"]


async def test_a_second_401_is_given_up() -> None:
    script = Script(refuses(401, "Unauthorized"))
    async with serving(script) as access, K8sApi(access) as api:
        with pytest.raises(ApiError, match="401"):
            await ask(api)
    assert len(script.asked) == 2


async def test_every_request_is_measured() -> None:
    seen: list[tuple[str, str, int]] = []

    def measure(verb: str, resource: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        seen.append((verb, resource, status))

    script = Script(says(200, JOB), refuses(404, "NotFound"), breaks)
    async with serving(script) as access, K8sApi(access, on_request=measure) as api:
        await ask(api)
        with pytest.raises(ApiError):
            await ask(api, "DELETE")
        with pytest.raises(Transient):
            await api.request("PATCH", JOBS.one("shop", "report", "status"))
    assert seen == [("GET", "jobs", 200), ("DELETE", "jobs", 404), ("PATCH", "jobs/status", 0)]


async def test_a_list_is_read_page_by_page() -> None:
    first = {"metadata": {"continue": "more", "resourceVersion": "5"}, "items": [1]}
    last = {"metadata": {"continue": "", "resourceVersion": "5"}, "items": [2]}
    script = Script(says(200, first), says(200, last))
    async with serving(script) as access, K8sApi(access) as api:
        pages = [page["items"] async for page in api.pages(JOBS.all(), {"labelSelector": "a"})]
    assert pages == [[1], [2]]
    assert [dict(request.query) for request in script.asked] == [
        {"limit": "500", "labelSelector": "a"},
        {"limit": "500", "labelSelector": "a", "continue": "more"},
    ]


async def test_a_watch_is_cut_into_lines_however_it_arrives() -> None:
    long = orjson.dumps({"n": "x" * 2**20}) + b"\n"
    script = Script(streams(b'{"a":', b"1}\n{", b'"b":2}\n{"c":3}\n', long[:700_000], long[700_000:]))
    async with (
        serving(script) as access,
        K8sApi(access) as api,
        api.stream(JOBS.all(), {"resourceVersion": "5"}, silence_seconds=5) as events,
    ):
        assert [list(event) async for event in events] == [["a"], ["b"], ["c"], ["n"]]
    assert dict(script.asked[0].query) == {"resourceVersion": "5", "watch": "1"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(streams(b'{"a":1}\n', b"nonsense\n"), Transient, id="a line that is no JSON"),
        pytest.param(streams(b'{"a":1}\n', then_hang=True), Transient, id="silence"),
        pytest.param(breaks, Transient, id="a broken connection"),
        pytest.param(refuses(410, "Expired"), ApiError, id="a version that expired"),
    ],
)
async def test_a_watch_that_goes_wrong_says_so(answer: Answer, error: type[Exception]) -> None:
    async with serving(Script(answer)) as access, K8sApi(access) as api:
        with pytest.raises(error):
            async with api.stream(JOBS.all(), {}, silence_seconds=0.2) as events:
                assert [event async for event in events]


async def test_a_client_that_is_not_open_says_so() -> None:
    async with serving(Script(hangs)) as access:
        with pytest.raises(RuntimeError, match="async with"):
            await ask(K8sApi(access))


@pytest.mark.parametrize(
    ("namespace", "path"),
    [
        pytest.param(None, "/apis/batch/v1/jobs", id="of the whole cluster"),
        pytest.param("team-a", "/apis/batch/v1/namespaces/team-a/jobs", id="of the only namespace that is served"),
    ],
)
async def test_everything_is(namespace: str | None, path: str) -> None:
    async with serving(Script(says(200, {}))) as access, K8sApi(access, namespace=namespace) as api:
        assert api.everything(JOBS).path == path
