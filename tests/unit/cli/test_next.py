"""`ticklock next`: what it prints, how it refuses, and that it starts without the heavy parts."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ticklock.cli.main import main

BERLIN = ["--time-zone", "Europe/Berlin"]


def test_json_has_utc_and_local_time_and_a_note_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["next", "30 2 * * *", *BERLIN, "--after", "2026-03-28T00:00:00Z", "--count", "3", "-o", "json"],
    )
    assert code == 0
    assert json.loads(capsys.readouterr().out) == [
        {"scheduledTime": "2026-03-28T01:30:00Z", "localTime": "2026-03-28T02:30:00+01:00"},
        {
            "scheduledTime": "2026-03-29T01:00:00Z",
            "localTime": "2026-03-29T03:00:00+02:00",
            "note": "02:30 does not exist on this day: shifted to 03:00",
        },
        {"scheduledTime": "2026-03-30T00:30:00Z", "localTime": "2026-03-30T02:30:00+02:00"},
    ]


def test_the_table_has_utc_and_local_time_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "30 2 * * *", *BERLIN, "--after", "2026-10-24T12:00:00+02:00", "--count", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "UTC                    LOCAL (Europe/Berlin)           NOTE",
        "2026-10-25T00:30:00Z   Sun 2026-10-25 02:30:00+02:00   02:30 exists twice: the first one runs",
        "2026-10-26T01:30:00Z   Mon 2026-10-26 02:30:00+01:00",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param([], "2026-01-01T01:30:07Z", id="it counts from --after by default"),
        pytest.param(["--anchor", "2026-01-01T00:00:00Z"], "2026-01-01T01:30:00Z", id="or from --anchor"),
    ],
)
def test_intervals(options: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["next", "@every 90m", "--after", "2026-01-01T00:00:07Z", "--count", "1", "-o", "json", *options]
    assert main(argv) == 0
    assert [tick["scheduledTime"] for tick in json.loads(capsys.readouterr().out)] == [expected]


def test_without_after_it_begins_now(capsys: pytest.CaptureFixture[str]) -> None:
    before = datetime.now(UTC)
    assert main(["next", "* * * * * *", "--count", "1", "-o", "json"]) == 0
    first = datetime.fromisoformat(json.loads(capsys.readouterr().out)[0]["scheduledTime"])
    assert before < first <= datetime.now(UTC) + timedelta(seconds=1)


def test_five_ticks_are_shown_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "@hourly", "-o", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 5


def test_a_date_that_never_comes_is_said_and_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "0 0 31 2 *", "-o", "json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == []
    assert printed.err == "ticklock next: no tick within 50 years\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["0 25 * * *"], "ticklock next: hour: 25 is out of range; hours go from 0 to 23", id="a bad hour"),
        pytest.param(
            ["@reboot"], "ticklock next: expression: '@reboot' is not known; the macros are", id="a bad macro"
        ),
        pytest.param(
            ["@daily", "--time-zone", "Europe/Berln"],
            "ticklock next: time zone: 'Europe/Berln' is not known; did you mean Europe/Berlin?",
            id="a bad zone",
        ),
    ],
)
def test_a_bad_timetable_is_one_line_and_exit_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["next", *argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(message)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param([], "the following arguments are required: expression", id="nothing"),
        pytest.param(
            ["@daily", "--after", "tomorrow"], "argument --after: 'tomorrow' is no RFC 3339 time", id="a word"
        ),
        pytest.param(
            ["@daily", "--after", "2026-01-01T00:00:00"],
            "argument --after: '2026-01-01T00:00:00' has no offset; put Z behind it",
            id="a time without offset",
        ),
        pytest.param(["@daily", "--count", "0"], "argument --count: '0' is no count; write a whole number", id="none"),
        pytest.param(["@daily", "--count", "x"], "argument --count: 'x' is no count", id="a count that is no number"),
        pytest.param(["@daily", "--count", "1000000"], "argument --count: '1000000' is no count", id="a million"),
        pytest.param(["@daily", "--count", "00100000"], "argument --count: '00100000' is no count", id="leading zeros"),
        pytest.param(["@daily", "-o", "yaml"], "argument -o/--output: invalid choice: 'yaml'", id="an unknown output"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["next", *argv])
    printed = capsys.readouterr()
    assert exit_.value.code == 2
    assert printed.err.startswith(f"ticklock next: {message}")
    assert printed.err.count("\n") == 1


def test_it_starts_without_the_heavy_parts() -> None:
    program = (
        "import sys\n"
        "from ticklock.cli.main import main\n"
        "assert main(['next', '30 2 * * *', '--time-zone', 'Europe/Berlin']) == 0\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stderr.split())
    assert "ticklock" in loaded
    heavy = {"aiohttp", "asyncio", "kopf", "kubernetes", "psycopg", "pydantic", "sqlalchemy", "structlog", "yaml"}
    assert loaded & heavy == set()
