"""Faults of the API server, and of the way to it for all replicas at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.fault import Details, fault
from tests.chaos.history import Target
from tests.support.proxy import FOR_GOOD, Fault, Harm
from tools.devcluster.process import wait_until

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground

LATE_SECONDS = 60.0
_ALL = ".*"
_WRITES = "POST|PUT|PATCH|DELETE"


@fault(Target.API_SERVER, hold=(1, 8), for_cronjob=True)
def api_server_killed(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGKILL to the API server, and another life after a while."""
    ground.cluster.kill_apiserver()
    yield {}
    ground.cluster.start_apiserver()


@fault(Target.API_SERVER, hold=(5, 15), for_cronjob=True)
def api_server_paused(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGSTOP to the API server: connections are accepted, and nothing is answered; then it goes on."""
    ground.cluster.apiserver.pause()
    yield {}
    ground.cluster.apiserver.resume()
    ground.cluster.start_apiserver()


@fault(Target.API_SERVER, hold=(0, 0), for_cronjob=True)
def watch_history_gone(ground: Ground, dice: Random) -> Iterator[Details]:
    """Etcd is compacted and the API server restarted: who resumes a watch hears 410 and must list anew."""
    revision = ground.cluster.etcd_state.compact()
    ground.cluster.kill_apiserver()
    yield {"compacted_at": revision}
    ground.cluster.start_apiserver()


@fault(Target.API_LINK, hold=(4, 12))
def throttled(ground: Ground, dice: Random) -> Iterator[Details]:
    """Every request of every replica is answered with 429, try again in a second."""
    yield from _harm_all(ground, Fault(_ALL, "", Harm.ANSWER, FOR_GOOD, 429, {"Retry-After": "1"}))


@fault(Target.API_LINK, hold=(4, 12))
def gateway_timeouts(ground: Ground, dice: Random) -> Iterator[Details]:
    """Every request of every replica is answered with 504, and not carried out."""
    yield from _harm_all(ground, Fault(_ALL, "", Harm.ANSWER, FOR_GOOD, 504))


@fault(Target.API_LINK, hold=(4, 12))
def watches_dropped(ground: Ground, dice: Random) -> Iterator[Details]:
    """Every watch of every replica breaks, and each new one before it has begun."""
    for replica in ground.replicas:
        ground.api_link(replica).drop_watches()
    yield from _harm_all(ground, Fault("GET", "watch=", Harm.CUT, FOR_GOOD))


@fault(Target.API_LINK, hold=(6, 15))
def answers_lost(ground: Ground, dice: Random) -> Iterator[Details]:
    """The next writes of every replica are carried out, and their answers are lost."""
    yield from _harm_all(ground, Fault(_WRITES, "", Harm.LOSE, dice.randint(10, 40)))


@fault(Target.API_LINK, hold=(5, 10))
def writes_late(ground: Ground, dice: Random) -> Iterator[Details]:
    """The next writes of every replica are answered with a time-out, and carried out a minute later."""
    late = Fault(_WRITES, "", Harm.DELAY, dice.randint(10, 40))
    began = time.monotonic()
    yield from _harm_all(ground, late)
    # it is over when nothing is on its way any more
    time.sleep(max(0.0, began + LATE_SECONDS - time.monotonic()))
    late.deliver.set()
    wait_until(lambda: len(late.answers) >= late.hits, what="the last of the late writes is delivered", seconds=30)


def _harm_all(ground: Ground, harm: Fault) -> Iterator[Details]:
    """Do this harm on the way of every replica."""
    for replica in ground.replicas:
        ground.api_link(replica).harm(harm)
    yield {"times": harm.times} if harm.times < FOR_GOOD else {}
    for replica in ground.replicas:
        ground.api_link(replica).heal()
