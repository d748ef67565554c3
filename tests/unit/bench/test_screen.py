import io

import pytest
from rich.console import Console

from tools.bench.counting import Count, Lag, Tally
from tools.bench.plan import Contender, Plan, Trial
from tools.bench.screen import Screen

PLAN = Plan((300,), 3, (Contender.TICKLOCK, Contender.CRONJOB_RAISED))
TALLY = Tally(due=900, launched=899, overdue=0, doubles=0, lag=Lag(0.25, 1.0, 12.34))


def shown(*, terminal: bool, problems: tuple[str, ...] = ()) -> str:
    stream = io.StringIO()
    with Screen(PLAN, console=Console(file=stream, force_terminal=terminal, width=200, color_system=None)) as screen:
        screen.begin(Trial(Contender.TICKLOCK, 300, 3))
        screen.tell("starting the cluster", None)
        screen.tell("counting", Count((TALLY,), TALLY, problems))
    return stream.getvalue()


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "a file"])
def test_what_is_done_what_was_counted_and_how_long_it_takes_is_shown(terminal: bool) -> None:  # noqa: FBT001
    text = shown(terminal=terminal)
    assert "This takes about 8:50" in text
    assert "to go] ticklock, 300 schedules: starting the cluster" in text
    assert "counting: launched 899 of 900, lost 1, overdue 0, double 0, lag p50 0.25 s, p99 1.00 s, max 12.3 s" in text
    assert "CronJob, raised limits" in text


def test_a_count_that_cannot_be_trusted_is_marked() -> None:
    assert "doubtful" in shown(terminal=False, problems=("the watch was cut",))
    assert "doubtful" not in shown(terminal=False)
