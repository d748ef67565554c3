"""The fields of time of a spec, read and checked by making the timetable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ticklock.domain.parse_catch_up import read_catch_up
from ticklock.domain.reasons import Reason
from ticklock.domain.spec_fields import Unusable, choice, instant, integer, positive, string, texts
from ticklock.domain.times import Ambiguous, Nonexistent, Times
from ticklock.domain.timetable import Timetable, TimetableError, UnknownTimeZone
from ticklock.domain.timing import timetable_of

MOST_EXPRESSIONS = 16
"""Entries of `schedules`, and of `exclude`."""
LONGEST_INTERVAL = 315_360_000
"""Ten years in seconds."""
LONGEST_JITTER = 86_400
_WAYS = ("schedule", "schedules", "everySeconds")
_NONEXISTENT = {choice.value: choice for choice in Nonexistent}
_AMBIGUOUS = {choice.value: choice for choice in Ambiguous}


def read_timetable(spec: Mapping[str, Any], *, created: datetime, seed: str) -> tuple[str | None, str | None, Times]:
    """Return expression, zone and the rest. Raises Unusable where they make no timetable, or one that never fires.

    Nothing that says when is no mistake: such a schedule runs on demand only.
    """
    expression, zone, times = string(spec, "schedule"), string(spec, "timeZone"), _times(spec)
    given = [way for way in _WAYS if spec.get(way) is not None]
    if len(given) > 1:
        raise Unusable(Reason.INVALID_SCHEDULE, f"spec: {' and '.join(given)} both say when to run: keep one of them")
    _check_window(times)
    timetable = _made(expression, zone, times, created=created, seed=seed)
    if given and timetable.next(created) is None:
        _tell_never(expression, zone, times, created=created, seed=seed)
    return expression, zone, times


def check_jitter(times: Times, deadline: int | None) -> None:
    """Refuse a jitter that may use up the deadline."""
    if deadline is not None and 0 < deadline <= times.jitter_seconds:
        message = (
            f"spec.jitterSeconds: {times.jitter_seconds} uses up startingDeadlineSeconds, {deadline}, which is counted "
            "from the tick: make it less"
        )
        raise Unusable(Reason.INVALID_SCHEDULE, message)


def _times(spec: Mapping[str, Any]) -> Times:
    dst = spec.get("dst")
    if dst is not None and not isinstance(dst, Mapping):
        raise Unusable(Reason.INVALID_OBJECT, f"spec.dst must be an object, not {dst!r:.60}")
    times = Times(
        schedules=_expressions(spec, "schedules"),
        every_seconds=positive(spec, "everySeconds"),
        start_at=instant(spec, "startAt"),
        end_at=instant(spec, "endAt"),
        exclude=_expressions(spec, "exclude"),
        nonexistent=_dst(dst, "nonexistent", _NONEXISTENT, Nonexistent.SHIFT),
        ambiguous=_dst(dst, "ambiguous", _AMBIGUOUS, Ambiguous.FIRST),
        jitter_seconds=integer(spec, "jitterSeconds", 0),
        catch_up=read_catch_up(spec),
    )
    _check_most("everySeconds", times.every_seconds or 0, LONGEST_INTERVAL)
    _check_most("jitterSeconds", times.jitter_seconds, LONGEST_JITTER)
    return times


def _dst(dst: Mapping[str, Any] | None, field: str, choices: Mapping[str, Any], default: Any) -> Any:
    return choice({f"dst.{field}": (dst or {}).get(field)}, f"dst.{field}", choices, default)


def _check_most(field: str, value: int, most: int) -> None:
    if value > most:
        raise Unusable(Reason.INVALID_OBJECT, f"spec.{field} must be {most} at most, not {value}")


def _expressions(spec: Mapping[str, Any], field: str) -> tuple[str, ...]:
    found = texts(spec, field)
    if spec.get(field) is not None and not found:
        raise Unusable(Reason.INVALID_SCHEDULE, f"spec.{field} is empty: leave it out, or name an expression")
    if len(found) > MOST_EXPRESSIONS:
        raise Unusable(Reason.INVALID_SCHEDULE, f"spec.{field} has {len(found)} entries: {MOST_EXPRESSIONS} at most")
    return found


def _check_window(times: Times) -> None:
    if times.start_at is not None and times.end_at is not None and times.end_at < times.start_at:
        raise Unusable(Reason.INVALID_SCHEDULE, "spec.endAt lies before spec.startAt: nothing would ever run")


def _made(expression: str | None, zone: str | None, times: Times, *, created: datetime, seed: str) -> Timetable:
    """Make the timetable; where that fails, each expression is tried by itself to name the wrong one."""
    try:
        return timetable_of(expression, times, time_zone=zone, anchor=created, seed=seed)
    except UnknownTimeZone as unknown:
        raise Unusable(Reason.UNKNOWN_TIME_ZONE, f"spec.timeZone: {unknown}") from unknown
    except TimetableError as wrong:
        raise Unusable(Reason.INVALID_SCHEDULE, f"{_wrong_field(expression, times, created, seed)}: {wrong}") from wrong


def _wrong_field(expression: str | None, times: Times, created: datetime, seed: str) -> str:
    named = [("spec.schedule", expression)] if expression is not None else []
    named += [(f"spec.schedules[{at}]", text) for at, text in enumerate(times.schedules)]
    for field, text in named:
        try:
            Timetable.parse(text or "", anchor=created, seed=seed)
        except TimetableError:
            return field
    for at, text in enumerate(times.exclude):
        try:
            Timetable.of((), anchor=created, seed=seed, times=Times(exclude=(text,)))
        except TimetableError:
            return f"spec.exclude[{at}]"
    return "spec"  # pragma: no cover - one of them was wrong


def _tell_never(expression: str | None, zone: str | None, times: Times, *, created: datetime, seed: str) -> None:
    """Say why a timetable never fires; that its window is over is no mistake, but how a schedule ends."""
    field = "spec.schedules" if times.schedules else "spec.schedule"
    text = expression if expression is not None else ", ".join(times.schedules)
    alone = replace(times, start_at=None, end_at=None, exclude=())
    if timetable_of(expression, alone, time_zone=zone, anchor=created, seed=seed).next(created) is None:
        message = f"{field} {text!r} never fires: no such day exists; correct day and month"
        raise Unusable(Reason.INVALID_SCHEDULE, message)
    always = replace(times, start_at=None, end_at=None)
    if timetable_of(expression, always, time_zone=zone, anchor=created, seed=seed).next(created) is None:
        raise Unusable(Reason.INVALID_SCHEDULE, "spec.exclude takes every tick away: nothing would ever run")
