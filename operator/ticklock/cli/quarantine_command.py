"""`ticklock quarantine`: why nothing is launched, and how a person ends it."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from typing import TYPE_CHECKING
from uuid import UUID

from ticklock.cli.arguments import OneLineParser
from ticklock.cli.gate_views import as_json, as_text
from ticklock.domain.errors import Refused, Transient, Unready
from ticklock.domain.model import ClusterId

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ticklock.bootstrap.gate import Gate
    from ticklock.ports import GateStatus

PROG = "ticklock quarantine"

_EPILOG = """\
status   shows for each cluster of the database whether the gate is open, and if not, why, since when, what was
         settled and what waits
release  opens the gate of a cluster. Quarantine: the rows are believed as they stand. What the database has lost is
         not known then, and a run that was lost with its commits may be launched a second time. ClockStep: what is
         due by the database's clock is launched. Who did it and why goes into the audit trail.

Further flags are the settings, as of `ticklock migrate`: it talks to PostgreSQL alone.

examples:
  ticklock quarantine status -o json
  ticklock quarantine release --reason "compared by hand, see INC-7" --yes
"""


def run(argv: Sequence[str]) -> int:
    """Do it; 1 where the database cannot be asked or nothing is closed, 2 and one line where the input is bad."""
    options, settings = _parser().parse_known_args(argv)
    from ticklock.bootstrap.gate import gate_of

    gate = gate_of(settings, PROG)
    if gate is None:
        return 2
    try:
        return _status(gate, options) if options.action == "status" else _release(gate, options)
    except (Transient, Refused, Unready) as error:
        return _complain(1, str(error))


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=PROG,
        description="Show why nothing is launched, or take responsibility and let it go on.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=["status", "release"])
    parser.add_argument("--cluster", type=UUID, metavar="UUID", help="which, if several use the database")
    parser.add_argument("--reason", metavar="TEXT", help="why you release it; required for that")
    parser.add_argument("--by", metavar="NAME", help="who you are (default: user@host)")
    parser.add_argument("--yes", action="store_true", help="release: I have read what that means")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="default: text")
    return parser


def _status(gate: Gate, options: Namespace) -> int:
    found = [one for one in gate.look() if options.cluster in {None, one.cluster}]
    if not found:
        return _complain(1, "no replica has used this database yet" if options.cluster is None else "no such cluster")
    print(json.dumps(as_json(found), indent=2) if options.output == "json" else "\n".join(map(as_text, found)))
    return 0


def _release(gate: Gate, options: Namespace) -> int:
    from ticklock.bootstrap.at_database import whoever_asks
    from ticklock.ports import Person

    if not (options.reason or "").strip():
        return _complain(2, "release needs --reason: it is written into the audit trail")
    chosen = _chosen(gate.look(), options.cluster)
    if isinstance(chosen, str):
        return _complain(2, chosen)
    if not chosen.causes:
        return _complain(1, "the gate is open: there is nothing to release")
    if not options.yes:
        print(as_text(chosen), file=sys.stderr)
        return _complain(2, "nothing was done; if you answer for what is launched then, say --yes")
    released = gate.release(chosen.cluster, Person(options.by or whoever_asks(), options.reason.strip()))
    names = [reason.value for reason in released]
    if options.output == "json":
        print(json.dumps({"cluster": str(chosen.cluster), "released": names}))
    else:
        print(f"released: {', '.join(names)}" if names else "it was opened meanwhile: nothing was released")
    return 0


def _chosen(found: Sequence[GateStatus], cluster: ClusterId | None) -> GateStatus | str:
    """Return the cluster that is meant, or why it is not clear."""
    if cluster is None and len(found) > 1:
        names = ", ".join(f"--cluster {one.cluster}" for one in found)
        return f"several clusters use this database; say which: {names}"
    meant = [one for one in found if cluster in {None, one.cluster}]
    return meant[0] if meant else f"the database knows no cluster {cluster or ''}".rstrip()


def _complain(code: int, words: str) -> int:
    print(f"{PROG}: {words}", file=sys.stderr)
    return code
