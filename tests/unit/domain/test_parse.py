from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.orders import template
from ticklock.domain.catch_up import CatchUp, CatchUpPolicy
from ticklock.domain.model import ConcurrencyPolicy, Declared, ObjectRef, Priority, ScheduleUid
from ticklock.domain.parse import declared
from ticklock.domain.reasons import Reason
from ticklock.domain.times import Ambiguous, Nonexistent, Times

CREATED = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
REMOVED = object()


def body(metadata: dict[str, Any] | None = None, status: Any = None, **spec: Any) -> dict[str, Any]:
    """A valid object with changes; REMOVED takes a field out of the spec."""
    fields = {"schedule": "*/5 * * * *", "jobTemplate": template(), **spec}
    return {
        "metadata": {
            "namespace": "shop",
            "name": "report",
            "uid": "uid-1",
            "generation": 4,
            "creationTimestamp": "2026-11-22T16:00:00Z",
            **(metadata or {}),
        },
        "spec": {field: value for field, value in fields.items() if value is not REMOVED},
        "status": status,
    }


def read(given_body: dict[str, Any]) -> Declared:
    found = declared(given_body)
    assert found is not None
    return found


def test_an_object_with_nothing_but_the_necessary_has_cronjobs_defaults() -> None:
    found = read(body())
    assert found.problem is None
    assert found.rule is not None
    assert found.ref == ObjectRef("shop", "report", ScheduleUid("uid-1"))
    assert (found.generation, found.created_at, found.deleting) == (4, CREATED, False)
    assert (found.trigger, found.last_trigger, found.witness, found.ledger_seq) == (None, None, None, 0)
    rule = found.rule
    assert (rule.expression, rule.time_zone, rule.suspend) == ("*/5 * * * *", None, False)
    assert (rule.concurrency, rule.starting_deadline) == (ConcurrencyPolicy.ALLOW, None)
    assert (rule.keep_successful, rule.keep_failed) == (3, 1)
    assert (rule.queue, rule.priority) == ("default", Priority.REGULAR)
    assert rule.job_template == template()


def test_every_field_is_read() -> None:
    found = read(
        body(
            {"annotations": {"ticklock.dev/trigger": "now"}, "deletionTimestamp": "2026-11-22T17:00:00Z"},
            {"lastScheduleTime": "2026-11-22T16:05:00Z", "lastTrigger": "before", "ledgerSeq": 12},
            timeZone="Europe/Berlin",
            suspend=True,
            concurrencyPolicy="Forbid",
            startingDeadlineSeconds=90,
            successfulJobsHistoryLimit=0,
            failedJobsHistoryLimit=7,
            queueName="reports",
            priority="High",
        ),
    )
    assert found.rule is not None
    assert (found.rule.time_zone, found.rule.suspend) == ("Europe/Berlin", True)
    assert found.rule.concurrency is ConcurrencyPolicy.FORBID
    assert found.rule.starting_deadline == timedelta(seconds=90)
    assert (found.rule.keep_successful, found.rule.keep_failed) == (0, 7)
    assert (found.rule.queue, found.rule.priority) == ("reports", Priority.HIGH)
    assert (found.trigger, found.last_trigger, found.ledger_seq) == ("now", "before", 12)
    assert found.witness == datetime(2026, 11, 22, 16, 5, tzinfo=UTC)
    assert found.deleting


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        pytest.param(
            {"everySeconds": 9},
            Reason.INVALID_SCHEDULE,
            "schedule and everySeconds both say when",
            id="two ways to say",
        ),
        pytest.param(
            {"schedule": REMOVED, "schedules": ["@daily", "61 * * * *"]},
            Reason.INVALID_SCHEDULE,
            "spec.schedules[1]: minute: 61 is out of range",
            id="the second of several",
        ),
        pytest.param(
            {"schedule": REMOVED, "schedules": []}, Reason.INVALID_SCHEDULE, "spec.schedules is empty", id="no entries"
        ),
        pytest.param(
            {"schedule": REMOVED, "schedules": ["@daily"] * 17}, Reason.INVALID_SCHEDULE, "16 at most", id="too many"
        ),
        pytest.param({"exclude": "* * 25 12 *"}, Reason.INVALID_OBJECT, "spec.exclude must be a list", id="no list"),
        pytest.param(
            {"exclude": ["@hourly", "* * 25 13 *"]},
            Reason.INVALID_SCHEDULE,
            "spec.exclude[1]: month: 13",
            id="month 13",
        ),
        pytest.param(
            {"exclude": ["* * * * *"]}, Reason.INVALID_SCHEDULE, "spec.exclude takes every tick away", id="all excluded"
        ),
        pytest.param(
            {"schedule": REMOVED, "everySeconds": 0}, Reason.INVALID_OBJECT, "1 or more, not 0", id="no distance"
        ),
        pytest.param(
            {"schedule": REMOVED, "everySeconds": 10**9}, Reason.INVALID_OBJECT, "315360000 at most", id="30 years"
        ),
        pytest.param({"startAt": "tomorrow"}, Reason.INVALID_OBJECT, "spec.startAt must be a time", id="a word"),
        pytest.param(
            {"startAt": "2026-12-02T00:00:00Z", "endAt": "2026-12-01T00:00:00Z"},
            Reason.INVALID_SCHEDULE,
            "spec.endAt lies before spec.startAt",
            id="an end before the start",
        ),
        pytest.param({"dst": "Skip"}, Reason.INVALID_OBJECT, "spec.dst must be an object", id="dst is a word"),
        pytest.param(
            {"dst": {"ambiguous": "Never"}}, Reason.INVALID_OBJECT, "spec.dst.ambiguous must be one of", id="never"
        ),
        pytest.param({"jitterSeconds": -1}, Reason.INVALID_OBJECT, "0 or more, not -1", id="a negative jitter"),
        pytest.param({"jitterSeconds": 86_401}, Reason.INVALID_OBJECT, "86400 at most", id="more than a day of jitter"),
        pytest.param(
            {"jitterSeconds": 30, "startingDeadlineSeconds": 30},
            Reason.INVALID_SCHEDULE,
            "uses up startingDeadlineSeconds, 30",
            id="a jitter up to the deadline",
        ),
        pytest.param({"catchUp": "All"}, Reason.INVALID_OBJECT, "spec.catchUp must be an object", id="catchUp: a word"),
        pytest.param(
            {"catchUp": {"policy": "Some"}}, Reason.INVALID_OBJECT, "spec.catchUp.policy must be one of Skip", id="some"
        ),
        pytest.param(
            {"catchUp": {"policy": "All", "limit": 0}},
            Reason.INVALID_OBJECT,
            "catchUp.limit must be a",
            id="up to none",
        ),
        pytest.param(
            {"catchUp": {"policy": "All", "limit": 1001}},
            Reason.INVALID_OBJECT,
            "spec.catchUp.limit must be 1 to 1000, not 1001",
            id="up to more than anybody may",
        ),
        pytest.param(
            {"catchUp": {"windowSeconds": 14}},
            Reason.INVALID_OBJECT,
            "spec.catchUp.windowSeconds must be 15 to 315360000, not 14",
            id="a window within which nothing is missed",
        ),
        pytest.param(
            {"catchUp": {"policy": "Skip", "windowSeconds": 60}},
            Reason.INVALID_OBJECT,
            "leave them out under policy Skip",
            id="how much, although nothing",
        ),
        pytest.param(
            {"catchUp": {"policy": "All"}, "concurrencyPolicy": "Replace"},
            Reason.INVALID_OBJECT,
            "spec.catchUp.policy: All does not go with concurrencyPolicy Replace",
            id="all, each ending the one before",
        ),
        pytest.param({"schedule": "61 * * * *"}, Reason.INVALID_SCHEDULE, "spec.schedule", id="minute 61"),
        pytest.param({"schedule": "0 0 31 2 *"}, Reason.INVALID_SCHEDULE, "never fires", id="31 February"),
        pytest.param({"schedule": 5}, Reason.INVALID_OBJECT, "spec.schedule must be a text", id="schedule is a number"),
        pytest.param({"schedule": "* * * * *\0"}, Reason.INVALID_OBJECT, "NUL", id="NUL in the schedule"),
        pytest.param({"timeZone": "Mars/Olympus"}, Reason.UNKNOWN_TIME_ZONE, "spec.timeZone", id="unknown zone"),
        pytest.param({"timeZone": ""}, Reason.UNKNOWN_TIME_ZONE, "spec.timeZone", id="empty zone"),
        pytest.param({"timeZone": ["UTC"]}, Reason.INVALID_OBJECT, "spec.timeZone must be a text", id="zone is a list"),
        pytest.param({"suspend": "yes"}, Reason.INVALID_OBJECT, "spec.suspend must be true or false", id="suspend yes"),
        pytest.param(
            {"concurrencyPolicy": "Sometimes"},
            Reason.INVALID_OBJECT,
            "spec.concurrencyPolicy must be one of Allow, Forbid, Replace",
            id="unknown policy",
        ),
        pytest.param({"concurrencyPolicy": {}}, Reason.INVALID_OBJECT, "spec.concurrencyPolicy", id="policy an object"),
        pytest.param(
            {"startingDeadlineSeconds": -1}, Reason.INVALID_OBJECT, "0 or more, not -1", id="a negative deadline"
        ),
        pytest.param({"startingDeadlineSeconds": True}, Reason.INVALID_OBJECT, "whole number", id="a deadline of true"),
        pytest.param({"successfulJobsHistoryLimit": -1}, Reason.INVALID_OBJECT, "0 or more, not -1", id="a Job less"),
        pytest.param({"failedJobsHistoryLimit": 1.5}, Reason.INVALID_OBJECT, "whole number", id="half a Job"),
        pytest.param({"queueName": 1}, Reason.INVALID_OBJECT, "spec.queueName must be a text", id="queue is a number"),
        pytest.param({"launchPolicy": "Twice"}, Reason.INVALID_OBJECT, "Job, StrictPod", id="unknown launch policy"),
        pytest.param(
            {"launchPolicy": "StrictPod", "jobTemplate": template(backoffLimit=2)},
            Reason.INVALID_TEMPLATE,
            "spec.jobTemplate.spec.backoffLimit must be 0 or absent",
            id="one pod at most, and another after a failure",
        ),
        pytest.param({"priority": "Highest"}, Reason.INVALID_OBJECT, "High, Regular, Low", id="unknown priority"),
        pytest.param({"jobTemplate": REMOVED}, Reason.INVALID_TEMPLATE, "spec.jobTemplate", id="no template"),
        pytest.param({"jobTemplate": "x"}, Reason.INVALID_TEMPLATE, "must be an object, not a text", id="a text"),
        pytest.param(
            {"jobTemplate": template(x=["a\0"])}, Reason.INVALID_OBJECT, r"spec.jobTemplate.spec.x[0]", id="NUL inside"
        ),
        pytest.param(
            {"jobTemplate": template(managedBy="x")}, Reason.INVALID_TEMPLATE, "managedBy", id="a foreign managedBy"
        ),
    ],
)
@pytest.mark.field(
    "schedule",
    "schedules",
    "everySeconds",
    "startAt",
    "endAt",
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
    "launchPolicy",
    "priority",
    check="validation",
)
def test_a_spec_that_cannot_be_followed_says_which_field_is_wrong(
    changes: dict[str, Any], reason: Reason, words: str
) -> None:
    found = read(body(**changes))
    assert found.rule is None
    assert found.problem is not None
    assert found.problem.reason is reason
    assert words in found.problem.message


def test_every_field_of_time_is_read() -> None:
    found = read(
        body(
            schedule=REMOVED,
            schedules=["0 9 * * *", "H 12 * * *"],
            startAt="2026-12-01T00:00:00+01:00",
            endAt="2027-12-01T00:00:00Z",
            exclude=["* * 25 12 *"],
            dst={"nonexistent": "Skip", "ambiguous": "Last"},
            jitterSeconds=45,
            catchUp={"policy": "All", "limit": 5, "windowSeconds": 3600},
        )
    )
    assert found.rule is not None, found.problem
    assert found.rule.expression is None
    assert found.rule.times == Times(
        schedules=("0 9 * * *", "H 12 * * *"),
        start_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
        end_at=datetime(2027, 12, 1, tzinfo=UTC),
        exclude=("* * 25 12 *",),
        nonexistent=Nonexistent.SKIP,
        ambiguous=Ambiguous.LAST,
        jitter_seconds=45,
        catch_up=CatchUp(CatchUpPolicy.ALL, 5, timedelta(hours=1)),
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        pytest.param(None, None, id="nothing"),
        pytest.param({}, CatchUp(), id="an empty object: the latest, also after a pause"),
        pytest.param({"policy": "Skip"}, CatchUp(CatchUpPolicy.SKIP), id="none"),
        pytest.param({"policy": "All"}, CatchUp(CatchUpPolicy.ALL, 10), id="all: ten, unless a limit is given"),
        pytest.param({"limit": 3}, CatchUp(limit=3), id="a limit says nothing of the latest, and does no harm"),
        pytest.param({"windowSeconds": 15}, CatchUp(window=timedelta(seconds=15)), id="the shortest window"),
    ],
)
def test_what_is_to_be_made_up_for(given: dict[str, Any] | None, meant: CatchUp | None) -> None:
    rule = read(body(catchUp=given)).rule
    assert rule is not None
    assert rule.times.catch_up == meant


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"schedule": REMOVED}, id="nothing says when: on demand only"),
        pytest.param({"endAt": "2020-01-01T00:00:00Z"}, id="its time is over"),
        pytest.param({"startAt": "2126-01-01T00:00:00Z"}, id="its time comes in a hundred years"),
        pytest.param({"jitterSeconds": 30, "startingDeadlineSeconds": 31}, id="a jitter that leaves a second"),
        pytest.param({"dst": {}}, id="nothing about the nights"),
    ],
)
def test_what_has_no_tick_to_come_is_no_mistake(changes: dict[str, Any]) -> None:
    assert read(body(**changes)).problem is None


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"uid": None}, id="no uid"),
        pytest.param({"name": 5}, id="the name is a number"),
        pytest.param({"namespace": ""}, id="an empty namespace"),
    ],
)
def test_what_cannot_be_named_is_passed_over(metadata: dict[str, Any]) -> None:
    assert declared(body(metadata)) is None


@pytest.mark.parametrize(
    "status",
    [
        pytest.param("x", id="a text"),
        pytest.param([], id="a list"),
        pytest.param({"lastScheduleTime": 5, "lastTrigger": {}, "ledgerSeq": "7"}, id="wrong types"),
        pytest.param({"lastScheduleTime": "yesterday", "lastTrigger": "", "ledgerSeq": -1}, id="wrong values"),
        pytest.param({"lastScheduleTime": "0001-01-01T00:00:00+14:00", "ledgerSeq": 2**63}, id="beyond the range"),
        pytest.param({"lastScheduleTime": "2026-11-22T16:00:00", "ledgerSeq": True}, id="a time without a zone"),
    ],
)
def test_garbage_in_the_status_counts_as_no_status(status: Any) -> None:
    found = read(body(status=status))
    assert (found.witness, found.last_trigger, found.ledger_seq) == (None, None, 0)
    assert found.rule is not None


def test_a_trigger_with_a_nul_can_be_stored() -> None:
    assert read(body({"annotations": {"ticklock.dev/trigger": "a\0b"}})).trigger == "a\N{REPLACEMENT CHARACTER}b"


def test_an_empty_trigger_is_none() -> None:
    assert read(body({"annotations": {"ticklock.dev/trigger": ""}})).trigger is None


def test_a_deadline_of_ages_stays_within_the_calendar() -> None:
    rule = read(body(startingDeadlineSeconds=2**62)).rule
    assert rule is not None
    assert rule.starting_deadline is not None
    assert datetime(2026, 1, 1, tzinfo=UTC) - rule.starting_deadline > datetime(1900, 1, 1, tzinfo=UTC)


def test_a_template_nested_beyond_reason_is_a_problem_and_not_a_crash() -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = {"a": deep}
    found = read(body(jobTemplate=template(deep=deep)))
    assert found.problem is not None
    assert found.problem.reason is Reason.INVALID_OBJECT


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["schedule", "timeZone", "suspend", "concurrencyPolicy", "startingDeadlineSeconds", "jobTemplate", "queueName"],
)


@given(st.dictionaries(FIELDS, VALUES), st.dictionaries(st.sampled_from(["generation", "annotations"]), VALUES), VALUES)
def test_no_object_whatsoever_stops_the_reading(spec: Any, metadata: Any, status: Any) -> None:
    found = read(body(metadata, status, **spec))
    assert (found.rule is None) != (found.problem is None)
