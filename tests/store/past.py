"""Earlier states of a database, to go on with: what was committed since is lost."""

from dataclasses import dataclass

from tests.store.losses import lose_incarnation
from tests.store.world import World
from tests.support.databases import TestServer


@dataclass(frozen=True)
class Past:
    """A copy of the rows as they were."""

    server: TestServer
    name: str

    async def back(self, world: World) -> World:
        """Go on with that copy: what was committed since is lost, and the database is another incarnation."""
        older = World(self.server.postgres.url_of(self.name), world.cluster)
        await older.ledger.pulse(leading=True)
        older.epoch = await older.ledger.open_term()
        await lose_incarnation(older)
        return older


async def remember(world: World, server: TestServer) -> Past:
    for db in world._databases:
        await db.engine.dispose()  # a database that somebody is connected to cannot be copied
    return Past(server, server.postgres.create_database(template=world.url.rsplit("/", 1)[1]))


async def close(past: Past, world: World) -> None:
    await world.close()
    past.server.postgres.drop_database(past.name)
