import io

import pytest

from tools.devcluster import progress
from tools.devcluster.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    settable = Clock()
    monkeypatch.setattr(progress, "time", settable)
    return settable


def shown(clock: Clock, *, tty: bool, expected: float = 0.0, beats: tuple[float, ...] = ()) -> list[str]:
    stream = io.StringIO()
    steps = Progress(stream=stream, tty=tty)
    steps.begin("building etcd", expected=expected)
    for seconds in beats:
        clock.now = 100.0 + seconds
        steps.beat()
    steps.end()
    return stream.getvalue().replace("\r\x1b[2K", "\n").strip("\n").split("\n")


def test_without_a_terminal_a_line_is_written_at_the_start_each_15_seconds_and_at_the_end(clock: Clock) -> None:
    assert shown(clock, tty=False, expected=70, beats=(1, 14, 15, 16, 31, 65)) == [
        "building etcd … (up to 1:10)",
        "building etcd … 0:15",
        "building etcd … 0:31",
        "building etcd … 1:05",
        "building etcd: done, 1:05",
    ]


def test_on_a_terminal_a_bar_fills_within_the_expected_time(clock: Clock) -> None:
    assert shown(clock, tty=True, expected=48, beats=(2, 24)) == [
        "[........................] building etcd 0:00",
        "[#.......................] building etcd 0:02",
        "[############............] building etcd 0:24",
        "building etcd: done, 0:24",
    ]


def test_a_bar_never_claims_the_end_before_it_is_reached(clock: Clock) -> None:
    assert shown(clock, tty=True, expected=10, beats=(600,))[1] == "[#######################.] building etcd 10:00"


def test_where_nobody_knows_how_long_it_takes_there_is_no_bar(clock: Clock) -> None:
    assert shown(clock, tty=True, beats=(3,))[1] == "building etcd 0:03"
