"""What the janitor must do something about, and what it must leave alone."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.engine.views import NOON, OTHER, UID, job, row
from ticklock.domain.model import AttemptState
from ticklock.engine.janitor import contradict
from ticklock.ports import RowView

BOUND = {"state": AttemptState.BOUND, "job_uid": UID}
LAUNCHED = {"state": AttemptState.LAUNCHED, "job_uid": UID}
DONE = {"state": AttemptState.COMPLETED, "job_uid": UID}
STARTED = {"suspended": False, "started_at": NOON}
ENDED = {**STARTED, "finished": AttemptState.COMPLETED, "finished_at": NOON}

CASES = [
    pytest.param({}, row(), False, id="a staged job waits for its tick"),
    pytest.param({}, row(staged_uid=None), False, id="a staged job whose row does not know it yet"),
    pytest.param({"stage": 1}, row(stage=2), True, id="a suspended job of an older stage"),
    pytest.param({"stage": 2}, row(stage=1), False, id="a suspended job newer than the row is left to whoever made it"),
    pytest.param({}, row(**BOUND), False, id="a bound job that is about to be launched"),
    pytest.param({}, row(state=AttemptState.BOUND, job_uid=OTHER), True, id="a suspended job beside the bound one"),
    pytest.param({}, row(state=AttemptState.SKIPPED), True, id="a suspended job of a skipped run"),
    pytest.param({}, row(state=AttemptState.UNKNOWN, job_uid=UID), True, id="a suspended job of a lost run"),
    pytest.param({}, None, True, id="a suspended job without a row"),
    pytest.param(STARTED, row(**LAUNCHED), False, id="a launched job runs"),
    pytest.param(STARTED, row(**BOUND), False, id="a launched job whose mark is still to come"),
    pytest.param(STARTED, row(), True, id="a started job under a planned row"),
    pytest.param({"suspended": False, "deleting": True}, row(), True, id="a terminating job that may have started"),
    pytest.param(STARTED, None, True, id="a started job without a row"),
    pytest.param(STARTED, row(state=AttemptState.SKIPPED), True, id="a started job of a skipped run"),
    pytest.param(STARTED, row(state=AttemptState.LAUNCHED, job_uid=OTHER), True, id="two started jobs"),
    pytest.param(ENDED, row(**DONE), False, id="an ended job is kept for its history"),
    pytest.param({**ENDED, "held": False}, row(**DONE, released=True), False, id="an ended job that was released"),
    pytest.param(
        ENDED, row(**DONE, released=True), True, id="a released job that etcd brought back with its finalizer"
    ),
    pytest.param(ENDED, row(**LAUNCHED), True, id="an ended job whose end nobody recorded"),
    pytest.param(ENDED, row(), True, id="a job that somebody started early and that has ended"),
]


@pytest.mark.parametrize(("changes", "standing", "odd"), CASES)
def test_a_job_and_its_row(changes: Mapping[str, Any], standing: RowView | None, *, odd: bool) -> None:
    assert contradict(job(**changes), standing) is odd
