"""What an installation allows: limits against specs that would cost everybody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise

from ticklock.domain.catch_up import CatchUpPolicy
from ticklock.domain.model import Declared, Problem, Rule
from ticklock.domain.reasons import Reason
from ticklock.domain.timetable import Timetable
from ticklock.domain.timing import declared_timetable

_LOOKED_AT = 200
"""Ticks by which the distance of a timetable is judged. Two schedules that come close once in a year may not be found:
what costs is what is close all the time."""
_SPAN = timedelta(days=3660)
_ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an installation; the defaults refuse nothing, because ticks are whole seconds."""

    min_interval: timedelta = _ONE_SECOND
    max_catch_up: int = 1000
    """How many missed ticks of one schedule may be made up for at most."""
    max_pending: int = 50_000
    """How many runs may wait to be started, in all."""
    max_pending_in_namespace: int = 20_000


NO_LIMITS = Limits()


@lru_cache(maxsize=20_000)
def shortest_distance(timetable: Timetable, after: datetime) -> timedelta | None:
    """Return the shortest time between two of the next ticks; None where there are no two."""
    ticks = islice(timetable.ticks(after=after, until=after + _SPAN), _LOOKED_AT)
    return min((later - earlier for earlier, later in pairwise(ticks)), default=None)


def within(item: Declared, limits: Limits) -> Declared:
    """Return the object as it is, or with a problem in the place of a rule that is beyond the limits."""
    if item.rule is None:
        return item
    message = _too_close(item, item.rule, limits) or _too_many(item.rule, limits)
    return item if message is None else replace(item, rule=None, problem=Problem(Reason.INVALID_SCHEDULE, message))


def _too_close(item: Declared, rule: Rule, limits: Limits) -> str | None:
    if limits.min_interval <= _ONE_SECOND:
        return None
    distance = shortest_distance(declared_timetable(item, rule), item.created_at)
    if distance is None or distance >= limits.min_interval:
        return None
    return (
        f"spec.{_field(rule)}: ticks are {_seconds(distance)} s apart, less than this installation allows: let "
        f"{_seconds(limits.min_interval)} s at least lie between them (min_interval_seconds)"
    )


def _too_many(rule: Rule, limits: Limits) -> str | None:
    catch_up = rule.times.catching_up
    if catch_up.policy is not CatchUpPolicy.ALL or catch_up.limit <= limits.max_catch_up:
        return None
    return (
        f"spec.catchUp.limit: {catch_up.limit} missed ticks are more than this installation allows: make it "
        f"{limits.max_catch_up} at most (max_catch_up)"
    )


def _field(rule: Rule) -> str:
    if rule.times.every_seconds is not None:
        return "everySeconds"
    return "schedules" if rule.times.schedules else "schedule"


def _seconds(distance: timedelta) -> int:
    return int(distance.total_seconds())
