"""The search itself, on small worlds whose answers are plain."""

import pytest

from tests.model.search import NO_WAY_HOME, Found, Space, search
from tests.model.story import numbered

Steps = dict[int, list[int]]


def found(steps: Steps, faults: Steps | None = None, *, bad: int | None = None, home: int = 0) -> Found[int]:
    return search(
        Space(
            start=1,
            by_itself=lambda s: [(f"{s} to {t}", t) for t in steps.get(s, [])],
            by_fault=lambda s: [(f"{s} falls to {t}", t) for t in (faults or {}).get(s, [])],
            broken=lambda s: f"S1: {s} is bad" if s == bad else None,
            clean=lambda s: s == home,
        )
    )


def test_every_state_is_visited_once() -> None:
    result = found({1: [2, 3], 2: [4], 3: [4], 4: [0]})
    assert (result.states, result.transitions, result.clean, result.broken) == (5, 5, 1, None)


def test_the_shortest_way_to_what_is_broken_is_told() -> None:
    result = found({1: [2, 3], 2: [4], 4: [5], 3: [5]}, bad=5)
    assert (result.broken, list(result.path)) == ("S1: 5 is bad", [1, 3, 5])


def test_a_first_state_that_is_broken_is_found() -> None:
    assert list(found({}, bad=1).path) == [1]


@pytest.mark.parametrize(
    ("steps", "faults", "lost"),
    [
        pytest.param({1: [0, 2]}, {}, [1, 2], id="a dead end"),
        pytest.param({1: [0, 2], 2: [3], 3: [2]}, {}, [1, 2], id="a circle"),
        pytest.param({1: [2], 2: []}, {2: [0]}, [1], id="a way home that needs a fault is none"),
        pytest.param({1: [0]}, {0: [2]}, [1, 0, 2], id="a fault that leads astray"),
        pytest.param({1: [2], 2: [3, 0], 3: [2]}, {}, None, id="a circle with a way out"),
        pytest.param({1: [0]}, {1: [2], 2: [3]}, [1, 2], id="a fault that only another fault would mend"),
    ],
)
def test_what_has_no_way_home_is_found(steps: Steps, faults: Steps, lost: list[int] | None) -> None:
    result = found(steps, faults)
    assert result.broken == (None if lost is None else NO_WAY_HOME)
    assert list(result.path) == (lost or [])


def test_a_search_that_grows_too_large_says_so() -> None:
    endless = Space(1, lambda s: [("on", s + 1)], lambda _: [], lambda _: None, lambda _: False)
    with pytest.raises(MemoryError, match="more than 100 states"):
        search(endless, most=100)


def test_a_story_is_numbered_and_ends_with_what_it_comes_to() -> None:
    assert numbered(["One", "Two"], "S1: bad") == "  1. One.\n  2. Two.\n  => S1: bad."
