"""The sentinel: a fall is written down before the term ends, however often that takes."""

from __future__ import annotations

from typing import cast

import pytest

from ticklock.domain.errors import Superseded, Transient
from ticklock.engine.sentinel import CHECK_SECONDS, Sentinel
from ticklock.ports import Fall, Ledger


class Notes:
    """A ledger that takes resourceVersions, after so many failures."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.versions: list[int] = []

    async def note_resource_version(self, epoch: int, version: int) -> bool:
        if self.failures:
            self.failures -= 1
            raise Transient("away")
        self.versions.append(version)
        return True


def sentinel(notes: Notes, *falls: Fall) -> Sentinel:
    left = list(falls)
    return Sentinel(cast("Ledger", notes), 3, lambda: left.pop() if left else None)


async def test_while_versions_rise_nothing_happens() -> None:
    notes = Notes()
    assert await sentinel(notes).step() == CHECK_SECONDS
    assert notes.versions == []


async def test_a_fall_is_noted_as_a_fall_and_ends_the_term() -> None:
    notes = Notes()
    with pytest.raises(Superseded, match="set back"):
        await sentinel(notes, Fall(90, 60)).step()
    assert notes.versions == [90, 60], "first how far it had come: the ledger may not know"


async def test_a_fall_is_not_forgotten_while_the_ledger_is_away() -> None:
    notes = Notes(failures=2)
    one = sentinel(notes, Fall(90, 60))
    for _ in range(2):
        with pytest.raises(Transient):
            await one.step()
    with pytest.raises(Superseded):
        await one.step()
    assert notes.versions == [90, 60]
