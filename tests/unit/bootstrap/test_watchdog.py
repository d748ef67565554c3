"""A loop that is stuck ends its process; one that was only paused does not."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.waiting import eventually
from ticklock.bootstrap.watchdog import EXIT_CODE, Tally

LIMIT = 0.6

PROGRAM = """
import asyncio, logging, threading, time
from ticklock.bootstrap.watchdog import Watchdog
from ticklock.telemetry import PrometheusMeter, configure_logging

def compute():
    while True:
        pass

def hold_the_log():
    for handler in logging.getLogger().handlers:
        handler.acquire()
    time.sleep(600)

async def turn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.05)

async def main(limit, harm):
    configure_logging("json", "info", fields={})
    meter = PrometheusMeter(version="test", strict=True)
    with Watchdog(limit, meter, beat=0.1):
        await turn(0.3)
        print("ready", flush=True)
        await eval(harm)
    print("left", flush=True)
    time.sleep(2 * limit)  # nobody watches any more
    print("done", flush=True)

async def blocked(how, *arguments):
    how(*arguments)
"""


@contextmanager
def process(harm: str) -> Iterator["subprocess.Popen[str]"]:
    """A process whose loop does this once it is ready."""
    program = f"{PROGRAM}\nasyncio.run(main({LIMIT}, {harm!r}))"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.kill()


def ended(running: "subprocess.Popen[str]") -> tuple[str, list[dict[str, Any]]]:
    """Wait for its end; what it printed after it was ready, and what it logged."""
    assert running.stdout is not None
    assert running.stderr is not None
    out, log = running.stdout.read(), running.stderr.read()
    running.wait(20)
    return out, facts(log)


def facts(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("harm", "place"),
    [
        pytest.param("blocked(time.sleep, 600)", "how(*arguments)", id="a call that blocks"),
        pytest.param("blocked(compute)", "pass", id="a computation without end"),
    ],
)
def test_a_stuck_loop_ends_its_process_and_says_for_how_long_and_where(harm: str, place: str) -> None:
    with process(harm) as running:
        began = time.monotonic()
        _, told = ended(running)
        took = time.monotonic() - began
    assert running.returncode == EXIT_CODE
    assert took >= LIMIT * 0.8
    (fact,) = told
    assert fact["event"] == "event loop is stuck: this replica ends"
    assert fact["level"] == "critical"
    assert LIMIT <= fact["blocked_s"] < took + 0.5
    assert fact["limit_s"] == LIMIT
    assert 'File "<string>"' in fact["where"] or place in fact["where"]


def test_it_ends_even_where_the_log_is_what_is_stuck() -> None:
    with process("blocked(hold_the_log)") as running:
        _, told = ended(running)
    assert running.returncode == EXIT_CODE
    assert told == []


def test_a_process_that_was_stopped_for_long_goes_on() -> None:
    with process(f"turn({6 * LIMIT})") as running:
        running.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        eventually(lambda: time.monotonic() > stopped + 4 * LIMIT, what="it was stopped for four times the limit")
        running.send_signal(signal.SIGCONT)
        out, told = ended(running)
    assert running.returncode == 0
    assert out == "left\ndone\n"
    (fact,) = told
    assert fact["event"] == "this process was paused"
    assert fact["paused_s"] >= 2


def test_it_watches_no_longer_than_asked() -> None:
    with process("turn(0)") as running:
        out, told = ended(running)
    assert (running.returncode, out, told) == (0, "left\ndone\n", [])


LOOKS = [
    pytest.param([(1.0, 1), (2.0, 2), (3.0, 3)], 0.0, id="a loop that turns"),
    pytest.param([(1.0, 1), (2.0, 1), (3.0, 1)], 2.0, id="a loop that has stopped turning"),
    pytest.param([(1.0, 1), (2.0, 1), (3.0, 2)], 0.0, id="a loop that turns again"),
    pytest.param([(1.0, 1), (61.0, 1)], 2.0, id="a minute in which nobody watched counts as two looks"),
    pytest.param([(1.0, 1), (61.0, 1), (62.0, 1), (63.0, 1)], 4.0, id="and what follows counts as ever"),
]


@pytest.mark.parametrize(("looks", "stuck"), LOOKS)
def test_only_time_that_was_watched_counts(looks: list[tuple[float, int]], stuck: float) -> None:
    tally = Tally(beat=1.0, looked_at=0.0)
    assert [tally.look(now, beats) for now, beats in looks][-1] == stuck
