"""`ticklock next`: when an expression ticks, for people and for programs."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ticklock.cli.arguments import OneLineParser, count, moment, seed
from ticklock.domain.clock_note import clock_note
from ticklock.domain.timetable import Timetable, TimetableError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

_EXAMPLES = """\
examples:
  ticklock next "30 2 * * *" --time-zone Europe/Berlin --after 2026-03-28T00:00:00Z --count 5
  ticklock next "H H * * *" --of reports/nightly --count 3
  ticklock next "@every 90m" --anchor 2026-01-01T00:00:00Z -o json
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One tick, ready to be shown."""

    tick: datetime
    local: datetime
    note: str | None


def run(argv: Sequence[str]) -> int:
    """Print the next ticks; exit code 2 and one line on standard error if the input is bad."""
    options = _parser().parse_args(argv)
    after = options.after or datetime.now(UTC)  # noqa: TID251 - a command is where the clock of its user is read
    try:
        timetable = _timetable(options, after)
    except TimetableError as error:
        print(f"ticklock next: {error}", file=sys.stderr)
        return 2
    rows = list(_rows(timetable, after, options.count))
    if len(rows) < options.count:
        print(f"ticklock next: no {'further ' if rows else ''}tick within 50 years", file=sys.stderr)
    print(_json(rows) if options.output == "json" else _table(rows, timetable.time_zone))
    return 0


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="ticklock next",
        description="Show when an expression ticks next.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("expression", help="as in spec.schedule: 5 fields, 6 with leading seconds, or a macro")
    parser.add_argument("--time-zone", metavar="NAME", help="as in spec.timeZone (default: UTC)")
    parser.add_argument("--after", type=moment, metavar="TIME", help="show ticks after this (default: now)")
    parser.add_argument("--anchor", type=moment, metavar="TIME", help="where @every counts from (default: --after)")
    parser.add_argument("--of", type=seed, metavar="NAMESPACE/NAME", help="whose schedule it is: what H is drawn from")
    parser.add_argument("--count", type=count, default=5, metavar="N", help="how many ticks (default: 5)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table", help="default: table")
    return parser


def _timetable(options: Namespace, after: datetime) -> Timetable:
    anchor = options.anchor or after
    return Timetable.parse(options.expression, time_zone=options.time_zone, anchor=anchor, seed=options.of)


def _rows(timetable: Timetable, after: datetime, limit: int) -> Iterator[Row]:
    zone = ZoneInfo(timetable.time_zone)
    for _ in range(limit):
        tick = timetable.next(after)
        if tick is None:
            return
        yield Row(tick, tick.astimezone(zone), clock_note(timetable, tick))
        after = tick


def _json(rows: Sequence[Row]) -> str:
    """Return a list of objects with RFC 3339 times; `note` is there only where there is something to say."""
    return json.dumps([_object(row) for row in rows], indent=2, ensure_ascii=False)


def _object(row: Row) -> dict[str, str]:
    shown = {"scheduledTime": _utc(row.tick), "localTime": row.local.isoformat()}
    return shown | ({"note": row.note} if row.note else {})


def _table(rows: Sequence[Row], zone: str) -> str:
    """Return columns, as wide as they must be, without trailing spaces."""
    lines = [("UTC", f"LOCAL ({zone})", "NOTE")]
    lines += [(_utc(row.tick), f"{row.local:%a} {row.local.isoformat(sep=' ')}", row.note or "") for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    return "\n".join(f"{utc:<{widths[0]}}   {local:<{widths[1]}}   {note}".rstrip() for utc, local, note in lines)


def _utc(tick: datetime) -> str:
    return tick.isoformat().replace("+00:00", "Z")
