"""The simulated database: all or nothing, and what it looks like to lose commits."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.simulation.ledger.book import Book
from tests.simulation.ledger.rows import ClusterRow, ReplicaRow
from ticklock.domain.model import ClusterId

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLUSTER = ClusterId(UUID(int=1))


def book_of(commits: int) -> Book:
    """Return a book with a replica more for each commit."""
    book = Book(CLUSTER, lambda: NOON)
    for number in range(commits):
        with book.transaction():
            book.replicas.put(UUID(int=number), ReplicaRow(NOON, leader=False))
            book.next_token()
    return book


def test_a_transaction_that_fails_leaves_nothing() -> None:
    book = book_of(2)
    with pytest.raises(ZeroDivisionError), book.transaction():  # noqa: PT012 - it fails after it has written
        book.replicas.put(UUID(int=0), ReplicaRow(NOON, leader=True))
        book.replicas.drop(UUID(int=1))
        raise ZeroDivisionError
    assert [row.leader for row in book.replicas.rows.values()] == [False, False]


@pytest.mark.parametrize("lost", [0, 1, 3, 5])
def test_a_loss_gives_the_state_before_the_last_commits(lost: int) -> None:
    book = book_of(5)
    assert book.lose(lost) == lost
    assert list(book.replicas.rows) == list(book_of(5 - lost).replicas.rows)


def test_a_loss_undoes_changes_of_one_row_one_after_the_other() -> None:
    book = Book(CLUSTER, lambda: NOON)
    for version in range(4):
        with book.transaction():
            row = book.clusters.get(CLUSTER) or ClusterRow()
            book.clusters.put(CLUSTER, replace(row, highest_resource_version=version))
    book.lose(2)
    assert book.clusters[CLUSTER].highest_resource_version == 1


def test_no_more_can_be_lost_than_there_is() -> None:
    assert book_of(3).lose(10) == 3


def test_each_return_is_another_incarnation() -> None:
    book = book_of(1)
    seen = {book.incarnation}
    book.restart()
    seen.add(book.incarnation)
    book.lose(0)
    assert len(seen | {book.incarnation}) == 3
