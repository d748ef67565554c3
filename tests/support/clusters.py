"""Control planes for tests: one shared by the harmless, one of its own for each that breaks something."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tools.devcluster.binaries import missing, resolve
from tools.devcluster.parts import CONTROL_PLANE
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
