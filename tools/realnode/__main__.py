"""`python -m tools.realnode`: a cluster of real nodes to play with, until Ctrl-C."""

import argparse
import contextlib
import signal
import sys

from tools.devcluster.progress import Progress
from tools.realnode.cluster import CannotRun, RealCluster, why_not


def main() -> int:
    """Start it, say how to reach it, wait for SIGINT or SIGTERM, remove it."""
    parser = argparse.ArgumentParser(prog="python -m tools.realnode", description=__doc__)
    parser.add_argument("--nodes", type=int, default=2, help="how many (default: 2)")
    parser.add_argument("--why-not", action="store_true", help="say why there can be none here; fail where there can")
    arguments = parser.parse_args()
    if arguments.why_not:
        return _say_why_not()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it starts in the background ignore the first
        signal.signal(number, signal.default_int_handler)  # both end in KeyboardInterrupt, hence in clean-up
    try:
        with contextlib.suppress(KeyboardInterrupt), RealCluster(arguments.nodes, progress=Progress()) as cluster:
            times = cluster.times
            print(
                f"programs and images at hand after {times.prepared:.1f} s, API server {times.api:.1f} s, "
                f"nodes ready {times.nodes:.1f} s, names resolved {times.names:.1f} s; Ctrl-C removes it all"
            )
            print(f"export KUBECONFIG={cluster.control_plane.kubeconfig}", flush=True)
            signal.pause()
    except CannotRun as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def _say_why_not() -> int:
    reason = why_not()
    print(reason or "there can be real nodes here")
    return 1 if reason is None else 0


if __name__ == "__main__":
    sys.exit(main())
