"""The summary in words, and the exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.demo.histories import DEATH, EVERY, ONE, OTHER, entry, launch, ledger, run, sound, verdict, without
from tools.demo.books import Facts, close
from tools.demo.summary import Ending, Shown, lines


def ending(facts: Facts, **changes: object) -> Ending:
    made = Ending(
        books=close(facts),
        deaths=facts.deaths,
        shown=[Shown("fails with JobFailed", seen=True)],
        start_seconds=9.87,
        cold=False,
        whole=True,
        mishaps=[],
        schedules={EVERY.uid: "every"},
        pods={ONE: "ticklock-0", OTHER: "ticklock-1"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param(ending(sound()), 0, id="every tick once"),
        pytest.param(ending(sound(launches=without(2))), 1, id="a missing tick"),
        pytest.param(ending(sound(launches=[*sound().launches, launch(2, job="again")])), 1, id="a double"),
        pytest.param(ending(sound(launches=[*without(2), launch(2, lag=3)])), 1, id="a late tick"),
        pytest.param(ending(sound(), mishaps=["ticklock-1 ended by itself"]), 1, id="a replica that died unasked"),
        pytest.param(ending(sound(), shown=[Shown("x", seen=False)]), 1, id="something promised was not to be seen"),
        pytest.param(
            ending(sound(), shown=[Shown("x", seen=False)], whole=False), 0, id="not to be seen yet, when ended early"
        ),
    ],
)
def test_the_exit_code(end: Ending, code: int) -> None:
    assert end.exit_code == code
    assert ("verdict            every tick once" in "\n".join(lines(end))) is (code == 0)
    assert ("PROBLEM" in "\n".join(lines(end))) is (code == 1)


@pytest.mark.parametrize(
    ("end", "line"),
    [
        pytest.param(ending(sound()), "  ticks due          6", id="due"),
        pytest.param(ending(sound()), "  lag                p50 30 ms, p99 30 ms", id="lag"),
        pytest.param(ending(sound()),
                     "  warm start         9.9 s from the command to the first live table", id="warm start"),
        pytest.param(ending(sound(), cold=True), "  cold start         9.9 s from the command to the first live table",
                     id="cold start"),
        pytest.param(ending(sound()), "  leader killed      none yet", id="nobody was killed"),
        pytest.param(ending(sound(deaths=[DEATH])),
                     "  leader killed      ticklock-0 at 22:13:50.010Z", id="who was killed"),
        pytest.param(
            ending(sound(launches=without(3), ledger=verdict(3, "Skipped", "ConcurrencyForbidden"))),
            "  skipped            1  ConcurrencyForbidden",
            id="skipped, with the reason",
        ),
        pytest.param(
            ending(sound(deaths=[DEATH], launches=[*without(3), launch(3, lag=10.2)],
                         ledger=ledger(*(entry(n) for n in (1, 2)), entry(3, launched_by=OTHER)))),
            "    every 22:13:50Z: claimed by ticklock-0; launched by ticklock-1, 10.2 s late",
            id="what the dead had claimed, by name",
        ),
        pytest.param(
            ending(sound(deaths=[DEATH], launches=[*without(3), launch(3, lag=0.02)],
                         ledger=ledger(*(entry(n) for n in (1, 2)), entry(3, launched_by=OTHER)))),
            "    every 22:13:50Z: claimed by ticklock-0; its last deed, marked by ticklock-1, 20 ms late",
            id="what the dead just managed to let go",
        ),
        pytest.param(ending(sound()),
                     "  unclaimed by dead  6, worst 30 ms (bound: under 2 s)", id="the others, and their bound"),
    ],
)  # fmt: skip
def test_a_line_of_the_summary(end: Ending, line: str) -> None:
    assert line in lines(end)


def test_many_ticks_of_the_dead_are_counted_when_too_many_to_name() -> None:
    by_other = ledger(*(entry(n, launched_by=OTHER) for n in range(1, 7)))
    facts = sound(deaths=[DEATH], claims={run(n): DEATH for n in range(1, 7)}, ledger=by_other)
    many = close(facts)
    end = replace(ending(facts), books=replace(many, lags=many.lags * 3))
    assert "    … and 6 more" in lines(end)
