"""`python -m tools.devcluster`: a control plane and a PostgreSQL to play with, until Ctrl-C."""

import argparse
import contextlib
import signal
import time

from tools.devcluster.commands import Options
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.postgres import Postgres


def main() -> None:
    """Start both, say how to reach them, wait for SIGINT or SIGTERM, remove both."""
    parser = argparse.ArgumentParser(prog="python -m tools.devcluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=4, help="how many simulated nodes (default: 4)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end in KeyboardInterrupt, hence in clean-up
    began = time.monotonic()
    cluster, postgres = ControlPlane(Options(nodes=arguments.nodes)), Postgres()
    with contextlib.suppress(KeyboardInterrupt), cluster, postgres:
        print(f"ready after {time.monotonic() - began:.1f} s; Ctrl-C removes it all")
        print(f"export KUBECONFIG={cluster.kubeconfig}")
        print(f"export TICKLOCK_DATABASE_URL={postgres.url}", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
