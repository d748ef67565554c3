"""Control planes for tests: one shared by the harmless, one of its own for each that breaks something."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tools.devcluster.binaries import missing, resolve
from tools.devcluster.progress import Progress


@contextmanager
def _speaking(config: pytest.Config) -> Iterator[None]:
    """Let what is written reach the terminal although pytest captures."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return
    with capture.global_and_fixture_disabled():
        yield


def wait_for_binaries(config: pytest.Config) -> None:
    """Build the control plane's programs where they are nowhere, or wait for who builds them; with progress."""
    if missing():
        with _speaking(config):
            resolve(progress=Progress())
