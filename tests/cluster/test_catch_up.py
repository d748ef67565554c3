"""After a suspension: what a spec asks to be made up for is, and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place, Planted

LIMIT = 3


def ticks_of_the_pause(place: Place, planted: Planted) -> list[int]:
    """Suspend a schedule for some of its ticks; return those, as the ledger bounds them."""
    planted.edit(suspend=True)
    eventually(lambda: noted(place, planted)[0], what="the suspension is stored")
    since = noted(place, planted)[0]
    assert since is not None
    eventually(lambda: time.time() > since + 9, what="some ticks have fallen into it")
    planted.edit(suspend=False)
    eventually(lambda: noted(place, planted)[0] is None, what="its end is stored")
    end = noted(place, planted)[1] or 0
    first, every = planted.tick(1), planted.tick(2) - planted.tick(1)
    return [tick for tick in range(first, int(end) + 1, every) if since < tick <= end]


def noted(place: Place, planted: Planted) -> tuple[float | None, float | None]:
    """Since when it is paused, and since when its spec is in force."""
    (row,) = place.stack.rows.all(
        "SELECT extract(epoch FROM paused_at)::float8 AS paused, extract(epoch FROM effective_at)::float8 AS since "
        "FROM schedules WHERE uid = %(uid)s",
        uid=planted.uid,
    )
    return row["paused"], row["since"]


def launched(planted: Planted, ticks: list[int]) -> list[int]:
    return sorted(job.tick for job in planted.launched() if job.tick in ticks)


@pytest.mark.field("catchUp", "suspend", check="semantics")
def test_ticks_that_fell_into_a_suspension_are_made_up_for_where_a_spec_asks_for_it(place: Place) -> None:
    planted = place.plant(
        "paused", "@every 2s", successfulJobsHistoryLimit=1000, catchUp={"policy": "All", "limit": LIMIT}
    )
    planted.wait_launched()
    paused = ticks_of_the_pause(place, planted)
    assert len(paused) > LIMIT
    made_up, others = paused[-LIMIT:], paused[:-LIMIT]
    eventually(lambda: any((job.tick or 0) > paused[-1] for job in planted.launched()), what="it goes on")
    eventually(lambda: len(launched(planted, paused)) >= LIMIT, what="what is made up for is launched")
    assert launched(planted, paused) == made_up
    verdicts = {row["run_key"]: (row["state"], row["reason"]) for row in planted.runs()}
    assert {verdicts[f"tick:{tick}"] for tick in others} == {("Skipped", "ScheduleSuspended")}
