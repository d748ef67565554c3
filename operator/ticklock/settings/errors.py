"""The one error of this package, and the hint that most of them carry."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SettingsError(Exception):
    """The settings cannot be used. Its text is meant for the person who wrote them, and holds no secret.

    One line a problem: the setting in the form it was given in (flag, variable or key), what is wrong, the mend.
    """


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names what is spelled nearly like this, or where to find the list."""
    near = get_close_matches(given, list(known), n=3, cutoff=0.7)
    return f"did you mean {' or '.join(near)}?" if near else "see --help for all settings"
