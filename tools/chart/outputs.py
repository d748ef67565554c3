"""Which files of the chart are made, and whether they are as they should be."""

from collections.abc import Mapping
from pathlib import Path

from tools.chart import copies, readme, schema
from tools.chart.values import documented

ROOT = Path(__file__).parents[2]
CHART = Path("charts/ticklock")


def made() -> Mapping[Path, str]:
    """Return what each of them should hold, by its path from the top of the repository."""
    values = documented((ROOT / CHART / "values.yaml").read_text(encoding="utf-8"))
    chart = (ROOT / CHART / "Chart.yaml").read_text(encoding="utf-8")
    return {
        **{CHART / "files" / path: text for path, text in copies.of(ROOT).items()},
        CHART / "values.schema.json": schema.text(values),
        CHART / "README.md": readme.text(values, chart),
    }


def generate(root: Path = ROOT) -> list[Path]:
    """Write the files that differ; return them, relative to `root`."""
    stale, wanted = outdated(root), made()
    for path in stale:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(wanted[path], encoding="utf-8")
    return stale


def outdated(root: Path = ROOT) -> list[Path]:
    """Return the files that are missing or hold something else, relative to `root`."""
    return [path for path, text in made().items() if _read(root / path) != text]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
