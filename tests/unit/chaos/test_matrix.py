"""The crash matrix leaves no failpoint out, and there is a story for each guard that can be taken out."""

from __future__ import annotations

import inspect

import pytest

from tests.chaos import sabotage
from tests.chaos.matrix import STEPS, cells
from tests.chaos.sabotage import GUARDS
from tests.chaos.stories import STORIES
from ticklock.failpoints import CATALOGUE
from ticklock.store import reporting


def test_every_failpoint_has_its_place_once() -> None:
    assert sorted(step.name for step in STEPS) == sorted(CATALOGUE)


def test_a_replica_is_killed_in_every_role_at_every_step() -> None:
    found = list(cells(frozen=False))
    assert len(found) == len(set(found)) == sum(len(step.roles) for step in STEPS)


def test_every_guard_that_can_be_taken_out_has_its_story() -> None:
    assert set(STORIES) == set(GUARDS)


@pytest.mark.parametrize("guard", [pytest.param(guard, id=guard) for guard in GUARDS])
def test_a_guard_and_its_story_say_what_they_are(guard: str) -> None:
    assert inspect.getdoc(GUARDS[guard])
    assert STORIES[guard].sentence.endswith(".")


def test_what_is_to_be_taken_out_must_be_there() -> None:
    with pytest.raises(SystemExit, match="to take out"):
        sabotage._drop(reporting, "_RELEASES", "no such words", "")
