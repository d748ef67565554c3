"""A lane: each fault is written down before it begins and after its heal, and healed on every way out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.chaos.faults.fault import Details, Kind, NotPossibleError
from tests.chaos.folder import Recorder, load
from tests.chaos.history import Fault, FaultPhase, Meta, Target
from tests.chaos.lanes import LaneRunner
from tests.chaos.plan import Lane, Strike
from tests.chaos.soak import throw
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.chaos.faults.ground import Ground, Watched

LONG = 600.0
done: list[str] = []


def breaks(_ground: Ground, dice: Random) -> Iterator[Details]:
    """Break and heal."""
    done.append("broken")
    yield {"replica": f"r-{dice.randint(0, 9)}"}
    done.append("healed")


def fails(_ground: Ground, _dice: Random) -> Iterator[Details]:
    """Fail to heal."""
    yield {}
    raise RuntimeError("it does not come back")


def cannot(_ground: Ground, _dice: Random) -> Iterator[Details]:
    """Not here."""
    if not done:
        raise NotPossibleError("no right to mount")
    yield {}


def strike(doing: object = breaks, *, hold: float = 0.0) -> Strike:
    kind = Kind("kill", Target.REPLICA, (0, 1), doing, frozenset(), for_cronjob=False, details={"lost_commits": True})  # type: ignore[arg-type]
    return Strike(Lane.MACHINES, kind, 0.0, hold, dice=3)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    done.clear()
    with Recorder(tmp_path, Meta(seed=1, seconds=1, command="")) as one:
        yield one


def lane(recorder: Recorder, *strikes: Strike, seconds: float = LONG) -> LaneRunner:
    until = time.monotonic() + seconds
    made = LaneRunner(strikes, cast("Ground", None), recorder, until=until, tell=lambda _: None)
    made.start()
    return made


def written(folder: Path) -> list[tuple[str, FaultPhase, Details]]:
    return [(one.fault, one.phase, one.details) for one in load(folder).each(Fault)]


def test_begin_and_heal_are_written_with_what_was_done(recorder: Recorder, tmp_path: Path) -> None:
    made = lane(recorder, strike(), strike())
    made.join(10)
    first, healed, second, _ = written(tmp_path)
    assert first == ("machines-0", FaultPhase.BEGIN, {"lost_commits": True, "hold": 0.0})
    assert healed[:2] == ("machines-0", FaultPhase.HEAL)
    assert healed[2].keys() == {"lost_commits", "replica"}
    assert second[0] == "machines-1"
    assert (made.thrown, made.failure, done) == (2, None, ["broken", "healed"] * 2)


def test_told_to_stop_it_heals_what_is_broken_and_begins_nothing(recorder: Recorder, tmp_path: Path) -> None:
    made = lane(recorder, strike(hold=LONG / 2), strike())
    eventually(lambda: done == ["broken"], what="it is broken")
    made.stop()
    made.join(10)
    assert done == ["broken", "healed"]
    assert [phase for _, phase, _ in written(tmp_path)] == [FaultPhase.BEGIN, FaultPhase.HEAL]


def test_what_does_not_heal_ends_the_lane_and_is_kept(recorder: Recorder, tmp_path: Path) -> None:
    made = lane(recorder, strike(fails), strike())
    made.join(10)
    assert isinstance(made.failure, RuntimeError)
    assert [phase for _, phase, _ in written(tmp_path)] == [FaultPhase.BEGIN], "not healed, so not called healed"
    assert not done


def test_a_soak_ends_at_once_when_a_lane_breaks(recorder: Recorder) -> None:
    field = SimpleNamespace(recorder=recorder, check=lambda: None)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="does not come back"):
        throw([strike(fails)], cast("Watched", field), seconds=LONG, tell=lambda _: None)
    assert time.monotonic() - began < LONG / 10


def test_what_cannot_be_done_here_is_said_and_passed_over(recorder: Recorder, tmp_path: Path) -> None:
    made = lane(recorder, strike(cannot), strike())
    made.join(10)
    assert made.failure is None
    assert "no right to mount" in written(tmp_path)[1][2]["not_possible"]
    assert done == ["broken", "healed"]


def test_nothing_begins_that_would_last_too_long(recorder: Recorder, tmp_path: Path) -> None:
    made = lane(recorder, strike(hold=5), seconds=1)
    made.join(10)
    assert made.thrown == 0
    assert written(tmp_path) == []
