from collections.abc import Iterable, Sequence

import pytest

from tools.bench.counting import Due, count, percentile, releases_per_second
from tools.bench.history import Beat, Break, Entry, JobUid, Phase, ScheduleName, Sight, Tick

FIRST = Tick(1_800_000_000)
SECOND = Tick(FIRST + 60)
END = float(SECOND + 60)
A, B = ScheduleName("a"), ScheduleName("b")


def seen(job: str, schedule: ScheduleName, tick: Tick | None, *, lag: float, phase: Phase = Phase.FREE) -> Sight:
    return Sight((tick or FIRST) + lag, phase, JobUid(job), schedule, tick)


def a_launch(job: str, schedule: ScheduleName, tick: Tick, lag: float) -> list[Entry]:
    """What a Job that is staged and then let go looks like."""
    return [seen(job, schedule, tick, lag=-3, phase=Phase.HELD), seen(job, schedule, tick, lag=lag)]


def in_order(sights: Iterable[Entry], *, beats: Iterable[float] = range(FIRST - 10, int(END) + 1)) -> list[Entry]:
    return sorted([*sights, *map(Beat, map(float, beats))], key=lambda entry: entry.at)


def due(*, held_first: bool = True) -> Due:
    return Due(frozenset({A, B}), (FIRST, SECOND), END, held_first)


ALL_WELL = [
    *a_launch("1", A, FIRST, 0.1),
    *a_launch("2", B, FIRST, 0.3),
    *a_launch("3", A, SECOND, 0.2),
    *a_launch("4", B, SECOND, 0.6),
]
WITHOUT_THE_LAST = ALL_WELL[:-2]


def test_when_all_is_well_everything_is_launched_once_and_the_lags_are_those_from_tick_to_sight() -> None:
    found = count(in_order(ALL_WELL), due())
    overall = found.overall
    assert (overall.due, overall.launched, overall.lost, overall.overdue, overall.doubles) == (4, 4, 0, 0, 0)
    assert overall.lag is not None
    assert overall.lag.p50 == pytest.approx(0.2)
    assert overall.lag.p99 == overall.lag.max == pytest.approx(0.6)
    assert [tally.lag and round(tally.lag.max, 3) for tally in found.minutes] == [0.3, 0.6]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("sights", "counts"),
    [
        pytest.param([], (0, 4, 0, 0), id="nothing seen: all lost"),
        pytest.param(WITHOUT_THE_LAST, (3, 1, 0, 0), id="one Job never seen: lost"),
        pytest.param(
            [*WITHOUT_THE_LAST, seen("4", B, SECOND, lag=-3, phase=Phase.HELD)],
            (3, 1, 0, 0),
            id="a Job that stays suspended was not launched",
        ),
        pytest.param(
            [*ALL_WELL, *a_launch("5", A, FIRST, 9)], (4, 0, 0, 1), id="a second Job of the same tick let go: a double"
        ),
        pytest.param(
            [*ALL_WELL, *a_launch("5", A, FIRST, 9), *a_launch("6", A, FIRST, 12)],
            (4, 0, 0, 1),
            id="three Jobs of one tick are one double tick",
        ),
        pytest.param(
            [*ALL_WELL, seen("5", A, FIRST, lag=9, phase=Phase.HELD)],
            (4, 0, 0, 0),
            id="a second Job that stays suspended is no double",
        ),
        pytest.param(
            [*ALL_WELL, seen("1", A, FIRST, lag=5)], (4, 0, 0, 0), id="the same Job seen free twice is no double"
        ),
        pytest.param(
            [*WITHOUT_THE_LAST[2:], *a_launch("1", A, FIRST, 60)],
            (3, 1, 1, 0),
            id="launched when the next tick has come: overdue, but not lost",
        ),
        pytest.param(
            [*WITHOUT_THE_LAST, *a_launch("4", B, SECOND, 60.5)], (3, 1, 0, 0), id="launched after the end: lost"
        ),
        pytest.param(
            [*ALL_WELL, *a_launch("0", A, Tick(FIRST - 60), 1), *a_launch("9", A, Tick(SECOND + 60), 0)],
            (4, 0, 0, 0),
            id="ticks of before and after do not count",
        ),
        pytest.param(
            [*ALL_WELL, seen("1", A, FIRST, lag=30, phase=Phase.GONE)], (4, 0, 0, 0), id="a Job that goes was launched"
        ),
    ],
)
def test_launched_lost_overdue_and_double(sights: Sequence[Entry], counts: tuple[int, int, int, int]) -> None:
    overall = count(in_order(sights), due()).overall
    assert (overall.launched, overall.lost, overall.overdue, overall.doubles) == counts


def test_a_double_is_counted_in_its_own_minute_and_its_lag_is_the_first() -> None:
    found = count(in_order([*ALL_WELL, *a_launch("5", A, SECOND, 0.9)]), due())
    assert [tally.doubles for tally in found.minutes] == [0, 1]
    assert found.overall.lag is not None
    assert found.overall.lag.max == pytest.approx(0.6)


def test_a_job_that_is_seen_free_again_was_launched_the_first_time() -> None:
    found = count(in_order([*ALL_WELL, seen("4", B, SECOND, lag=7)]), due())
    assert found.overall.lag is not None
    assert found.overall.lag.max == pytest.approx(0.6)


def test_without_a_launch_there_is_no_lag() -> None:
    assert count(in_order([]), due()).overall.lag is None


STRANGER = ScheduleName("stranger")


@pytest.mark.parametrize(
    ("history", "words"),
    [
        pytest.param(
            in_order([*ALL_WELL, Break(SECOND + 4.0, "version expired", lost=True)]),
            "the watch was cut 64.0 s after the first tick for 0.0 s: version expired",
            id="the watch was cut, and something may be missing",
        ),
        pytest.param(
            in_order([*ALL_WELL, Break(SECOND + 4.4, "reset by peer", lost=False)]),
            "the watch was cut 64.4 s after the first tick for 0.6 s: reset by peer",
            id="the watch was cut for too long",
        ),
        pytest.param(
            in_order(ALL_WELL, beats=range(FIRST, FIRST + 100)),
            "nothing was heard of the watch for 21 s, 99 s in",
            id="the watch ended early",
        ),
        pytest.param(
            in_order(ALL_WELL, beats=[*range(FIRST, FIRST + 20), *range(FIRST + 40, int(END))]),
            "nothing was heard of the watch for 21 s, 19 s in",
            id="a hole in the middle",
        ),
        pytest.param(ALL_WELL, "nothing was heard of the watch for 120 s, 0 s in", id="a watch that never spoke"),
        pytest.param(list(reversed(in_order(ALL_WELL))), "the moments go backwards", id="the clock was set"),
        pytest.param(
            in_order([*ALL_WELL, *a_launch("5", A, FIRST, -0.01)]),
            "1 times: a Job was let go before its tick",
            id="a launch before its tick",
        ),
        pytest.param(
            in_order([*ALL_WELL, seen("5", A, None, lag=1)]),
            "1 times: a Job does not say which tick it is for",
            id="a Job without a tick",
        ),
        pytest.param(
            in_order([*ALL_WELL, *a_launch("5", STRANGER, FIRST, 1)]),
            "2 times: a Job is of no schedule of ours",
            id="a Job of somebody else",
        ),
        pytest.param(
            in_order([*ALL_WELL, *a_launch("5", A, Tick(FIRST + 1), 1)]),
            "2 times: a Job is for a moment that is no tick",
            id="a tick that nobody asked for",
        ),
        pytest.param(
            in_order([*ALL_WELL[2:], seen("1", A, FIRST, lag=0.1)]),
            "1 times: a Job was never seen suspended before it was let go",
            id="a staged contender whose Job was free from the start",
        ),
    ],
)
def test_what_cannot_be_trusted_is_said(history: list[Entry], words: str) -> None:
    assert any(problem.startswith(words) for problem in count(history, due()).problems)


def test_a_suspended_job_of_a_contender_that_does_not_suspend_is_said() -> None:
    problems = count(in_order(ALL_WELL), due(held_first=False)).problems
    assert problems == ("4 times: a Job was suspended although nobody asked for it",)


def test_a_watch_that_goes_on_at_once_where_it_was_is_no_problem() -> None:
    cut = Break(SECOND + 4.9, "the API server ended the watch", lost=False)
    assert count(in_order([*ALL_WELL, cut]), due()).problems == ()


def test_what_happens_after_the_end_is_no_problem() -> None:
    late = Break(END + 1, "the API server was stopped", lost=True)
    assert count([*in_order(ALL_WELL), late], due()).problems == ()


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([7.0], 0.99, 7.0, id="one value is every percentile"),
        pytest.param([1.0, 2.0], 0.5, 1.0, id="half of two is the first"),
        pytest.param([1.0, 2.0, 3.0], 0.5, 2.0, id="half of three is the middle"),
        pytest.param([float(n) for n in range(1, 101)], 0.99, 99.0, id="of a hundred the ninety-ninth"),
        pytest.param([float(n) for n in range(1, 102)], 0.99, 100.0, id="of a hundred and one the hundredth"),
        pytest.param([1.0, 2.0], 0.0, 1.0, id="the least share is the first"),
    ],
)
def test_percentiles_are_by_nearest_rank(values: Sequence[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_the_pace_leaves_out_how_a_burst_begins_and_ends() -> None:
    steady = [number / 50 for number in range(100)]
    steady[0], steady[-1] = -30.0, 60.0
    assert releases_per_second(reversed(steady)) == pytest.approx(50)


@pytest.mark.parametrize("moments", [[], [1.0], [2.0, 2.0, 2.0]], ids=["none", "one", "all at one moment"])
def test_a_pace_needs_time(moments: list[float]) -> None:
    with pytest.raises(ValueError, match="make no pace"):
        releases_per_second(moments)
