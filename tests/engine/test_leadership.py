"""What a new leader does where it cannot lead."""

from datetime import timedelta
from typing import Any, cast

import pytest

from ticklock.domain.errors import Transient, Unready
from ticklock.engine.leadership import LeaderSettings, Leadership
from ticklock.engine.loops import Stop
from ticklock.engine.reconciler import Reconciler
from ticklock.ports import Ledger

NOTHING: Any = None


class AwayLedger:
    """A ledger that opens no term."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def open_term(self) -> int:
        raise self.error


def leadership(ledger: object = NOTHING) -> Leadership:
    return Leadership(
        ledger=cast("Ledger", ledger),
        jobs=NOTHING,
        objects=NOTHING,
        events=NOTHING,
        job_feed=NOTHING,
        object_feed=NOTHING,
        wakeups=NOTHING,
        meter=NOTHING,
        lookup=NOTHING,
        settings=LeaderSettings(300, 8, 0.25, timedelta(hours=24)),
        now=lambda: None,
        quarantined=lambda: None,
        launching=lambda: False,
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Transient("connection refused"), id="the database is away"),
        pytest.param(Unready("run `ticklock migrate`"), id="the schema is missing"),
    ],
)
async def test_a_term_that_cannot_be_opened_is_over_and_ends_nothing_else(error: Exception) -> None:
    leading = leadership(AwayLedger(error))
    await leading.lead(Stop())
    assert not leading.leading


@pytest.mark.parametrize(
    ("leads", "trusted", "caught_up", "current"),
    [
        pytest.param(True, True, True, True, id="it leads, and has stored every object"),
        pytest.param(True, True, False, False, id="it has not yet stored every object"),
        pytest.param(True, False, True, False, id="its trust in the Lease ran out while it was paused"),
        pytest.param(False, True, True, False, id="it does not lead"),
    ],
)
def test_edits_count_as_stored_only_while(*, leads: bool, trusted: bool, caught_up: bool, current: bool) -> None:
    leading = leadership()
    leading.leading, leading.trusted = leads, lambda: trusted
    leading.reconciler = Reconciler(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, 1, 300.0, caught_up=caught_up)
    assert leading.is_current() is current
