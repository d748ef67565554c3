"""`ticklock uninstall`: what an installation has left in a cluster, and its removal."""

from __future__ import annotations

import json
import os
from argparse import RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any

from ticklock.cli.arguments import OneLineParser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MORE = """\
Jobs carry a finalizer until their outcome is recorded, and no namespace that holds one can go. This takes it off all
of them; suspended Jobs that never started are deleted, others go on untouched. Then the Lease goes. ScheduledJobs stay:
they are yours, and go with their kind. No database is needed. Variables: TICKLOCK_KUBECONFIG, TICKLOCK_CONTEXT,
TICKLOCK_LEASE_NAMESPACE, TICKLOCK_LEASE_NAME, TICKLOCK_WATCH_NAMESPACE.

exit codes: 0 nothing is left; 1 something could not be removed, or a replica still leads; 2 bad input;
3 something is left (--check)
"""
_STATES = ("staged", "running", "finished", "deleting")


def run(argv: Sequence[str]) -> int:
    """Look or remove, and print what is left."""
    options = _parser().parse_args(argv)

    from ticklock.bootstrap.uninstallation import Wish, run_uninstall

    wish = Wish(
        kubeconfig=_given(options.kubeconfig, "KUBECONFIG"),
        context=_given(options.context, "CONTEXT"),
        lease_namespace=_given(options.lease_namespace, "LEASE_NAMESPACE") or "ticklock-system",
        lease_name=_given(options.lease_name, "LEASE_NAME") or "ticklock",
        namespace=_given(options.watch_namespace, "WATCH_NAMESPACE"),
        check=options.check,
        force=options.force,
    )
    code, told = run_uninstall(wish)
    if told is not None:
        print(json.dumps(told, indent=2) if options.output == "json" else _text(told))
    return code


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="ticklock uninstall",
        description="Let go what Ticklock has left in a cluster.",
        epilog=_MORE,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="only tell what is left")
    parser.add_argument("--force", action="store_true", help="even while a replica leads")
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: the usual one, or the pod's ServiceAccount")
    parser.add_argument("--context", metavar="NAME", help="context in it (default: its current one)")
    parser.add_argument("--lease-namespace", metavar="NAME", help="where the Lease is (default: ticklock-system)")
    parser.add_argument("--lease-name", metavar="NAME", help="what it is called (default: ticklock)")
    parser.add_argument("--watch-namespace", metavar="NAME", help="the only one that was served (default: all)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table", help="default: table")
    return parser


def _given(flag: str | None, variable: str) -> str | None:
    return flag or os.environ.get(f"TICKLOCK_{variable}") or None


def _text(told: Mapping[str, Any]) -> str:
    """Return sentences, and a table where there is something to count."""
    lines = []
    if (done := told.get("done")) is not None:
        lines.append(f"suspended Jobs deleted: {done['unstaged']}; finalizers taken off: {done['released']}")
    if told["namespaces"]:
        lines += _table(told["namespaces"])
    lease = told["lease"]
    if lease is not None:
        held = f"held by {lease['holder']}, renewed {lease['renewTime']}" if lease["holder"] else "free"
        lines.append(f"Lease {lease['namespace']}/{lease['name']}: {held}")
    if told["clean"]:
        lines.append("nothing is left that holds up a deletion")
    return "\n".join(lines)


def _table(namespaces: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [("NAMESPACE", *(f"JOBS {state.upper()}" for state in _STATES), "SCHEDULEDJOBS")]
    for one in namespaces:
        counts = (str(one["jobs"].get(state, 0)) for state in _STATES)
        rows.append((str(one["namespace"]), *counts, str(one["scheduledJobs"])))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
