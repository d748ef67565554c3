"""What an idle replica uses, from two readings."""

import pytest

from tools.bench.idle import CONTROLLER_MANAGER, sheet
from tools.bench.proc import Usage

MEBIBYTE = 1024 * 1024


def reading(replica: float, manager: float, *, memory: int = 100 * MEBIBYTE) -> Usage:
    return Usage(
        cpu={"replica 0": replica, CONTROLLER_MANAGER: manager},
        memory={"replica 0": memory, CONTROLLER_MANAGER: 50 * MEBIBYTE},
        machine=0.0,
    )


def test_each_is_told_beside_the_controller_manager() -> None:
    found = sheet(reading(10, 20), reading(11.5, 21), 100, "a command")
    assert found.rows == (
        ("replica 0", "100", "2.00", "1.5", "1.50"),
        (CONTROLLER_MANAGER, "50", "1.00", "1.0", "1.00"),
    )


def test_one_that_used_nothing_makes_no_ratio() -> None:
    assert sheet(reading(10, 20), reading(11, 20), 100, "a command").rows[0][-1] == "-"


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(reading(11, 21, memory=0), id="it is gone"),
        pytest.param(reading(0.5, 21), id="it was started anew"),
    ],
)
def test_a_program_that_ended_meanwhile_makes_no_figure(after: Usage) -> None:
    with pytest.raises(RuntimeError, match="replica 0"):
        sheet(reading(10, 20), after, 100, "a command")
