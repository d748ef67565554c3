"""The page of clock changes: both nights in five zones, worked out by the timetable itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from ticklock.domain.times import Ambiguous, Nonexistent, Times
from ticklock.domain.timetable import Timetable
from ticklock.domain.zones import Spell, epoch_of, moment_of, spells
from tools.docs.markdown import table

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Cairo")
YEAR = 2026
_AROUND = timedelta(hours=4)

_HEAD = f"""\
# Clock changes

What the timetable makes of the nights of {YEAR} in which clocks are set, for a fixed local time and for an expression
that recurs. Moments are local time with its distance from UTC, and UTC behind them.

The rule: where neither minute nor hour holds a star, an expression names **fixed local times**, and
[`dst`](../timetables.md#the-nights-of-a-clock-change) says what becomes of one that does not exist or exists twice.
With a star it follows **real time**, whatever `dst` says. What is bold is the default; a CronJob does as Skip and Both.

"""
_GAP = """\
## The night that leaves times out

"""
_FOLD = """
## The night that has times twice

"""


@dataclass(frozen=True, slots=True)
class Night:
    """A change of a zone's clock: the spell that begins with it, and that before it."""

    zone: str
    before: Spell
    after: Spell

    @property
    def wall(self) -> datetime:
        """The local time in the middle of what is left out, or of what is shown twice."""
        ends = (self.before.end + self.before.offset, self.after.opening)
        return moment_of(sum(ends) // 2)

    @property
    def fixed(self) -> str:
        """An expression that names this time."""
        return f"{self.wall.minute} {self.wall.hour} * * *"

    @property
    def recurring(self) -> str:
        """An expression that recurs around it."""
        return f"*/15 {self.wall.hour} * * *"

    def ticks(self, expression: str, times: Times) -> str:
        """Return the ticks of this night, as a cell of the table."""
        change = moment_of(self.after.begin)
        timetable = Timetable.of(
            (expression,), time_zone=self.zone, anchor=datetime(YEAR, 1, 1, tzinfo=UTC), times=times
        )
        local = [
            tick.astimezone(ZoneInfo(self.zone))
            for tick in timetable.ticks(after=change - _AROUND, until=change + _AROUND)
        ]
        named = [f"{tick:%H:%M}{tick.isoformat()[-6:]} ({tick.astimezone(UTC):%H:%MZ})" for tick in local]
        return ", ".join(named) or "—"

    def row(self, ways: Sequence[Times]) -> list[str]:
        """Return its row: zone, date, what the clock does, the fixed time in each way, and the recurring one."""
        last, first = (moment_of(wall) for wall in (self.before.end + self.before.offset, self.after.opening))
        story = [self.zone, f"{self.wall:%d %B}", f"{last:%H:%M} → {first:%H:%M}"]
        fixed = [self.ticks(self.fixed, way) for way in ways]
        return [*story, f"`{self.fixed}`", *fixed, f"`{self.recurring}`", self.ticks(self.recurring, Times())]


def page() -> str:
    """Return the page."""
    found = list(_nights())
    gaps = [night for night in found if night.after.offset > night.before.offset]
    folds = [night for night in found if night.after.offset < night.before.offset]
    who = ["zone", "night", "the clock goes"]
    gap_rows = [night.row([Times(nonexistent=way) for way in Nonexistent]) for night in gaps]
    fold_rows = [night.row([Times(ambiguous=way) for way in Ambiguous]) for night in folds]
    recurs = ["recurring", "ticks"]
    return (
        _HEAD
        + _GAP
        + table([*who, "fixed", "**Shift**", "Skip", *recurs], gap_rows)
        + _FOLD
        + table([*who, "fixed", "**First**", "Last", "Both", *recurs], fold_rows)
    )


def _nights() -> Iterator[Night]:
    """Yield the changes of the year, by zone."""
    begin, end = (epoch_of(datetime(year, 1, 1, tzinfo=UTC)) for year in (YEAR, YEAR + 1))
    for zone in ZONES:
        found = list(spells(zone, begin, end))
        for before, after in pairwise(found):
            yield Night(zone, before, after)
