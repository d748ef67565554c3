"""The janitor tends partitions without ever stopping for them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import pytest
from structlog.testing import capture_logs

from ticklock.domain.errors import Refused, Superseded, Transient, Unready
from ticklock.engine.janitor import Janitor
from ticklock.engine.lookup import Lookup
from ticklock.ports import JobFeed, Jobs, Ledger, Meter

LOCKED = Transient("canceling statement due to lock timeout")
NOT_OURS = Refused("must be owner of table run_events")


class Books:
    """A ledger that is asked for partitions only."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.failing = failing
        self.asked: list[object] = []

    async def make_partitions(self, epoch: int) -> Sequence[str]:
        self.asked.append(epoch)
        if self.failing is not None:
            raise self.failing
        return []

    async def drop_partitions(self, epoch: int, *, audit: timedelta, job_logs: timedelta) -> Sequence[str]:
        self.asked.append((epoch, audit.days, job_logs.days))
        return []


def janitor(books: Books) -> Janitor:
    nobody = cast("Jobs", None), cast("JobFeed", None), cast("Lookup", None), cast("Meter", None)
    jobs, feed, lookup, meter = nobody
    kept = timedelta(days=30), timedelta(days=60)
    return Janitor(cast("Ledger", books), jobs, feed, lookup, meter, 7, timedelta(hours=1), lambda: None, *kept)


async def test_it_makes_what_is_missing_before_it_drops_what_is_old() -> None:
    books = Books()
    await janitor(books).partitions()
    assert books.asked == [7, (7, 30, 60)]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        pytest.param(LOCKED, "partitions wait", id="the table is in use"),
        pytest.param(NOT_OURS, "partitions cannot be tended", id="the role does not own the tables"),
    ],
)
async def test_what_fails_is_told_and_left_for_the_next_hour(failure: Exception, told: str) -> None:
    with capture_logs() as logs:
        await janitor(Books(failure)).partitions()
    assert [line["event"] for line in logs] == [told]
    assert str(failure) in logs[0]["cause"]


@pytest.mark.parametrize("failure", [Superseded("another term"), Unready("Quarantine")], ids=["superseded", "unready"])
async def test_what_concerns_the_whole_duty_ends_its_step(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        await janitor(Books(failure)).partitions()
