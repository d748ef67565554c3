"""Faults of the controller manager, which makes pods of Jobs: ours and a CronJob's."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.fault import Details, fault
from tests.chaos.history import Target

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground


@fault(Target.CONTROLLER_MANAGER, hold=(2, 12), for_cronjob=True)
def controller_manager_killed(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGKILL to the controller manager, and another life after a while."""
    ground.cluster.controller_manager.kill()
    yield {}
    ground.cluster.controller_manager.start()


@fault(Target.CONTROLLER_MANAGER, hold=(5, 20), for_cronjob=True)
def controller_manager_paused(ground: Ground, dice: Random) -> Iterator[Details]:
    """SIGSTOP to the controller manager; then it goes on, and takes the past for the present."""
    ground.cluster.controller_manager.pause()
    yield {}
    ground.cluster.controller_manager.resume()


@fault(Target.CONTROLLER_MANAGER, hold=(10, 20), for_cronjob=True)
def two_controller_managers(ground: Ground, dice: Random) -> Iterator[Details]:
    """A second controller manager works beside the first, as after a failover that the old leader has not noticed."""
    second = ground.cluster.second_controller_manager()
    yield {}
    second.kill()
