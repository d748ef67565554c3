"""`ticklock validate`: explains manifests before anybody applies them."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ticklock.cli.arguments import OneLineParser, count, moment
from ticklock.cli.manifests import Found, UnreadableError, read_manifests
from ticklock.domain.advice import advise
from ticklock.domain.catch_up import CatchUp, CatchUpPolicy
from ticklock.domain.clock_note import clock_note
from ticklock.domain.forecast import clock_changes
from ticklock.domain.instants import format_instant
from ticklock.domain.limits import Limits, within
from ticklock.domain.names import API_VERSION, KIND
from ticklock.domain.parse import declared
from ticklock.domain.timing import declared_delay, declared_timetable

if TYPE_CHECKING:
    from argparse import Namespace

    from ticklock.domain.model import Declared, Rule
    from ticklock.domain.timetable import Timetable

_EXAMPLES = """\
examples:
  ticklock validate nightly.yaml
  kubectl get sjob -A -o yaml | ticklock validate -

The exit code is 1 where a manifest cannot be followed, 2 where a file cannot be read. Warnings do not change it.
"""
_AHEAD = timedelta(days=366)
FIELDS = frozenset(
    {
        *("schedule", "schedules", "everySeconds", "timeZone", "startAt", "endAt", "exclude", "dst", "jitterSeconds"),
        *("suspend", "concurrencyPolicy", "startingDeadlineSeconds", "queueName", "priority", "launchPolicy"),
        *("catchUp", "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "jobTemplate"),
    }
)
"""The fields of a spec. A test compares them with the CRD."""


def run(argv: Sequence[str]) -> int:
    """Explain each manifest; the exit code says whether all can be followed."""
    options = _parser().parse_args(argv)
    after = options.after or datetime.now(UTC)  # noqa: TID251 - a command is where the clock of its user is read
    try:
        found = list(read_manifests(options.files))
    except UnreadableError as unreadable:
        print(f"ticklock validate: {unreadable}", file=sys.stderr)
        return 2
    told = [Explained(manifest, options, after) for manifest in found]
    print("\n".join(line for one in told for line in one.lines()))
    wrong = sum(bool(one.problems) for one in told)
    print(f"{len(told)} manifest{'s' * (len(told) != 1)}, {wrong or 'none'} wrong", file=sys.stderr)
    return 1 if wrong or not told else 0


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="ticklock validate",
        description="Explain ScheduledJobs: next ticks, what clock changes do to them, and what may not be meant.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="manifests in YAML or JSON, folders of them, or -")
    parser.add_argument("-n", "--namespace", default="default", help="of those that name none (default: default)")
    parser.add_argument("--after", type=moment, metavar="TIME", help="show ticks after this (default: now)")
    parser.add_argument(
        "--min-interval",
        type=count,
        default=1,
        metavar="SECONDS",
        help="min_interval_seconds of the installation (default: 1)",
    )
    parser.add_argument(
        "--max-catch-up", type=count, default=100, metavar="N", help="max_catch_up of the installation (default: 100)"
    )
    parser.add_argument("--count", type=count, default=3, metavar="N", help="how many ticks (default: 3)")
    return parser


class Explained:
    """One manifest with what is to be said of it."""

    def __init__(self, found: Found, options: Namespace, after: datetime) -> None:
        self._found, self._after, self._count = found, after, options.count
        self._title = f"{found.named(options.namespace)}  ({found.source})"
        self.problems = list(_misfits(found))
        self._item: Declared | None = None
        if not self.problems:
            read = declared(_as_created(found, options.namespace, after))
            limits = Limits(timedelta(seconds=options.min_interval), options.max_catch_up)
            self._item = None if read is None else within(read, limits)
            if self._item is not None and self._item.problem is not None:
                self.problems = [self._item.problem.message]

    def lines(self) -> Iterator[str]:
        """Yield what to print."""
        yield self._title
        yield from (f"  wrong    {problem}" for problem in self.problems)
        if self.problems or self._item is None or self._item.rule is None:
            return
        rule, timetable = self._item.rule, declared_timetable(self._item, self._item.rule)
        yield from _says(rule, timetable)
        yield from _next(timetable, self._after, self._count)
        delay = declared_delay(self._item)
        if delay:
            yield f"  jitter   each run is launched {int(delay.total_seconds())} s after its tick"
        if rule.times.catch_up is not None:
            yield f"  missed   {_missed(rule.times.catch_up)}"
        for change in clock_changes(timetable, after=self._after, until=self._after + _AHEAD):
            yield f"  clock    {change.at.astimezone(ZoneInfo(timetable.time_zone)):%Y-%m-%d}: {change.note}"
        yield from (f"  warning  {warning}" for warning in advise(self._item, rule, after=self._after))


def _misfits(found: Found) -> Iterator[str]:
    """Yield what keeps a manifest from being a ScheduledJob at all."""
    if found.kind == "CronJob":
        yield "this is a CronJob: ticklock convert makes a ScheduledJob of it"
        return
    if (found.body.get("apiVersion"), found.kind) != (API_VERSION, KIND):
        given = f"{found.body.get('apiVersion')} and {found.kind}"
        yield f"apiVersion and kind must be {API_VERSION} and {KIND}, not {given}"
        return
    name = found.metadata.get("name")
    if not isinstance(name, str) or not name:
        yield "metadata.name is missing: H and jitter are drawn from it"
    spec = found.body.get("spec")
    for field in sorted(set(spec) - FIELDS) if isinstance(spec, Mapping) else ():
        close = get_close_matches(field, FIELDS, n=1) or [known for known in FIELDS if known.lower() == field.lower()]
        yield f"spec.{field}: there is no such field" + (f"; did you mean {close[0]}?" if close else "")


def _as_created(found: Found, namespace: str, after: datetime) -> Mapping[str, Any]:
    """Return the object as if it were created now, where it is not yet."""
    known = {"namespace": namespace, "uid": "none-yet", "creationTimestamp": format_instant(after)}
    return {**found.body, "metadata": {**known, **{key: value for key, value in found.metadata.items() if value}}}


def _says(rule: Rule, timetable: Timetable) -> Iterator[str]:
    texts = rule.times.schedules or ((timetable.expression,) if timetable.expression else ())
    for text in texts:
        yield f"  runs     {text}  in {timetable.time_zone}"
    for text in rule.times.exclude:
        yield f"  but not  {text}"


def _missed(catch_up: CatchUp) -> str:
    """Say what becomes of missed ticks."""
    young = "" if catch_up.window is None else f", up to {int(catch_up.window.total_seconds())} s late"
    match catch_up.policy:
        case CatchUpPolicy.SKIP:
            return "none of them runs"
        case CatchUpPolicy.LATEST:
            return f"the latest of them runs{young}"
        case CatchUpPolicy.ALL:
            return f"the newest {catch_up.limit} of them run{young}"


def _next(timetable: Timetable, after: datetime, limit: int) -> Iterator[str]:
    zone = ZoneInfo(timetable.time_zone)
    for _ in range(limit):
        tick = timetable.next(after)
        if tick is None:
            return
        note = clock_note(timetable, tick)
        local = tick.astimezone(zone)
        yield f"  next     {format_instant(tick)}  {local:%a} {local.isoformat(sep=' ')}{f'  {note}' if note else ''}"
        after = tick
