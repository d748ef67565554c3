"""Which pages there are, and whether they say what the code says."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.docs import commands, crd, fields, metrics, nights, reasons, settings

ROOT = Path(__file__).parents[2]
FOLDER = Path("docs/reference")

PAGES: Mapping[str, Callable[[], str]] = {
    "scheduledjob.md": crd.page,
    "settings.md": settings.page,
    "metrics.md": metrics.page,
    "reasons.md": reasons.page,
    "cli.md": commands.page,
    "clock-changes.md": nights.page,
    "fields.md": fields.page,
}

_NOTE = (
    "<!-- Made by `python -m tools.docs generate`. Edits here are lost: change the code that it is made from. -->\n\n"
)


def content(name: str) -> str:
    """Return what the page should hold."""
    return _NOTE + PAGES[name]().rstrip() + "\n"


def generate(root: Path = ROOT) -> list[Path]:
    """Write the pages that differ; return them, relative to `root`."""
    stale = outdated(root)
    for path in stale:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content(path.name), encoding="utf-8")
    return stale


def outdated(root: Path = ROOT) -> list[Path]:
    """Return the pages that are missing or say something else than the code, relative to `root`."""
    return [FOLDER / name for name in PAGES if _read(root / FOLDER / name) != content(name)]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
