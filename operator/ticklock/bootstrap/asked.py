"""The settings a command was given, or what is wrong with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ticklock.settings import Settings, SettingsError, load


def settings_of(argv: Sequence[str], prog: str) -> Settings | None:
    """Return the settings; None, after the problem was told on standard error, where they cannot be used."""
    try:
        return load(argv, os.environ, prog=prog)
    except SettingsError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return None
