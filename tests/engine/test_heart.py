"""What a heartbeat says after a while without one."""

import time
from typing import cast

import pytest

from tests.engine.quiet import QuietMeter
from ticklock.domain.errors import Transient
from ticklock.engine.service import Heart
from ticklock.ports import LeaseMark, Ledger, Pulse

PULSE = Pulse(
    db_now=None,  # type: ignore[arg-type]  # nobody reads it here
    quarantined=None,
    leader="pod",
    epoch=1,
    leaderless_seconds=0.1,
    planned=0,
    due=0,
    overdue_seconds=0.0,
    next_due_in=None,
)


class Beats:
    """Notes whether each beat said that this replica leads and is up to date."""

    def __init__(self) -> None:
        self.said: list[bool] = []
        self.away = False

    async def pulse(self, *, leading: bool, lease: LeaseMark | None = None) -> Pulse:
        del lease
        if self.away:
            raise Transient("away")
        self.said.append(leading)
        return PULSE


@pytest.fixture
def beats() -> Beats:
    return Beats()


@pytest.fixture
def heart(beats: Beats) -> Heart:
    """The heart of a leader that is up to date until it is told to look again."""
    gaps: list[str] = []
    return Heart(
        cast("Ledger", beats), QuietMeter(), leading=lambda: not gaps, on_gap=lambda: gaps.append("look again")
    )


async def test_a_leader_says_so_with_each_beat(heart: Heart, beats: Beats) -> None:
    await heart.step()
    await heart.step()
    assert beats.said == [True, True]


async def test_the_first_beat_after_a_pause_does_not_say_that_edits_are_stored(heart: Heart, beats: Beats) -> None:
    await heart.step()
    heart.beaten_at = time.monotonic() - 5.1
    await heart.step()
    assert beats.said == [True, False]


async def test_nor_does_the_first_one_after_the_database_was_away(heart: Heart, beats: Beats) -> None:
    await heart.step()
    beats.away = True
    with pytest.raises(Transient):
        await heart.step()
    heart.beaten_at = time.monotonic() - 5.1
    beats.away = False
    await heart.step()
    assert beats.said == [True, False]
