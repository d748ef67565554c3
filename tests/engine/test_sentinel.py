"""A fall of the Lease: the leader writes it down before its term ends; a replica that begins, before anything else."""

from __future__ import annotations

from typing import cast

import pytest

from ticklock.domain.errors import Refused, Superseded, Transient
from ticklock.engine.loops import Stop
from ticklock.engine.sentinel import CHECK_SECONDS, FirstLook, Sentinel
from ticklock.ports import Fall, LeaseMark, Ledger

LOW = LeaseMark("of-the-lease", 60)


class Notes:
    """A ledger that takes falls, after so many failures."""

    def __init__(self, failures: int = 0, noted: LeaseMark | None = None) -> None:
        self.failures = failures
        self.noted = noted
        self.falls: list[LeaseMark] = []

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Transient("away")

    async def note_fall(self, epoch: int, found: LeaseMark) -> None:
        del epoch
        self._fail()
        self.falls.append(found)

    async def lease_mark(self) -> LeaseMark | None:
        self._fail()
        return self.noted

    async def set_back(self, noted: LeaseMark, found: LeaseMark) -> None:
        assert noted == self.noted
        self.falls.append(found)


def sentinel(notes: Notes, *falls: Fall) -> Sentinel:
    left = list(falls)
    return Sentinel(cast("Ledger", notes), 3, lambda: left.pop() if left else None)


async def test_while_versions_rise_nothing_happens() -> None:
    notes = Notes()
    assert await sentinel(notes).step() == CHECK_SECONDS
    assert notes.falls == []


async def test_a_fall_is_noted_as_a_fall_and_ends_the_term() -> None:
    notes = Notes()
    with pytest.raises(Superseded, match="set back"):
        await sentinel(notes, Fall(90, LOW)).step()
    assert notes.falls == [LOW]


async def test_a_fall_is_not_forgotten_while_the_ledger_is_away() -> None:
    notes = Notes(failures=2)
    one = sentinel(notes, Fall(90, LOW))
    for _ in range(2):
        with pytest.raises(Transient):
            await one.step()
    with pytest.raises(Superseded):
        await one.step()
    assert notes.falls == [LOW]


async def look(notes: Notes, *found: LeaseMark | Exception | None) -> None:
    """The first look of a replica that finds the Lease so, one answer after another."""
    answers = iter(found)

    async def find() -> LeaseMark | None:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    await FirstLook(cast("Ledger", notes), find).look(Stop())


@pytest.mark.parametrize(
    ("noted", "found", "falls"),
    [
        pytest.param(90, 60, [LOW], id="lower than noted"),
        pytest.param(60, 60, [], id="as noted"),
        pytest.param(59, 60, [], id="renewed since"),
        pytest.param(90, None, [], id="deleted by somebody"),
        pytest.param(None, 60, [], id="a ledger that knows of none"),
    ],
)
async def test_a_replica_that_begins_compares_the_lease_with_what_the_ledger_knows(
    noted: int | None, found: int | None, falls: list[LeaseMark]
) -> None:
    notes = Notes(noted=None if noted is None else LeaseMark(LOW.uid, noted))
    await look(notes, None if found is None else LeaseMark(LOW.uid, found))
    assert notes.falls == falls


async def test_another_lease_tells_nothing() -> None:
    notes = Notes(noted=LeaseMark("of another", 90))
    await look(notes, LOW)
    assert notes.falls == []


@pytest.mark.parametrize("error", [Transient("away"), Refused("forbidden")], ids=repr)
async def test_a_replica_that_begins_looks_until_there_is_an_answer(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticklock.engine.sentinel._RETRY_SECONDS", 0.0)
    notes = Notes(failures=2, noted=LeaseMark(LOW.uid, 90))
    await look(notes, error, LOW)
    assert notes.falls == [LOW]


async def test_a_replica_that_is_asked_to_stop_looks_no_more() -> None:
    stop = Stop()
    stop.request()
    notes = Notes(failures=1)
    await FirstLook(cast("Ledger", notes), lambda: pytest.fail("asked")).look(stop)
    assert notes.failures == 1
