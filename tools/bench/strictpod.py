"""What launchPolicy StrictPod costs: `python -m tools.bench.strictpod`, from the tick to the running pod.

Schedules of both policies tick at the same seconds in one cluster, so that whatever else happens there hits both.
Takes about a minute more than the ticks do.
"""

import argparse
import math
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tools.bench.figures import Measured, Sheet
from tools.bench.page import table
from tools.bench.publishing import put
from tools.bench.template import NAMESPACE
from tools.devcluster.installation import Installation, Shape
from tools.devcluster.manifests import collection, create_namespace, has_account
from tools.devcluster.process import wait_until
from tools.devcluster.watching import Sight, Watch

POLICIES = ("Job", "StrictPod")
_EVERY = 10
_LABEL = "ticklock.dev/schedule"
_TICK = "TICKLOCK_SCHEDULED_TIME"
_SHARES = (0.5, 0.9, 0.99, 1.0)
_TEXT = """\
Schedules of both policies tick at the same seconds in one cluster with two replicas and simulated nodes; the lag is
counted by a watch on pods."""


@dataclass(slots=True)
class Lags:
    """From the tick to the sight of its pod made, and of its pod running; by policy, in seconds."""

    made: dict[str, dict[str, float]] = field(default_factory=lambda: {policy: {} for policy in POLICIES})
    running: dict[str, dict[str, float]] = field(default_factory=lambda: {policy: {} for policy in POLICIES})
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, sight: Sight) -> None:
        """Take one version of a pod."""
        metadata = sight.object["metadata"]
        schedule = metadata.get("labels", {}).get(_LABEL, "")
        policy = next((one for one in POLICIES if schedule.startswith(one.lower())), None)
        if policy is None:
            return
        lag, uid = sight.at - _tick(sight.object), str(metadata["uid"])
        with self.lock:
            self.made[policy].setdefault(uid, lag)
            if sight.object["status"].get("startTime"):
                self.running[policy].setdefault(uid, lag)


def _tick(pod: dict[str, Any]) -> float:
    env = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
    return datetime.fromisoformat(str(env[_TICK])).timestamp()


def manifest(policy: str, number: int) -> dict[str, Any]:
    """Return one schedule."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox:1.37"}]}
    return {
        "apiVersion": "ticklock.dev/v1",
        "kind": "ScheduledJob",
        "metadata": {"name": f"{policy.lower()}-{number:04d}", "namespace": NAMESPACE},
        "spec": {
            "schedule": f"*/{_EVERY} * * * * *",
            "launchPolicy": policy,
            "jobTemplate": {"spec": {"backoffLimit": 0, "template": {"spec": pod}}},
        },
    }


def measure(schedules: int, ticks: int) -> Lags:
    """Run so many schedules of each policy for so many ticks."""
    lags = Lags()
    with Installation(Shape(replicas=2)) as ours:
        ours.wait_leader()
        create_namespace(ours.cluster, NAMESPACE)
        ours.cluster.wait(lambda: has_account(ours.cluster, NAMESPACE), "the namespace has its ServiceAccount")
        watch = Watch(ours.cluster.api.credentials, f"/api/v1/namespaces/{NAMESPACE}/pods", lags.saw)
        watch.start()
        try:
            for number in range(schedules):
                for policy in POLICIES:
                    ours.cluster.api.post(collection(NAMESPACE), manifest(policy, number))
            wanted = schedules * ticks
            wait_until(
                lambda: all(len(lags.running[policy]) >= wanted for policy in POLICIES),
                what=f"{wanted} pods of each policy have run",
                seconds=120 + ticks * _EVERY * 2,
                interval=0.5,
            )
        finally:
            watch.close()
    return lags


def sheet(lags: Lags, command: str) -> Sheet:
    """Return the figures as a sheet."""
    shares = ["max" if share == 1 else f"p{round(share * 100)}" for share in _SHARES]
    rows = []
    for policy in POLICIES:
        for words, found in (("made", lags.made[policy]), ("running", lags.running[policy])):
            values = sorted(found.values())
            figures = (f"{1000 * values[math.ceil(share * len(values)) - 1]:.0f}" for share in _SHARES)
            rows.append((policy, words, str(len(values)), *figures))
    titles = ("launchPolicy", "from the tick to its pod", "pods", *(f"{share}, ms" for share in shares))
    measured = Measured.today(command)
    return Sheet("The cost of StrictPod", _TEXT, titles, tuple(rows), 2, measured)


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.strictpod", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20, help="schedules of each policy (default: 20)")
    parser.add_argument("--ticks", type=int, default=6, help=f"ticks, {_EVERY} s apart (default: 6)")
    parser.add_argument("--docs", type=Path, help="where figures.md is, to put it there")
    arguments = parser.parse_args(argv)
    began = time.monotonic()
    asked = f"--schedules {arguments.schedules} --ticks {arguments.ticks}"
    found = sheet(measure(arguments.schedules, arguments.ticks), f"python -m tools.bench.strictpod {asked}")
    print(table(found.titles, found.rows, words=found.words))
    if arguments.docs:
        put(found, arguments.docs)
    print(f"{arguments.schedules} schedules of each policy, {arguments.ticks} ticks, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
