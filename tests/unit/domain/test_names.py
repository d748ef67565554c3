import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticklock.domain.model import ClusterId, ScheduleUid
from ticklock.domain.names import MAX_JOB_NAME, job_name

CLUSTER = ClusterId(UUID("11111111-2222-3333-4444-555555555555"))
OTHER = ClusterId(UUID("11111111-2222-3333-4444-555555555556"))
UID = ScheduleUid("9b2f3a54-0000-4000-8000-000000000001")
TICK = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

Identity = tuple[str, datetime, ClusterId, ScheduleUid, str, int, int]
BASE: Identity = ("report", TICK, CLUSTER, UID, "tick:1795314600", 1, 0)


def test_a_name_never_changes_between_releases() -> None:
    assert job_name(*BASE) == "report-tovtm0-4nbcqtk49g"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("report", TICK, OTHER, UID, "tick:1795314600", 1, 0), id="another cluster"),
        pytest.param(("report", TICK, CLUSTER, ScheduleUid("x"), "tick:1795314600", 1, 0), id="created anew"),
        pytest.param(("report", TICK, CLUSTER, UID, "trigger:now", 1, 0), id="a trigger at the same moment"),
        pytest.param(("report", TICK, CLUSTER, UID, "tick:1795314600", 2, 0), id="the next attempt"),
        pytest.param(("report", TICK, CLUSTER, UID, "tick:1795314600", 1, 1), id="the next suffix"),
        pytest.param(("report", TICK, CLUSTER, UID, "tick:17953146001", 1, 0), id="parts that join to the same text"),
    ],
)
def test_another_attempt_has_another_name(other: Identity) -> None:
    assert job_name(*other) != job_name(*BASE)


@pytest.mark.parametrize(
    ("schedule", "prefix"),
    [
        pytest.param("a" * 52, "a" * 34, id="a long name is cut"),
        pytest.param("a" * 33 + "-b", "a" * 33, id="no dash is left where it was cut"),
        pytest.param("v1.2-report", "v1-2-report", id="a dot becomes a dash"),
        pytest.param("...", "run", id="nothing usable is left"),
    ],
)
def test_a_name_begins_with_the_schedules(schedule: str, prefix: str) -> None:
    assert job_name(schedule, *BASE[1:]).rsplit("-", 2)[0] == prefix


@given(
    st.text(),
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.text(),
    st.integers(),
)
def test_every_name_is_a_dns_label_with_room_for_an_index(schedule: str, tick: datetime, key: str, n: int) -> None:
    name = job_name(schedule, tick, CLUSTER, UID, key, n)
    assert LABEL.fullmatch(name)
    assert len(name) <= MAX_JOB_NAME
