"""`ticklock backfill`: have ticks of the past run that never started a Job."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ticklock.cli.arguments import OneLineParser, count, moment
from ticklock.domain.errors import Conflict, Refused, Transient, Unready
from ticklock.domain.instants import format_instant

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ticklock.bootstrap.backfills import Backfills
    from ticklock.domain.backfill import Wanted
    from ticklock.ports import BackfillAnswer, Schedule

PROG = "ticklock backfill"

_SHOWN = 20
"""Ticks that the text shows of each kind; JSON has them all."""

_EPILOG = """\
Ticks of the range that are Missed or Skipped, or never had a run, are run, the oldest first; both ends count. What was
bound to a Job is left alone, whatever became of it, so the same command may be given again. The runs start beside those
of the timetable, after them where more is due than can be launched; they take the schedule's lock under Forbid and
Replace, and a suspension does not hold them back.

Further flags are the settings, as of `ticklock migrate`: it talks to PostgreSQL alone.

examples:
  ticklock backfill reports/nightly --from 2026-03-01T00:00:00Z --to 2026-03-08T00:00:00Z --dry-run
  ticklock backfill reports/nightly --from 2026-03-01T00:00:00Z --to 2026-03-08T00:00:00Z --max-parallel 2
  ticklock backfill reports/nightly --cancel
"""


def run(argv: Sequence[str]) -> int:
    """Do it; 1 where the ledger cannot be asked or does not decide now, 2 and one line where the input is bad."""
    options, settings = _parser().parse_known_args(argv)
    if (words := _objection(options)) is not None:
        return _complain(2, words)
    from ticklock.bootstrap.backfills import backfills_of

    backfills = backfills_of(settings, PROG)
    if backfills is None:
        return 2
    try:
        chosen = _chosen(backfills.named(*options.schedule), options)
        if isinstance(chosen, str):
            return _complain(2, chosen)
        return _cancel(backfills, chosen, options) if options.cancel else _order(backfills, chosen, options)
    except Refused as error:
        return _complain(2, str(error))
    except (Transient, Conflict, Unready) as error:
        return _complain(1, str(error))


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=PROG,
        description="Have ticks of the past run that never started a Job.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("schedule", type=_schedule, metavar="NAMESPACE/NAME", help="which ScheduledJob")
    parser.add_argument("--from", type=moment, metavar="TIME", dest="begin", help="the first moment of the range")
    parser.add_argument("--to", type=moment, metavar="TIME", dest="end", help="its last moment; not in the future")
    parser.add_argument(
        "--max-parallel", type=count, default=1, metavar="N", help="how many of its runs may be active (default: 1)"
    )
    parser.add_argument(
        "--limit", type=count, default=100, metavar="N", help="refuse a range of which more would run (default: 100)"
    )
    parser.add_argument(
        "--before-creation", action="store_true", help="also ticks from before the object was made: you vouch for them"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would run, and what is left alone and why")
    parser.add_argument("--cancel", action="store_true", help="take back what is not bound yet, of all its backfills")
    parser.add_argument("--by", metavar="NAME", help="who you are (default: user@host)")
    parser.add_argument("--cluster", type=UUID, metavar="UUID", help="which, if several use the database")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="default: text")
    return parser


def _schedule(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ArgumentTypeError(f"{text!r} names no ScheduledJob; write NAMESPACE/NAME")
    return namespace, name


def _objection(options: Namespace) -> str | None:
    """Return what is wrong with flags that stand together, and how to mend it."""
    if options.cancel:
        return "--cancel takes back all that waits: leave --from and --to out" if options.begin or options.end else None
    for flag, value in (("--from", options.begin), ("--to", options.end)):
        if value is None:
            return f"{flag} is missing: say it as a time like 2026-03-28T00:00:00Z"
    if options.begin > options.end:
        return "--from lies after --to: exchange them"
    return None


def _chosen(found: Sequence[Schedule], options: Namespace) -> Schedule | str:
    """Return the schedule that is meant, or why it is not clear."""
    words = "/".join(options.schedule)
    meant = [one for one in found if options.cluster in {None, one.cluster}]
    if not meant:
        return f"the database knows no ScheduledJob {words}" + (f" in {options.cluster}" if options.cluster else "")
    if len(meant) > 1:
        names = ", ".join(f"--cluster {one.cluster}" for one in meant)
        return f"several clusters have a ScheduledJob {words}; say which: {names}"
    return meant[0]


def _order(backfills: Backfills, schedule: Schedule, options: Namespace) -> int:
    from ticklock.bootstrap.at_database import whoever_asks
    from ticklock.ports import BackfillOrder

    order = BackfillOrder(
        begin=options.begin,
        end=options.end,
        max_parallel=options.max_parallel,
        limit=options.limit,
        by=options.by or whoever_asks(),
        before_creation=options.before_creation,
        dry=options.dry_run,
    )
    answer = backfills.order(schedule, order)
    if answer.too_many:
        number = len(answer.wanted)
        return _complain(2, f"--limit: {number} ticks would run; say --limit {number}, or bring --from and --to closer")
    print(json.dumps(_json(answer, options), indent=2) if options.output == "json" else _text(answer, options))
    return 0


def _cancel(backfills: Backfills, schedule: Schedule, options: Namespace) -> int:
    from ticklock.bootstrap.at_database import whoever_asks

    number = backfills.cancel(schedule, by=options.by or whoever_asks())
    shown = {"schedule": "/".join(options.schedule), "cancelled": number}
    print(json.dumps(shown) if options.output == "json" else f"{number} runs taken back; what is bound goes on")
    return 0


def _json(answer: BackfillAnswer, options: Namespace) -> dict[str, Any]:
    return {
        "schedule": "/".join(options.schedule),
        "dryRun": options.dry_run,
        "backfill": answer.backfill,
        "from": format_instant(options.begin),
        "to": format_instant(options.end),
        "maxParallel": options.max_parallel,
        "run": [_wanted(one) for one in answer.wanted],
        "left": [
            {"scheduledTime": format_instant(one.tick), "why": one.why, "message": one.message} for one in answer.left
        ],
    }


def _wanted(one: Wanted) -> dict[str, Any]:
    shown: dict[str, Any] = {"scheduledTime": format_instant(one.tick)}
    return shown | ({"was": one.former.state.value, "reason": one.former.reason} if one.former else {})


def _text(answer: BackfillAnswer, options: Namespace) -> str:
    name, number = "/".join(options.schedule), len(answer.wanted)
    runs = "1 run" if number == 1 else f"{number} runs"
    if options.dry_run:
        lines = [f"{name}: {runs} would start, at most {options.max_parallel} at a time; nothing was done"]
    elif number:
        lines = [f"{name}: backfill {answer.backfill}: {runs}, at most {options.max_parallel} at a time"]
    else:
        lines = [f"{name}: there is nothing to run"]
    lines += [f"  run   {format_instant(one.tick)}  {_was(one)}".rstrip() for one in answer.wanted[:_SHOWN]]
    lines += [f"  run   … and {number - _SHOWN} more"] if number > _SHOWN else []
    lines += [f"  left  {format_instant(one.tick)}  {one.why}: {one.message}" for one in answer.left[:_SHOWN]]
    further = Counter(one.why for one in answer.left[_SHOWN:])
    lines += [f"  left  … and {more} more {why}" for why, more in sorted(further.items())]
    return "\n".join(lines)


def _was(one: Wanted) -> str:
    return f"was {one.former.state.value}, {one.former.reason}" if one.former else ""


def _complain(code: int, words: str) -> int:
    print(f"{PROG}: {words}", file=sys.stderr)
    return code
