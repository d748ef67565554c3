"""The schema: migrations and tables say the same, and `migrate` may be run by several at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tests.support.databases import MAJORS
from ticklock.domain.errors import Unready
from ticklock.store.migrate import Migrated, check, migrate
from ticklock.store.partitions import is_partition
from ticklock.store.tables import metadata

_SHAPE = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version' ORDER BY 1, 2
"""
_INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid AND NOT c.relispartition AND c.relname <> 'alembic_version'
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' ORDER BY 1
"""
_PARTITIONED = "SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table ORDER BY 1"


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_migrations_give_the_tables(database: str) -> None:
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        exactly = {"compare_type": True, "compare_server_default": True, "include_name": _not_a_partition}
        context = MigrationContext.configure(connection, opts=exactly)
        assert compare_metadata(context, metadata) == []


def _not_a_partition(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and is_partition(name or ""))


def test_they_agree_to_the_last_default_and_index_predicate(database: str, empty_database: str) -> None:
    # more than Alembic compares: columns, defaults and indexes as PostgreSQL itself writes them down
    engine = create_engine(empty_database, poolclass=NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
    assert ask(database, _SHAPE) == ask(empty_database, _SHAPE)
    assert ask(database, _INDEXES) == ask(empty_database, _INDEXES)
    assert len(ask(database, _INDEXES)) > len(metadata.tables)
    assert ask(database, _PARTITIONED) == ask(empty_database, _PARTITIONED)
    assert len(ask(database, _PARTITIONED)) == 2


def test_migrating_again_changes_nothing(empty_database: str) -> None:
    first = migrate(empty_database)
    assert first.before is None
    assert migrate(empty_database) == Migrated(first.after, first.after)


def test_the_schema_of_a_newer_release_is_left_as_it_is(empty_database: str) -> None:
    """As in a rollback, where the former release runs its migrations again."""
    migrate(empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of-the-future'")
    assert migrate(empty_database) == Migrated("of-the-future", "of-the-future")


def test_of_several_that_start_at_once_one_works_and_the_others_wait(empty_database: str) -> None:
    together = threading.Barrier(4)

    def start(_: int) -> Migrated:
        together.wait()
        return migrate(empty_database)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(start, range(4)))
    assert len([one for one in outcomes if one.before is None]) == 1
    assert len({one.after for one in outcomes}) == 1
    check(empty_database)


class TestTheCheckAtStart:
    def test_a_migrated_database_is_fine(self, database: str) -> None:
        check(database)

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            pytest.param(
                "DROP TABLE alembic_version", "there is no schema yet; run `ticklock migrate`", id="no schema"
            ),
            pytest.param(
                "ALTER DATABASE {name} SET synchronous_commit = off",
                "synchronous_commit is off, so commits can be lost; set it to on",
                id="commits that can be lost",
            ),
        ],
    )
    def test_one_that_cannot_be_used_is_named_with_the_mend(self, database: str, spoil: str, words: str) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(spoil.format(name=name).encode())
        with pytest.raises(Unready, match=words):
            check(database)

    def test_the_schema_of_a_newer_release_is_accepted(self, database: str) -> None:
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        check(database)
