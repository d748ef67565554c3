"""The books balance only if every tick is launched once or accounted for."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.unit.demo.histories import (
    DEATH,
    EVERY,
    FORBID,
    ONE,
    OTHER,
    START,
    entry,
    launch,
    ledger,
    run,
    sound,
    verdict,
    without,
)
from tools.demo.books import Facts, close
from tools.demo.facts import RunName

TRIGGER = RunName(EVERY.uid, "trigger:demo")


def test_a_sound_history_has_no_problem() -> None:
    books = close(sound())
    assert books.problems == ()
    assert (books.due, books.launched, len(books.missing), len(books.doubles)) == (6, 6, 0, 0)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        pytest.param(
            sound(launches=without(3), ledger=ledger(*(entry(n) for n in (1, 2, 4, 5, 6)))),
            "1 due, but neither launched nor judged: every tick:1700000030",
            id="a tick of which nobody knows",
        ),
        pytest.param(
            sound(launches=without(3)),
            "1 due, but neither launched nor judged",
            id="a tick that the ledger calls completed, but no Job was ever seen",
        ),
        pytest.param(
            sound(launches=without(3), ledger=verdict(3, "Pending", "Staged")),
            "1 due, but neither launched nor judged",
            id="a tick that stays pending though nothing is in its way",
        ),
        pytest.param(
            sound(launches=[*sound().launches, launch(3, job="second", lag=4)]),
            "1 launched more than once: every tick:1700000030",
            id="two Jobs of one tick",
        ),
        pytest.param(
            sound(launches=[*without(3), launch(3, lag=2.5)]),
            "1 later than 2 s: every tick:1700000030",
            id="a late tick",
        ),
        pytest.param(
            sound(launches=[*without(3), launch(3, lag=2.0)]), "1 later than 2 s", id="a tick that is late by the bound"
        ),
        pytest.param(
            sound(launches=without(3), ledger=verdict(3, "Missed", "DeadlineExceeded")),
            "1 could not be launched in time",
            id="a tick that was given up",
        ),
        pytest.param(
            sound(ledger=verdict(3, "Skipped", "ConcurrencyForbidden")),
            "1 launched without being due: every tick:1700000030",
            id="a launch against a verdict",
        ),
        pytest.param(
            sound(launches=[*sound().launches, replace(launch(3, job="x"), run=RunName(EVERY.uid, "tick:1700000033"))]),
            "1 launched without being due: every tick:1700000033",
            id="a moment that is not in the timetable",
        ),
        pytest.param(
            sound(launches=[*sound().launches, launch(0)]),
            "1 launched without being due: every tick:1700000000",
            id="the moment of creation, which is no tick",
        ),
        pytest.param(
            sound(triggers=frozenset({TRIGGER})), "1 of 1 triggers did not start a run", id="a trigger without a run"
        ),
        pytest.param(
            sound(launches=[*sound().launches, replace(launch(3, job="x"), run=TRIGGER)]),
            "1 launched without being due: every trigger:demo",
            id="a run by a trigger that nobody gave",
        ),
        pytest.param(
            sound(
                triggers=frozenset({TRIGGER}),
                launches=[*sound().launches, *(replace(launch(3, job=j), run=TRIGGER) for j in "xy")],
            ),
            "1 launched more than once: every trigger:demo",
            id="two Jobs of one trigger",
        ),
    ],
)
def test_a_broken_history_is_told(facts: Facts, problem: str) -> None:
    assert re.search(re.escape(problem), "\n".join(close(facts).problems))


def test_a_verdict_with_a_reason_accounts_for_a_tick() -> None:
    books = close(sound(launches=without(3), ledger=verdict(3, "Skipped", "ScheduleSuspended")))
    assert (books.problems, books.launched, dict(books.verdicts)) == ((), 5, {("Skipped", "ScheduleSuspended"): 1})


def test_ticks_after_the_end_are_not_due_yet_and_their_launches_no_strays() -> None:
    books = close(sound(end=START + 49))
    assert (books.due, books.launched, books.problems) == (4, 4, ())


# ------------------------------------------------------------------------------------------------ what the dead claimed


def stranded(*, lag: float, **changes: object) -> Facts:
    """The third tick was bound by the replica that died, and launched by the other."""
    third = replace(entry(3, launched_by=OTHER), **changes)  # type: ignore[arg-type]  # any field
    others = [entry(n, launched_by=OTHER, bound_by=OTHER) for n in (4, 5, 6)]
    return sound(
        deaths=[DEATH],
        launches=[*without(3), launch(3, lag=lag)],
        ledger=ledger(entry(1), entry(2), third, *others),
    )


@pytest.mark.parametrize(
    ("facts", "claimed", "problem"),
    [
        pytest.param(stranded(lag=11.9), True, None, id="within the bound for what a dead replica had claimed"),
        pytest.param(stranded(lag=12.1), True, "claimed by the dead, later than 12 s", id="beyond that bound"),
        pytest.param(
            stranded(lag=0.02), True, None, id="let go in the last moment, and marked by the other: named as such"
        ),
        pytest.param(
            stranded(lag=5, bound_by=OTHER),
            False,
            "1 later than 2 s",
            id="bound by the living: no excuse",
        ),
        pytest.param(
            stranded(lag=5, bound_at=DEATH.at + 1),
            False,
            "1 later than 2 s",
            id="bound after the death by another life of that id: no excuse",
        ),
        pytest.param(
            stranded(lag=0.005, launched_by=ONE),
            False,
            None,
            id="launched and marked before it died",
        ),
        pytest.param(
            replace(stranded(lag=5, bound_by=OTHER), claims={run(3): DEATH}),
            True,
            None,
            id="seen in the claim of the dead before it was bound",
        ),
    ],
)
def test_a_tick_that_a_dead_replica_had_claimed_has_its_own_bound(
    facts: Facts,
    claimed: bool,  # noqa: FBT001
    problem: str | None,
) -> None:
    books = close(facts)
    assert [late.run for late in books.of_the_dead()] == ([run(3)] if claimed else [])
    assert problem in "\n".join(books.problems) if problem else books.problems == ()


# --------------------------------------------------------------------------------------------- what forbids overlaps


def forbidding(*launches_: object, skipped: tuple[int, ...] = (), end: float = START + 45) -> Facts:
    judged = [
        replace(entry(n, "Skipped", schedule=FORBID, reason="ConcurrencyForbidden"), bound_by=None) for n in skipped
    ]
    return Facts([FORBID], launches_, ledger(*judged), [], frozenset(), end)  # type: ignore[arg-type]  # of launches


LONG = launch(1, schedule=FORBID, ended=START + 35)


@pytest.mark.parametrize(
    ("facts", "problems"),
    [
        pytest.param(
            forbidding(LONG, launch(3, schedule=FORBID, lag=5.3, ended=None), skipped=(2,)),
            (),
            id="the latest tick waits for the run before, counts from its end, and one more waits at the end",
        ),
        pytest.param(
            forbidding(LONG, launch(3, schedule=FORBID, lag=8, ended=None), skipped=(2,)),
            ("1 later than 2 s",),
            id="the way was free for three seconds",
        ),
        pytest.param(
            forbidding(LONG, launch(2, schedule=FORBID), launch(3, schedule=FORBID, lag=5.3, ended=None)),
            ("1 began beside another run, which is forbidden",),
            id="two at a time",
        ),
        pytest.param(
            forbidding(launch(1, schedule=FORBID), launch(3, schedule=FORBID), launch(4, schedule=FORBID)),
            ("1 due, but neither launched nor judged",),
            id="a tick that nothing held back",
        ),
    ],
)
def test_where_overlaps_are_forbidden_a_tick_may_wait_for_the_run_before(
    facts: Facts, problems: tuple[str, ...]
) -> None:
    found = close(facts).problems
    assert len(found) == len(problems)
    assert all(words in sentence for words, sentence in zip(problems, found, strict=True))


def test_what_waits_at_the_end_is_counted_as_waiting() -> None:
    books = close(forbidding(LONG, launch(3, schedule=FORBID, lag=5.3, ended=None), skipped=(2,)))
    assert (books.due, books.launched, books.waiting) == (4, 2, 1)
    assert [round(late.seconds, 3) for late in books.held_back()] == [0.3]


# ------------------------------------------------------------------------------------------------------- percentiles


@pytest.mark.parametrize(
    ("share", "lag"),
    [
        pytest.param(0.5, 0.03, id="half of them"),
        pytest.param(0.99, 1.5, id="all but one in a hundred: of six, the worst"),
        pytest.param(0.0, 0.03, id="none: the best"),
    ],
)
def test_percentiles_are_of_the_nearest_rank(share: float, lag: float) -> None:
    found = close(sound(launches=[*without(3), launch(3, lag=1.5)])).percentile(share)
    assert found == pytest.approx(lag)


def test_without_launches_there_is_no_percentile() -> None:
    assert close(sound(launches=[], end=START)).percentile(0.5) is None
