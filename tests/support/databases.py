"""PostgreSQL for tests: one server a major version and session, one database a test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tools.devcluster.pgbinaries import DEFAULT_MAJOR, majors_at_hand
from tools.devcluster.postgres import Postgres

# Debian's where it is installed, and those of the wheel. Parametrise `postgres` with them, indirectly, to run on all.
MAJORS = tuple(major for major in majors_at_hand() if major in {15, DEFAULT_MAJOR, 18})


@dataclass(slots=True)
class TestServer:
    """A server whose databases start as copies of one that has been migrated once."""

    __test__ = False  # not a test class, whatever its name says

    postgres: Postgres
    _template: str | None = field(default=None)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Lend the URL of a new database with all migrations applied; drop it afterwards."""
        if self._template is None:
            template = self.postgres.create_database()
            apply_migrations(self.postgres.url_of(template))
            self._template = template
        name = self.postgres.create_database(template=self._template)
        try:
            yield self.postgres.url_of(name)
        finally:
            self.postgres.drop_database(name)

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """Lend the URL of a new database with nothing in it; drop it afterwards."""
        name = self.postgres.create_database()
        try:
            yield self.postgres.url_of(name)
        finally:
            self.postgres.drop_database(name)


class Servers:
    """The servers of a test session, each started when it is first asked for. They survive no crash (fsync is off)."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[int, TestServer] = {}

    def of(self, major: int) -> TestServer:
        """Return the server of that major version."""
        if major not in self._running:
            self._running[major] = TestServer(self._stack.enter_context(Postgres(major=major, fsync=False)))
        return self._running[major]

    def close(self) -> None:
        """End them all."""
        self._stack.close()


def apply_migrations(url: str) -> None:
    """Bring a database to the newest schema, as `ticklock migrate` does."""
    # imported when it is needed: tests without a database shall start without SQLAlchemy
    from ticklock.store.migrate import migrate  # noqa: PLC0415

    migrate(url)
