"""The page of the command line, from the help that the commands print."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

from ticklock.cli.main import COMMANDS, main
from tools.docs.markdown import code, table

_HEAD = """\
# Command line

Data goes to standard output, complaints to standard error, one line each. Exit codes: 0 done, 1 it could not be done,
2 bad input.

"""

_BY_SETTINGS = ("controller", "migrate")
_BY_SETTINGS_TEXT = (
    "Its flags are the [settings](settings.md), the same for `ticklock controller` and `ticklock migrate`.\n"
)

_SHORT_AND_LONG = re.compile(r"(-\w) (\S+), (--[\w-]+) \2")
"""Python before 3.13 writes `-o X, --output X`, later ones `-o, --output X`: the page shows the shorter form."""


def page() -> str:
    """Return the page."""
    rows = ((f"[{code('ticklock ' + name)}](#ticklock-{name})", command.summary) for name, command in COMMANDS.items())
    return _HEAD + table(("command", "what it does"), rows) + "".join(_section(name) for name in COMMANDS)


def _section(name: str) -> str:
    body = _BY_SETTINGS_TEXT if name in _BY_SETTINGS else f"```text\n{printed(name, '--help').rstrip()}\n```\n"
    return f"\n## ticklock {name}\n\n{body}"


def printed(*argv: str) -> str:
    """Return what a command prints on standard output, 100 columns wide."""
    out = io.StringIO()
    with _columns("100"), redirect_stdout(out), suppress(SystemExit):
        main(argv)
    return _SHORT_AND_LONG.sub(r"\1, \3 \2", out.getvalue())


@contextmanager
def _columns(width: str) -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = width
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
