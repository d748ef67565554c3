"""What is allowed in a spec and yet hardly ever meant: said before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ticklock.domain.backlog import GRACE
from ticklock.domain.catch_up import DEFAULT_LIMIT, CatchUpPolicy
from ticklock.domain.limits import shortest_distance
from ticklock.domain.model import ConcurrencyPolicy, Declared, LaunchPolicy, Rule
from ticklock.domain.pattern import Pattern
from ticklock.domain.recurrence import Cron
from ticklock.domain.timetable import Timetable
from ticklock.domain.timing import declared_timetable

_SOON = 300
"""Seconds between ticks within which a run of unknown length is taken to overlap."""
_BACKOFF_LIMIT = 6
"""What Kubernetes takes where backoffLimit is unset."""
_LAST_SAFE_DAY = 28


def advise(item: Declared, rule: Rule, *, after: datetime) -> list[str]:
    """Return warnings, each one sentence with its mend; none where there is nothing to say."""
    timetable = declared_timetable(item, rule)
    return [*_of_time(rule, timetable, after), *_of_missed(rule), *_of_job(rule)]


def _of_time(rule: Rule, timetable: Timetable, after: datetime) -> Iterator[str]:
    if not timetable.parts:
        yield "nothing says when to run: it runs on demand only, by the annotation ticklock.dev/trigger"
        return
    if timetable.next(after) is None:
        yield "there is no tick to come: endAt is over, or lies before the next one"
    yield from _of_days(rule, timetable)
    distance = shortest_distance(timetable, after)
    if distance is not None:
        yield from _of_distance(rule, distance)


def _of_days(rule: Rule, timetable: Timetable) -> Iterator[str]:
    """Speak of dates that never come, or not in every month."""
    for text, part in zip(rule.times.schedules or (rule.expression,), timetable.parts, strict=False):
        if not isinstance(part, Cron):
            continue
        if not part.possible:
            yield f"{text!r} never ticks: no such day exists; the other schedules do"
        pattern = part.pattern
        if isinstance(pattern, Pattern) and _passes_months_over(pattern):
            yield f"{text!r} passes over the months without day {min(pattern.days)}; L is the last day of every month"


def _passes_months_over(pattern: Pattern) -> bool:
    every_month = len(pattern.months) == 12  # noqa: PLR2004 - a year has as many
    return (
        every_month
        and not pattern.either_day
        and not pattern.last_day
        and min(pattern.days, default=0) > _LAST_SAFE_DAY
    )


def _of_distance(rule: Rule, distance: timedelta) -> Iterator[str]:
    seconds = int(distance.total_seconds())
    if seconds == 1:
        yield "it ticks every second, 86,400 Jobs a day: is the first of six fields meant to be the minute?"
    limit = _spec(rule).get("activeDeadlineSeconds")
    if rule.concurrency is ConcurrencyPolicy.ALLOW:
        if isinstance(limit, int) and limit > seconds:
            yield (
                f"runs may overlap: ticks are {seconds} s apart, and a run may take {limit} s (activeDeadlineSeconds); "
                "concurrencyPolicy Forbid or Replace prevents it"
            )
        elif limit is None and seconds <= _SOON:
            yield (
                f"runs are likely to overlap: ticks are {seconds} s apart, and nothing limits how long a run takes; "
                "set concurrencyPolicy to Forbid or Replace, or activeDeadlineSeconds"
            )
    if rule.times.jitter_seconds >= seconds:
        yield f"jitterSeconds is not less than the {seconds} s between two ticks: a run may start after the next tick"


def _of_missed(rule: Rule) -> Iterator[str]:
    """Speak of what `catchUp` says and yet does not do."""
    catch_up, deadline = rule.times.catch_up, rule.starting_deadline
    if catch_up is None:
        return
    if catch_up.policy is CatchUpPolicy.LATEST and catch_up.limit != DEFAULT_LIMIT:
        yield "catchUp.limit says nothing under policy Latest: one missed tick runs; take All, or leave it out"
    if deadline is None or catch_up.policy is CatchUpPolicy.SKIP:
        return
    seconds = int(deadline.total_seconds())
    if deadline <= GRACE:
        yield (
            f"catchUp makes up for nothing: a tick is missed after {int(GRACE.total_seconds())} s, and by then "
            f"startingDeadlineSeconds, {seconds}, is over"
        )
    elif catch_up.window is not None and catch_up.window >= deadline:
        yield f"catchUp.windowSeconds is not less than startingDeadlineSeconds, {seconds}: the deadline alone decides"


def _of_job(rule: Rule) -> Iterator[str]:
    spec = _spec(rule)
    if spec.get("backoffLimit") is None and rule.launch_policy is not LaunchPolicy.STRICT_POD:
        yield (
            f"backoffLimit is unset: Kubernetes starts a failed pod again, up to {_BACKOFF_LIMIT} times within the one "
            "Job; set 0 if the work must not be repeated"
        )
    if spec.get("completions") == 0:
        yield "completions is 0: such a Job completes as soon as it is made, without any pod"
    if spec.get("suspend") is True:
        yield "jobTemplate.spec.suspend is true: each Job waits until somebody sets it to false"
    if rule.suspend:
        yield "suspend is true: nothing runs until it is false"
    if rule.starting_deadline == timedelta(0):
        yield "startingDeadlineSeconds is 0: a run that is a moment late is Missed; give it some seconds"


def _spec(rule: Rule) -> Mapping[str, Any]:
    spec = rule.job_template.get("spec")
    return spec if isinstance(spec, Mapping) else {}
