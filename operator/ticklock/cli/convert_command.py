"""`ticklock convert`: CronJobs become ScheduledJobs, on standard output; the report goes to standard error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ticklock.cli.arguments import OneLineParser, moment
from ticklock.cli.manifests import Found, UnreadableError, dump, parse_manifests, read_manifests
from ticklock.domain.conversion import Conversion, Wishes, convert, is_cronjob

if TYPE_CHECKING:
    from argparse import Namespace

_EXAMPLES = """\
examples:
  ticklock convert cronjobs/ >scheduledjobs.yaml
  helm template . | ticklock convert - | kubectl apply -f -
  ticklock convert --cluster --all-namespaces --start-at 2026-03-01T12:00:30Z >scheduledjobs.yaml

Everything else among the manifests is left out, and counted. The exit code is 1 where a result cannot be followed, 2
where something cannot be read.
"""
_SECONDS = 120


def run(argv: Sequence[str]) -> int:
    """Convert what is given; the exit code says whether all results can be followed."""
    parser = _parser()
    options = parser.parse_args(argv)
    if bool(options.files) == options.cluster:
        parser.error("name manifests, or --cluster")
    now = datetime.now(UTC)  # noqa: TID251 - a command is where the clock of its user is read
    try:
        found = list(_from_cluster(options) if options.cluster else read_manifests(options.files))
    except UnreadableError as unreadable:
        print(f"ticklock convert: {unreadable}", file=sys.stderr)
        return 2
    wishes = Wishes(cronjob_nights=options.keep_nights, start_at=options.start_at)
    done = [(one, convert(one.body, now=now, wishes=wishes)) for one in found if is_cronjob(one.body)]
    print("---\n".join(dump(conversion.manifest) for _, conversion in done), end="")
    print("\n".join(_report(done, len(found) - len(done))), file=sys.stderr)
    return 1 if not done or any(conversion.fails for _, conversion in done) else 0


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="ticklock convert",
        description="Make ScheduledJobs of CronJobs, with a report of what will differ.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="manifests in YAML or JSON, folders of them, or -")
    parser.add_argument("--cluster", action="store_true", help="take the CronJobs of the cluster that kubectl talks to")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", help="with --cluster: of this namespace")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="with --cluster: of all namespaces")
    parser.add_argument("--context", help="with --cluster: the context of the kubeconfig")
    parser.add_argument(
        "--start-at", type=moment, metavar="TIME", help="no tick before: until then the CronJob goes on"
    )
    parser.add_argument("--keep-nights", action="store_true", help="clock changes as a CronJob has them, by dst")
    return parser


def _from_cluster(options: Namespace) -> Iterator[Found]:
    """Yield the CronJobs of a cluster. kubectl asks: it knows every way to log in."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise UnreadableError("kubectl is not on PATH; pipe the output of kubectl get cronjobs -o yaml into it instead")
    command = [kubectl, "get", "cronjobs.v1.batch", "-o", "json"]
    command += ["--all-namespaces"] if options.all_namespaces else []
    command += ["--namespace", options.namespace] if options.namespace else []
    command += ["--context", options.context] if options.context else []
    try:
        # no shell, and no word of it comes from anybody but the user of the command
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603
    except subprocess.CalledProcessError as failed:
        raise UnreadableError(f"kubectl: {failed.stderr.strip() or failed}") from failed
    except subprocess.TimeoutExpired as slow:
        raise UnreadableError(f"kubectl gave no answer within {_SECONDS} s") from slow
    yield from parse_manifests(done.stdout, "the cluster")


def _report(done: Sequence[tuple[Found, Conversion]], others: int) -> Iterator[str]:
    for found, conversion in done:
        yield f"{found.named('(no namespace)')}  ({found.source})"
        yield from (f"  {note.weight:<8} {note.text}" for note in conversion.notes)
    failed = sum(conversion.fails for _, conversion in done)
    yield f"{len(done)} CronJob{'s' * (len(done) != 1)} converted; work by hand is needed for {failed or 'none'}"
    if others:
        yield f"{others} other manifest{'s' * (others != 1)} left out"
    if done:
        yield "Names of Jobs differ, and Jobs carry a finalizer; see docs/cronjob-differences.md for all differences."
        yield "Hand over: apply with a startAt between two ticks; suspend the CronJob after its last tick before that."
