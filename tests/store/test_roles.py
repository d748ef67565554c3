"""The controller needs no more of PostgreSQL than to own its database."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.store.makers import declared
from tests.store.world import World
from tests.support.databases import MAJORS, TestServer
from ticklock.store.migrate import check, migrate


@pytest.fixture
def plain_database(server: TestServer) -> Iterator[str]:
    """Lend the URL of an empty database for an ordinary user that owns it."""
    with server.empty_database() as url:
        name = url.rsplit("/", 1)[1]
        user = f"plain_{name}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'plain' NOSUPERUSER".encode())
            connection.execute(f"ALTER DATABASE {name} OWNER TO {user}".encode())
            connection.execute(f"ALTER SCHEMA public OWNER TO {user}".encode())
        yield url.replace(f"postgres:{server.postgres.password}@", f"{user}:plain@")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} OWNER TO postgres".encode())
            connection.execute(
                f"ALTER SCHEMA public OWNER TO postgres; DROP OWNED BY {user}; DROP ROLE {user}".encode()
            )


@pytest.mark.parametrize("server", MAJORS, indirect=True)
async def test_an_ordinary_user_that_owns_the_database_is_enough(plain_database: str) -> None:
    migrate(plain_database)
    check(plain_database)
    world = World(plain_database)
    try:
        await world.open(declared())
        await world.plan()
        bound = await world.run_first()
        assert (await world.attempt(bound.key)).state == "launched"
    finally:
        await world.close()
