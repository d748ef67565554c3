"""Commits that are lost, and a quarantine played to its end."""

from tests.store.world import World
from ticklock.domain.errors import Transient
from ticklock.domain.model import Declared, JobUid
from ticklock.ports import JobView
from ticklock.store.ledger import PostgresLedger


async def lose_incarnation(world: World) -> None:
    await world.sql("UPDATE clusters SET incarnation = 'of another life' WHERE cluster = :cluster")


async def reconcile_all(world: World, jobs: list[JobView], objects: list[Declared]) -> list[JobUid]:
    """Open the gate; whatever is to be un-staged is gone at the next look. Return what that was."""
    standing, taken = list(jobs), list[JobUid]()
    for _ in range(5):
        leftovers = await world.ledger.reconcile_incarnation(world.epoch, standing, objects)
        if not leftovers:
            return taken
        gone = {left.job_uid for left in leftovers}
        taken += sorted(gone)
        standing = [view for view in standing if view.uid not in gone]
    raise AssertionError("the quarantine does not end")


async def first_answer(ledger: PostgresLedger) -> None:
    """Let the pool notice that its connections are gone."""
    for _ in range(5):
        try:
            await ledger.known_objects()
        except Transient:
            continue
        return
    raise AssertionError("the database does not answer")
