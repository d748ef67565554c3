"""Fields of a spec as they come from outside: each is read with its type, and a wrong one is named with its mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ticklock.domain.instants import parse_instant
from ticklock.domain.model import Problem
from ticklock.domain.reasons import Reason

_T = TypeVar("_T")


class Unusable(Exception):
    """A spec that cannot be followed; the parser makes a Problem of it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(reason, message)


def string(spec: Mapping[str, Any], field: str) -> str | None:
    """Return a text, or None where there is none."""
    value = spec.get(field)
    if value is None or isinstance(value, str):
        no_nul(value, f"spec.{field}")
        return value
    raise Unusable(Reason.INVALID_OBJECT, f"spec.{field} must be a text, not {value!r:.60}: put it in quotes")


def flag(spec: Mapping[str, Any], field: str) -> bool:
    """Return true or false; absent is false."""
    value = spec.get(field)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Unusable(Reason.INVALID_OBJECT, f"spec.{field} must be true or false, not {value!r:.60}")


def integer(spec: Mapping[str, Any], field: str, default: _T) -> int | _T:
    """Return a whole number, 0 or more; the default where it is absent."""
    value = spec.get(field)
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Unusable(Reason.INVALID_OBJECT, f"spec.{field} must be a whole number, 0 or more, not {value!r:.60}")


def choice(spec: Mapping[str, Any], field: str, choices: Mapping[str, _T], default: _T) -> _T:
    """Return what one of the words stands for; the default where it is absent."""
    value = spec.get(field)
    if value is None:
        return default
    if isinstance(value, str) and value in choices:
        return choices[value]
    raise Unusable(Reason.INVALID_OBJECT, f"spec.{field} must be one of {', '.join(choices)}, not {value!r:.60}")


def no_nul(value: object, path: str) -> None:
    """Refuse the one character that JSON may hold and PostgreSQL may not."""
    match value:
        case str() if "\0" in value:
            raise Unusable(Reason.INVALID_OBJECT, f"{path} contains a NUL character: remove it")
        case Mapping():
            for key, item in value.items():
                no_nul(key, f"{path}, a key")
                no_nul(item, f"{path}.{key}")
        case Sequence() if not isinstance(value, str):
            for at, item in enumerate(value):
                no_nul(item, f"{path}[{at}]")
        case _:
            pass


def positive(spec: Mapping[str, Any], field: str) -> int | None:
    """Return a whole number, 1 or more, or None where there is none."""
    value = integer(spec, field, None)
    if value == 0:
        raise Unusable(Reason.INVALID_OBJECT, f"spec.{field} must be a whole number, 1 or more, not 0")
    return value


def instant(spec: Mapping[str, Any], field: str) -> datetime | None:
    """Return a moment, or None where there is none."""
    value = spec.get(field)
    if value is None:
        return None
    moment = parse_instant(value)
    if moment is None:
        message = f"spec.{field} must be a time such as 2026-03-28T00:00:00Z, not {value!r:.60}"
        raise Unusable(Reason.INVALID_OBJECT, message)
    return moment


def texts(spec: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """Return a list of texts; none where it is absent."""
    value = spec.get(field)
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise Unusable(Reason.INVALID_OBJECT, f"spec.{field} must be a list of texts, not {value!r:.60}")
    no_nul(value, f"spec.{field}")
    return tuple(value)
