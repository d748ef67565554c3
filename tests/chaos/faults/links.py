"""Faults of the links of one replica: to the API server, to the database, in both directions or in one."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.fault import Details, fault
from tests.chaos.history import Target
from tests.support.proxy import Way

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground


@fault(Target.API_LINK, hold=(5, 18))
def cut_from_api_server(ground: Ground, dice: Random) -> Iterator[Details]:
    """Nothing passes between one replica and the API server; no connection is broken, none answers."""
    victim = dice.choice(ground.replicas)
    link = ground.api_link(victim)
    link.silence()
    yield {"replica": victim.pod}
    link.heal()


@fault(Target.API_LINK, hold=(5, 18))
def deaf_to_api_server(ground: Ground, dice: Random) -> Iterator[Details]:
    """What one replica asks of the API server is carried out, and no answer comes back."""
    victim = dice.choice(ground.replicas)
    link = ground.api_link(victim)
    link.silence(Way.BACK)
    yield {"replica": victim.pod}
    link.heal()


@fault(Target.DATABASE_LINK, hold=(5, 18))
def cut_from_database(ground: Ground, dice: Random) -> Iterator[Details]:
    """Nothing passes between one replica and PostgreSQL; no connection is broken, none answers."""
    victim = dice.choice(ground.replicas)
    link = ground.database_link(victim)
    link.silence()
    yield {"replica": victim.pod}
    link.heal()


@fault(Target.DATABASE_LINK, hold=(5, 18))
def deaf_to_database(ground: Ground, dice: Random) -> Iterator[Details]:
    """What one replica sends to PostgreSQL arrives, COMMIT too, and no answer comes back."""
    victim = dice.choice(ground.replicas)
    link = ground.database_link(victim)
    link.silence(Way.BACK)
    yield {"replica": victim.pod}
    link.heal()
