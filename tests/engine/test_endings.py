"""How the end of a Job is read."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.engine.views import NOON, job
from ticklock.domain.model import AttemptState
from ticklock.domain.reasons import Reason
from ticklock.engine.endings import ending_of, vanished

COMPLETE = {"finished": AttemptState.COMPLETED, "finished_at": NOON, "started_at": NOON, "suspended": False}
FAILED = {**COMPLETE, "finished": AttemptState.FAILED, "message": "BackoffLimitExceeded"}

CASES = [
    pytest.param({}, None, id="suspended: it goes on"),
    pytest.param({"suspended": False, "started_at": NOON}, None, id="running: it goes on"),
    pytest.param(COMPLETE, (AttemptState.COMPLETED, Reason.JOB_COMPLETED), id="complete"),
    pytest.param(FAILED, (AttemptState.FAILED, Reason.JOB_FAILED), id="failed"),
    pytest.param({**FAILED, "deleting": True}, (AttemptState.FAILED, Reason.JOB_FAILED), id="deleted after its end"),
    pytest.param({"deleting": True}, (AttemptState.STOPPED, Reason.JOB_DELETED), id="deleted before its start"),
    pytest.param(
        {"deleting": True, "suspended": False, "started_at": NOON},
        (AttemptState.STOPPED, Reason.JOB_DELETED),
        id="deleted while it ran",
    ),
    pytest.param({**COMPLETE, "key": None}, None, id="not ours"),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_the_end_is_what_stands_in_the_job(
    changes: Mapping[str, Any], expected: tuple[AttemptState, Reason] | None
) -> None:
    ending = ending_of(job(**changes))
    assert (None if ending is None else (ending.state, ending.reason)) == expected


@pytest.mark.parametrize(
    ("changes", "never_let_go"),
    [
        pytest.param({"deleting": True}, True, id="deleted while suspended: it cannot have started"),
        pytest.param({"deleting": True, "suspended": False}, False, id="let go, no start time yet: it may have pods"),
        pytest.param(COMPLETE, False, id="complete"),
    ],
)
def test_what_was_let_go_may_have_started(changes: Mapping[str, Any], *, never_let_go: bool) -> None:
    ending = ending_of(job(**changes))
    assert ending is not None
    assert ending.never_let_go is never_let_go


def test_a_job_that_is_gone_without_an_end_is_unknown() -> None:
    ending = vanished(job(suspended=False, started_at=NOON))
    assert ending is not None
    assert (ending.state, ending.reason) == (AttemptState.UNKNOWN, Reason.JOB_VANISHED)


def test_a_job_that_is_gone_after_its_end_keeps_it() -> None:
    ending = vanished(job(**COMPLETE))
    assert ending is not None
    assert ending.state is AttemptState.COMPLETED
