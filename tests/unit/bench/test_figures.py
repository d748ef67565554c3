import re
from dataclasses import replace
from pathlib import Path

import pytest

from tools.bench.bars import bars
from tools.bench.counting import Count, Lag, Tally
from tools.bench.figures import Duration, Figures, Measured, PaceFigures, Sheet, TrialFigures, load, save
from tools.bench.machine import Machine, this_machine
from tools.bench.pace import Pace
from tools.bench.page import page
from tools.bench.plan import Contender, Plan, Trial
from tools.bench.proc import Usage
from tools.bench.trial import Outcome, costs, with_doubts

MACHINE = Machine(2, "a processor", 24, {"Kubernetes": "1.36.3"})
MEASURED = Measured("2026-11-22", "make bench")
MIB = 1 << 20
WELL = Tally(due=3000, launched=3000, overdue=0, doubles=0, lag=Lag(0.4, 1.0, 1.5))
COSTS = costs(
    Usage({"replica 0": 10, "etcd": 4}, {}, machine=100),
    Usage({"replica 0": 16, "etcd": 7}, {"replica 0": 120 * MIB, "etcd": 900 * MIB}, machine=112),
    3000,
    capacity=360,
)


def figures_of(
    contender: Contender, tally: Tally = WELL, *, minutes: tuple[Tally, ...] = (), problems: tuple[str, ...] = ()
) -> TrialFigures:
    count = Count(minutes or (tally, tally), tally, problems)
    return TrialFigures(Trial(contender, 1000, 3), Outcome(count, COSTS), MEASURED)


def with_p99(seconds: float) -> Tally:
    return replace(WELL, lag=Lag(0.4, seconds, seconds))


OURS = figures_of(Contender.TICKLOCK)
THEIRS = figures_of(Contender.CRONJOB_RAISED, with_p99(4.0))
FULL = Figures(
    MACHINE,
    (OURS, figures_of(Contender.CRONJOB_DEFAULT, replace(WELL, launched=1500)), THEIRS),
    PaceFigures(Pace(1000, bare=500, ticklock=425), MEASURED),
    (Duration("make demo, warm", 12.5, MEASURED), Duration("make demo, cold", 543, MEASURED)),
    (Sheet("Random faults", "Judged.", ("what", "figure"), (("started twice", "0"),), 1, MEASURED),),
)


def missed(figures: Figures) -> dict[str, str]:
    return {bar.promise: bar.missed_by for bar in bars(figures) if bar.missed_by}


def test_costs_are_the_difference_of_two_readings_for_each_launch() -> None:
    assert COSTS.cpu_ms_per_launch == {"replica 0": 2.0, "etcd": 1.0}
    assert pytest.approx(12 / 360) == COSTS.busy
    assert pytest.approx(3 / 360) == COSTS.strangers


@pytest.mark.parametrize(
    ("strangers", "late", "expected"),
    [
        pytest.param(0.1, 0, (), id="nobody disturbed it, all schedules were known"),
        pytest.param(0.2, 0, ("other programs used 20% of the processors meanwhile",), id="others were at work"),
        pytest.param(0.0, 3, ("3 schedules were not taken up 10 s before the first tick",), id="schedules not known"),
    ],
)
def test_a_trial_that_was_disturbed_is_doubted(strangers: float, late: int, expected: tuple[str, ...]) -> None:
    assert with_doubts(Count((), WELL, ()), replace(COSTS, strangers=strangers), late).problems == expected


def test_figures_that_meet_all_bars_miss_none() -> None:
    assert missed(FULL) == {}
    assert len(list(bars(FULL))) == 9


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        pytest.param(replace(WELL, launched=2999), {"lost": "1"}, id="one lost"),
        pytest.param(replace(WELL, overdue=2), {"overdue": "2"}, id="two overdue"),
        pytest.param(replace(WELL, doubles=3), {"double": "3"}, id="three doubles"),
        pytest.param(
            with_p99(2.6),
            {"lag p99": "0.10 s", "lag p99 beside CronJob's with raised limits": "0.15 times"},
            id="later than allowed, and than half of CronJob's",
        ),
        pytest.param(with_p99(2.0), {}, id="exactly half of CronJob's"),
    ],
)
def test_bars_that_are_missed_are_named_with_the_distance(ours: Tally, expected: dict[str, str]) -> None:
    assert missed(Figures(MACHINE, (figures_of(Contender.TICKLOCK, ours), THEIRS))) == expected


def test_a_lag_that_grows_from_minute_to_minute_misses_a_bar() -> None:
    growing = figures_of(Contender.TICKLOCK, minutes=(with_p99(0.3), with_p99(0.9), with_p99(1.0)))
    assert missed(Figures(MACHINE, (growing,))) == {"growth of the lag p99 from the first minute to the last": "0.20 s"}


def test_a_count_that_cannot_be_trusted_meets_no_bar_and_the_page_says_why() -> None:
    doubtful = Figures(MACHINE, (figures_of(Contender.TICKLOCK, problems=("the watch broke",)),))
    assert missed(doubtful) == {"doubts about the count": "1"}
    assert "- ticklock, 1,000 schedules: the watch broke" in page(doubtful)


def test_a_slow_pace_and_a_large_replica_miss_their_bars() -> None:
    large = replace(OURS, outcome=replace(OURS.outcome, costs=replace(COSTS, memory={"replica 1": 310 * MIB})))
    figures = Figures(MACHINE, (large,), PaceFigures(Pace(1000, bare=500, ticklock=350), MEASURED))
    assert missed(figures) == {"memory of a replica": "10 MiB", "pace beside a bare client's": "10.0%"}


def test_the_page_has_every_figure_and_its_command() -> None:
    text = page(FULL)
    assert "| 1,000 | Ticklock, two replicas | 3,000 of 3,000 | 0 | 0 | 0 | 0.40 s | 1.00 s | 1.50 s |" in text
    assert "| 1,000 | CronJob, default limits | 1,500 of 3,000 | 1,500 |" in text
    assert "Measured by `make bench` on 2026-11-22." in text
    assert "| 1,000 | CronJob, raised limits | 1.00 | 1.00 | 0.25 | 0.38 |" in text
    assert "| share | 85% |" in text
    assert "| make demo, cold | 9 min 03 s |" in text
    assert "not met" not in text


def test_every_table_of_the_page_has_as_many_cells_in_each_row_as_in_its_head() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", page(FULL), flags=re.MULTILINE)
    assert len(tables) == 9
    assert all(len({line.count("|") for line in rows.splitlines()}) == 1 for rows in tables)


def test_a_page_without_figures_says_how_to_get_them() -> None:
    text = page(Figures(MACHINE))
    assert text.count("Not measured yet: `") == 3


def test_a_new_trial_takes_the_place_of_the_last_of_its_kind_and_size() -> None:
    later = replace(OURS, trial=replace(OURS.trial, minutes=1))
    small = replace(THEIRS, trial=replace(THEIRS.trial, size=300))
    found = FULL.with_trial(later).with_trial(small).trials
    assert [(one.trial.size, one.trial.contender, one.trial.minutes) for one in found] == [
        (300, Contender.CRONJOB_RAISED, 3),
        (1000, Contender.TICKLOCK, 1),
        (1000, Contender.CRONJOB_DEFAULT, 3),
        (1000, Contender.CRONJOB_RAISED, 3),
    ]


def test_a_new_duration_takes_the_place_of_the_last_of_its_name() -> None:
    found = FULL.with_duration(Duration("make demo, warm", 11, MEASURED)).durations
    assert [(one.name, one.seconds) for one in found] == [("make demo, cold", 543), ("make demo, warm", 11)]


def test_a_new_sheet_takes_the_place_of_the_last_of_its_name_and_others_stand_after_it() -> None:
    later, other = (replace(FULL.sheets[0], name=name, text="Again.") for name in ("Random faults", "Guards"))
    assert [(one.name, one.text) for one in FULL.with_sheet(other).with_sheet(later).sheets] == [
        ("Random faults", "Again."),
        ("Guards", "Again."),
    ]


def test_a_sheet_is_a_chapter_of_the_page_with_its_command() -> None:
    chapter = page(FULL).partition("## Random faults\n")[2]
    assert "Measured by `make bench` on 2026-11-22. Judged." in chapter
    assert "| started twice | 0 |" in chapter


def test_what_is_saved_is_loaded_and_makes_the_same_page(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    save(file, FULL)
    assert load(file, MACHINE) == FULL
    assert page(load(file, MACHINE)) == page(FULL)


def test_figures_of_another_machine_are_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    save(file, FULL)
    other = replace(MACHINE, processors=64)
    assert load(file, other) == Figures(other)


def test_a_file_that_is_none_of_ours_is_named_with_the_mend(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    file.write_text('{"machine": 3}')
    with pytest.raises(ValueError, match=r"figures\.json: not a file of figures; remove it"):
        load(file, MACHINE)


def test_this_machine_is_described_without_naming_a_place() -> None:
    machine = this_machine()
    assert machine.processors >= 1
    assert machine.memory_gib >= 1
    assert "Kubernetes" in machine.versions


def test_a_plan_runs_every_contender_with_every_size_and_knows_how_long_that_takes() -> None:
    plan = Plan((300, 1000), 3)
    assert [(trial.size, trial.contender.value) for trial in plan.trials()] == [
        (size, name) for size in (300, 1000) for name in ("ticklock", "cronjob-default", "cronjob-raised")
    ]
    assert 6 * 3 * 60 < plan.expected_seconds < 6 * 5.5 * 60
    assert replace(plan, rate=1000).expected_seconds > plan.expected_seconds
