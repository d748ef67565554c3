"""A term that cannot begin: the Lease is ours, the database does not answer."""

from typing import Any, cast

import pytest

from ticklock.domain.errors import Transient, Unready
from ticklock.engine.leadership import LeaderSettings, Leadership
from ticklock.engine.loops import Stop
from ticklock.ports import Ledger


class Away:
    """A ledger that cannot be asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    async def open_term(self) -> int:
        self.asked += 1
        raise self.error


def leadership(ledger: Away) -> Leadership:
    nobody = cast("Any", None)
    return Leadership(
        ledger=cast("Ledger", ledger),
        jobs=nobody,
        objects=nobody,
        events=nobody,
        job_feed=nobody,
        object_feed=nobody,
        wakeups=nobody,
        meter=nobody,
        lookup=nobody,
        settings=cast("LeaderSettings", nobody),
        now=lambda: None,
        quarantined=lambda: None,
        launching=lambda: False,
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Transient("connection refused"), id="the database is away"),
        pytest.param(Unready("the schema is too old"), id="the schema is not there yet"),
    ],
)
async def test_a_leader_that_cannot_begin_its_term_resigns_and_lives_on(error: Exception) -> None:
    ledger = Away(error)
    made = leadership(ledger)
    await made.lead(Stop())
    assert ledger.asked == 1
    assert not made.leading


async def test_an_error_that_nobody_foresaw_still_ends_the_process() -> None:
    with pytest.raises(ZeroDivisionError):
        await leadership(Away(ZeroDivisionError())).lead(Stop())
