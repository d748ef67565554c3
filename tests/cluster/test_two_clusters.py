"""Two clusters share one database, and neither knows of the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once
from tests.support.stack import Stack
from tools.devcluster.installation import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.place import Place
    from tools.devcluster.controlplane import ControlPlane

LATE = 5.0
"""More than elsewhere: one of the control planes has only just started, beside the other."""


@pytest.mark.timeout(180)
def test_two_clusters_on_one_database_do_not_disturb_each_other(
    stack: Stack, place: Place, new_control_plane: Callable[..., ControlPlane]
) -> None:
    url = stack.installation.database_url
    with Stack(Shape(settings={"staging": False}), cluster=new_control_plane(), database_url=url) as second:
        there = second.place()
        here_schedules = [place.plant(f"twin-{number}", "@every 2s") for number in range(5)]
        there_schedules = [there.plant(f"twin-{number}", "@every 2s") for number in range(5)]
        until = time.time() + 8
        here = every_tick_once(stack, here_schedules, until=until)
        elsewhere = every_tick_once(second, there_schedules, until=until)
        assert not here.slower_than(LATE)
        assert not elsewhere.slower_than(LATE)
        clusters = {
            str(row["cluster"]) for row in stack.rows.all("SELECT DISTINCT cluster FROM runs WHERE state = 'Completed'")
        }
        assert clusters == {stack.cluster.uid, second.cluster.uid}
        assert stack.leader() in stack.replicas
        assert second.leader() in second.replicas
        assert not second.errors()
        _without_staging(there_schedules[0].launched()[0].seen_at, there_schedules[0].tick(1))


def _without_staging(seen_at: float, tick: int) -> None:
    assert seen_at >= tick - 0.05, "the switch was off, and yet the Job was there before its time"
