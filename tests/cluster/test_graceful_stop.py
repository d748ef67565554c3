"""SIGTERM: what is bound is launched, everything is given back, and nobody waits for the one who left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once
from tests.support.place import RARELY
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place
    from tests.support.stack import Stack


@pytest.mark.parametrize("leading", [pytest.param(True, id="the leader"), pytest.param(False, id="the other")])
def test_a_replica_told_to_stop_leaves_nothing_behind(stack: Stack, place: Place, leading: bool) -> None:  # noqa: FBT001
    schedules = [place.plant(f"going-on-{number}", f"@every {2 + number % 3}s") for number in range(9)]
    asleep = place.plant("nothing-happens-to-it", RARELY)
    schedules[-1].wait_launched()
    leaver = stack.leader() if leading else stack.other()
    holder = stack.installation.holder()
    left = stack.rows.latest_id(leaver.pod)
    begun = time.monotonic()
    assert leaver.stop() == 0
    took = time.monotonic() - begun
    assert took < 25, f"it took {took:.1f} s"
    if leading:
        stack.installation.wait_leader(other_than=holder, seconds=3)
        standing = {"namespace": place.namespace, "name": asleep.name}
        series = "ticklock_next_schedule_timestamp_seconds"
        eventually(lambda: stack.leader().metrics().value(series, **standing) > 0, what="its successor tells of all")
    assert left not in stack.rows.pod_ids().get(leaver.pod, set()), "its heartbeat is still there"
    claims = stack.rows.all("SELECT run_id FROM attempts WHERE claimed_by::text = %(left)s", left=left)
    assert not claims, "it has kept claims"
    tally = every_tick_once(stack, schedules, until=time.time() + 3)
    assert not tally.late()
    assert {"stopping", "stopped"} <= {fact["event"] for fact in leaver.facts()}
    leaver.start()
    leaver.wait_ready()
    eventually(lambda: leaver.metrics().value("ticklock_launches_total") > 0, what="it takes part again")
    assert stack.sights.jobs(schedules[0].uid)
