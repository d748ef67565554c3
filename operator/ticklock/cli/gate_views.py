"""The gate, shown to people and to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ticklock.domain.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ticklock.ports import Closure, GateStatus

_WIDTH = 14
_LEADERLESS = 20.0
"""Seconds without a word of the leader after which there is none: nobody reconciles then."""


def as_json(found: Sequence[GateStatus]) -> list[dict[str, Any]]:
    """Return one object for each cluster."""
    return [_object(one) for one in found]


def _object(one: GateStatus) -> dict[str, Any]:
    return {
        "cluster": str(one.cluster),
        "gate": "closed" if one.causes else "open",
        "causes": {reason.value: cause for reason, cause in one.causes.items()},
        "now": format_instant(one.now),
        "incarnation": one.incarnation,
        "reconciledIncarnation": one.reconciled,
        "waiting": {"planned": one.planned, "due": one.due, "overdueSeconds": round(one.overdue_seconds, 3)},
        "leader": one.leader if _led(one) else None,
        "closures": [_closure(closure) for closure in one.closures],
    }


def _closure(one: Closure) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "reason": one.reason.value,
        "cause": one.cause,
        "incarnation": one.incarnation,
        "closedAt": format_instant(one.closed_at),
        "settled": dict(one.settled),
        "unstaging": one.unstaging,
    }
    if one.opened_at is not None and one.opened_how is not None:
        shown |= {"openedAt": format_instant(one.opened_at), "openedHow": one.opened_how.value}
    return shown | ({"openedBy": one.person.by, "responsibility": one.person.why} if one.person else {})


def _led(one: GateStatus) -> bool:
    return one.leaderless_seconds is not None and one.leaderless_seconds < _LEADERLESS


def as_text(one: GateStatus) -> str:
    """Return the same in lines."""
    return "\n".join(f"{name:<{_WIDTH}}{value}".rstrip() for name, value in _lines(one)) + "\n"


def _lines(one: GateStatus) -> Iterator[tuple[str, str]]:
    yield "cluster", str(one.cluster)
    yield "gate", "closed: nothing is launched" if one.causes else "open"
    for reason, cause in one.causes.items():
        yield "why", f"{reason.value}: {cause}"
    for closure in one.closures:
        if closure.opened_at is None:
            yield "since", f"{format_instant(closure.closed_at)} ({closure.reason.value})"
            yield "settled", _settled(closure.settled)
            if closure.unstaging:
                yield "to take away", f"{closure.unstaging} suspended Jobs"
    yield "incarnation", one.incarnation
    if one.reconciled != one.incarnation:
        yield "reconciled", one.reconciled or "none yet"
    yield "waiting", f"{one.due} due, the oldest for {one.overdue_seconds:.0f} s; {one.planned} planned in all"
    yield "leader", (one.leader or "") if _led(one) else "none: nobody reconciles"
    for closure in one.closures:
        if closure.opened_at is not None:
            yield "before", _past(closure)


def _past(one: Closure) -> str:
    how = one.opened_how.value if one.opened_how else ""
    seconds = max((one.opened_at - one.closed_at).total_seconds(), 0.0) if one.opened_at else 0.0
    by = f" by {one.person.by}: {one.person.why}" if one.person else ""
    return (
        f"{format_instant(one.closed_at)} {one.reason.value}, {how} after {seconds:.0f} s{by}; {_settled(one.settled)}"
    )


def _settled(settled: Mapping[str, int]) -> str:
    found = [f"{outcome} {number}" for outcome, number in sorted(settled.items()) if number]
    return "settled " + ", ".join(found) if found else "nothing to settle"
