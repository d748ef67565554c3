"""The entry point: finds the command and imports only that, so that the small ones start fast."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ticklock.cli.arguments import OneLineParser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SERVES = "controller"
"""The command that talks to sockets: of one that breaks there it tells itself."""
_NOBODY_READS = 141
"""128 + SIGPIPE: what a shell shows of others whose reader has gone."""


class Command(NamedTuple):
    """A subcommand: the module whose `run(argv) -> int` does it, and one line of help."""

    module: str
    summary: str


COMMANDS = {
    "controller": Command("ticklock.cli.controller_command", "run one replica of the controller"),
    "migrate": Command("ticklock.cli.migrate_command", "bring the database's schema up to date"),
    "quarantine": Command("ticklock.cli.quarantine_command", "show why nothing is launched, or let it go on"),
    "backfill": Command("ticklock.cli.backfill_command", "have past ticks run that never started a Job"),
    "crd": Command("ticklock.cli.crd_command", "print the CustomResourceDefinition, to be piped into kubectl apply"),
    "uninstall": Command("ticklock.cli.uninstall_command", "let go what an installation has left in a cluster"),
    "next": Command("ticklock.cli.next_command", "show when an expression ticks next"),
    "validate": Command("ticklock.cli.validate_command", "explain manifests: next ticks, clock changes, warnings"),
    "convert": Command("ticklock.cli.convert_command", "make ScheduledJobs of CronJobs, with a report of what differs"),
    "version": Command("ticklock.cli.version_command", "print the version"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and return its exit code; 2 means bad input.

    `argv` is without the name of the program; by default it is the process's own.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        run: Callable[[Sequence[str]], int] = import_module(COMMANDS[arguments[0]].module).run
        return run(arguments[1:]) if arguments[0] == _SERVES else _printed(run, arguments[1:])
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    parser.parse_args(arguments)
    return 2


def _printed(run: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run what prints its answer; end quietly where nobody reads on, as `head` does."""
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it ends
        return _NOBODY_READS
    return code


def _parser() -> OneLineParser:
    """Return the parser for what names no command: it knows help and errors only."""
    parser = OneLineParser(prog="ticklock", description="Scheduled Kubernetes Jobs that run exactly once.")
    commands = parser.add_subparsers(metavar="command", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.summary)
    return parser
