"""The pace of launching: Ticklock with everything due at once, beside a bare client with the same calls.

Both on one cluster, one after the other, with equal Jobs that were created suspended before; both from two processes
with equally many requests under way. The watch counts, and the start and the end of each burst are left out.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tools.bench.bareclient import JOB_PREFIX
from tools.bench.counting import MINUTE, releases_per_second
from tools.bench.ground import REPLICAS, Ground, ground, start_tool
from tools.bench.history import Phase, Sight, sights
from tools.bench.plan import Contender, Trial
from tools.bench.template import NAMESPACE
from tools.bench.trial import Tell, fill, sleep_until
from tools.devcluster.process import wait_until

_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_GATHER_SECONDS = 15
"""How long the bare clients have between having created all and letting go, to come to rest."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Launches a second, in the middle nine tenths of a burst of so many."""

    jobs: int
    bare: float
    ticklock: float

    @property
    def share(self) -> float:
        """What Ticklock reaches of what a bare client reaches."""
        return self.ticklock / self.bare


def measure_pace(jobs: int, *, tell: Tell) -> Pace:
    """Measure both on a cluster of their own, which is gone afterwards. Raises TimeoutError where it does not end."""
    tell("pace: starting the cluster", None)
    with ground(Contender.TICKLOCK) as prepared:
        bare = _bare(prepared, jobs, tell)
        trial = Trial(Contender.TICKLOCK, jobs, 1)
        tick = fill(prepared, trial, tell)
        sleep_until(float(tick), lambda: tell("pace: waiting for the tick", None))
        ours = _wait_released(prepared, jobs, lambda sight: sight.tick == tick)
        return Pace(jobs, bare, releases_per_second(ours))


def _bare(prepared: Ground, jobs: int, tell: Tell) -> float:
    share = math.ceil(jobs / REPLICAS)
    seconds = jobs / 40 + _GATHER_SECONDS
    tell("pace: a bare client creates suspended Jobs, then lets them go", None)
    moment = str(time.time() + seconds)
    config = str(prepared.cluster.kubeconfig)
    clients = [
        start_tool(prepared.folder, "bareclient", config, str(number), str(share), moment) for number in range(REPLICAS)
    ]
    try:
        released = _wait_released(prepared, share * REPLICAS, _is_bare, seconds=seconds + 2 * MINUTE)
        wait_until(lambda: not any(client.alive for client in clients), what="the bare clients are done")
    finally:
        for client in clients:
            client.kill()
    if any(client.exit_code for client in clients):
        raise RuntimeError("\n".join(client.log_tail() for client in clients))
    tell("pace: the bare client's Jobs finish and are removed", None)
    _remove_jobs(prepared, share * REPLICAS)
    return releases_per_second(released)


def _is_bare(sight: Sight) -> bool:
    return sight.schedule.startswith(JOB_PREFIX)


def _wait_released(
    prepared: Ground, jobs: int, ours: Callable[[Sight], bool], *, seconds: float = MINUTE
) -> list[float]:
    def released() -> Iterable[float]:
        return (sight.at for sight in sights(prepared.history()) if sight.phase is Phase.FREE and ours(sight))

    wait_until(lambda: sum(1 for _ in released()) >= jobs, what=f"{jobs} Jobs are let go", seconds=seconds, interval=1)
    return list(released())


def _remove_jobs(prepared: Ground, jobs: int) -> None:
    api = prepared.cluster.api
    patience = MINUTE + jobs / 10
    wait_until(lambda: _finished(prepared) >= jobs, what="the Jobs finish", seconds=patience, interval=2)
    api.delete(_JOBS, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods?limit=1"
    wait_until(lambda: not api.get(pods)["items"], what="their pods are gone", seconds=patience, interval=2)


def _finished(prepared: Ground) -> int:
    jobs = prepared.cluster.api.get(_JOBS)["items"]
    return sum(job.get("status", {}).get("succeeded", 0) for job in jobs)
