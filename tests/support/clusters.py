"""Control planes for tests: one shared by the harmless, one of its own for each that breaks something."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tools.devcluster.binaries import missing, resolve
from tools.devcluster.parts import CHART, CONTROL_PLANE, JUDGES
from tools.devcluster.progress import Progress


@contextmanager
def speaking(config: pytest.Config) -> Iterator[None]:
    """Let what is written reach the terminal although pytest captures."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return
    with capture.global_and_fixture_disabled():
        yield


def wait_for_binaries(config: pytest.Config, programs: Sequence[str] = CONTROL_PLANE) -> None:
    """Build programs that are nowhere (the control plane's), or wait for who builds them; with progress."""
    if missing(programs):
        with speaking(config):
            resolve(programs, progress=Progress())


def needed(item: pytest.Item) -> list[str]:
    """Return the programs that a test needs."""
    control_plane = CONTROL_PLANE if any(map(item.get_closest_marker, ("cluster", "chaos", "e2e"))) else ()
    fixtures = getattr(item, "fixturenames", ())
    asked_for = [program for program in CHART if program in fixtures]
    return [*control_plane, *asked_for, *(program for program in JUDGES if f"{program}_program" in fixtures)]


@contextmanager
def building_ahead(items: Sequence[pytest.Item]) -> Iterator[None]:
    """Build what later tests need while the first ones run, which need none of it; who comes too early waits for it."""
    programs = missing(dict.fromkeys(program for item in items for program in needed(item)))
    if not programs:
        yield
        return
    command = ["nice", "-n", "10", sys.executable, "-m", "tools.devcluster.build", *programs]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as builder:
        try:
            yield
        finally:
            builder.terminate()  # it cleans up; what is built stays
