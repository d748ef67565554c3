"""Arguments of the command line: one-line errors, and the types that commands share."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import NoReturn

from ticklock.domain.spread import seed_of

_COUNT = re.compile(r"[0-9]{1,5}")
_MOST = 10_000


class OneLineParser(ArgumentParser):
    """A parser that answers bad arguments with one line on standard error and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage, which would push it out of sight."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def moment(text: str) -> datetime:
    """Return an RFC 3339 time, which must carry its offset."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no RFC 3339 time; write it like 2026-03-28T00:00:00Z") from None
    if parsed.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} has no offset; put Z behind it for UTC, or an offset such as +02:00")
    return parsed


def seed(text: str) -> str:
    """Return what the numbers of the schedule NAMESPACE/NAME are drawn from."""
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ArgumentTypeError(f"{text!r} names no schedule; write NAMESPACE/NAME")
    return seed_of(namespace, name)


def count(text: str) -> int:
    """Return how many to show: 1 to 10000."""
    if not _COUNT.fullmatch(text) or not 1 <= int(text) <= _MOST:
        raise ArgumentTypeError(f"{text!r} is no count; write a whole number from 1 to {_MOST}")
    return int(text)
