"""The settings a command was given, or what is wrong with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ticklock import failpoints
from ticklock.settings import Settings, SettingsError, load


def settings_of(argv: Sequence[str], prog: str) -> Settings | None:
    """Return the settings; None, after the problem was told on standard error, where they cannot be used."""
    try:
        return load(argv, os.environ, prog=prog)
    except SettingsError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return None


def arm_failpoints(prog: str) -> bool:
    """Take the failpoints that a test wants; False, after the problem was told, where they make no sense."""
    try:
        failpoints.arm(os.environ)
    except (failpoints.BadRules, OSError) as error:
        print(f"{prog}: {failpoints.VARIABLE}: {error}", file=sys.stderr)
        return False
    return True
