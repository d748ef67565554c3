"""Taking secrets out of what is about to be written, by the name of a field and by the look of a text.

A net under the rule that secrets are not logged, not a replacement for it: a password that stands in a text on its own,
with nothing around it, cannot be told from a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

HIDDEN = "[redacted]"
TOO_DEEP = "[nested too deep]"

_SECRET_KEY = re.compile(r"passw(or)?d|token|secret|dsn|authorization|conninfo|api_?key|credential", re.IGNORECASE)
_NUMBER_IS_FINE = re.compile(r"token", re.IGNORECASE)
"""A claim token is a number, and no secret."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # scheme://user:password@host; the password may hold what it should not, up to the last @
    (re.compile(r"(?P<keep>[a-z][a-z0-9+.-]*://[^\s/:@\"'<>]*:)[^\s\"'<>]+@", re.IGNORECASE), rf"\g<keep>{HIDDEN}@"),
    # password=…, as in a connection string, a query or a message
    (
        re.compile(
            r"(?P<keep>\b\w*passw(?:or)?d\w*[\"']?\s*[=:]\s*)"
            r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s&,;'\")}]+)",
            re.IGNORECASE,
        ),
        rf"\g<keep>{HIDDEN}",
    ),
    (re.compile(r"(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{12,}", re.IGNORECASE), rf"\g<keep>{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),
)
_HINT = re.compile(r"://|passw|bearer|basic|eyj", re.IGNORECASE)
"""Without one of these no pattern matches: most texts need only this one search."""
_DEPTH = 6


def redacted(key: str, value: Any, *, depth: int = _DEPTH) -> Any:
    """Return the value of a field with secrets hidden, as plain data: mappings, lists, texts, numbers.

    What is nested deeper than `depth` is left out.
    """
    if value is not None and _is_secret(key):
        return value if isinstance(value, (int, float)) and _NUMBER_IS_FINE.search(key) else HIDDEN
    return scrubbed(value) if type(value) is str else _plain(value, depth)


@lru_cache(maxsize=512)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def scrubbed(text: str) -> str:
    """Return a text without the secrets that can be told by their look."""
    if _HINT.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if not depth and isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {scrubbed(str(key)): redacted(str(key), item, depth=depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth - 1) for item in value]
    return scrubbed(_text(value))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return str(value)
