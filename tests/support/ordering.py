"""Each test gets the marker of its folder, and the cheap folders come first.

The tests that need the shared replicas come last of their folder: once these run, they obey every ScheduledJob.
"""

from pathlib import Path

import pytest

FOLDERS = ("unit", "oracle", "engine", "model", "simulation", "store", "cluster", "chart", "demo", "chaos", "e2e")
# folders without a marker of their own
_MARKER_OF = {"oracle": "unit", "demo": "cluster"}
_ROOT = Path(__file__).parents[1]


def folder_of(item: pytest.Item) -> str:
    """Return the folder below tests/ that a test stands in."""
    return item.path.relative_to(_ROOT).parts[0] if item.path.is_relative_to(_ROOT) else "chaos"


def mark_and_sort(items: list[pytest.Item]) -> None:
    """Mark each test by its folder and sort as `FOLDERS` does; within one the order stays as it is."""
    for item in items:
        folder = folder_of(item)
        if folder in FOLDERS:
            item.add_marker(_MARKER_OF.get(folder, folder))
    items.sort(key=_place_of)


def _place_of(item: pytest.Item) -> tuple[int, bool]:
    folder = folder_of(item)
    with_replicas = "shared_stack" in getattr(item, "fixturenames", ())
    return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS), with_replicas
