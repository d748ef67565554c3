"""The chart that this one replaces, and the image that belonged to it, from the history of this repository."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.chart.release import LOCAL
from tests.support.chart import FOLDER
from tools.chart.outputs import CHART, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.chart import Values

TAG = "former"
_BUILD = f"""
import sys
from dataclasses import replace
from pathlib import Path
from tools.image.build import build
from tools.image.catalogue import IMAGES
IMAGES["ticklock"] = replace(IMAGES["ticklock"], names=("docker.io/library/ticklock:{TAG}",))
print(build("ticklock", Path(sys.argv[1])).file)
"""


@dataclass(frozen=True, slots=True)
class Former:
    """What is upgraded from."""

    what: str
    chart: Path
    values: Values
    image: Path | None
    """As a file; None where it is the image of today."""


def former(folder: Path) -> Former:
    """The latest tag's; without tags that of the last commit whose chart differs; without history today's, annotated.

    The image is built from the sources of that commit by its own tools.
    """
    commit = _latest_tag() or _last_other_chart()
    if commit is None:
        return Former("today's chart with another annotation: there is no history here", FOLDER, _ANNOTATED, None)
    sources = folder / "sources"
    sources.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract"], cwd=sources, input=archive, check=True)
    built = subprocess.run(
        [sys.executable, "-c", _BUILD, str(folder / "image")], cwd=sources, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise RuntimeError(f"building the image of {commit}:\n{built.stderr[-3000:]}")
    values = {**LOCAL, "image": {"repository": "ticklock", "tag": TAG}}
    return Former(f"chart and image of {commit[:10]}", sources / CHART, values, folder / "image" / "ticklock.oci.tar")


_ANNOTATED: Values = {**LOCAL, "podAnnotations": {"ticklock.dev/former": "yes"}}


def _latest_tag() -> str | None:
    return _git("describe", "--tags", "--abbrev=0")


def _last_other_chart() -> str | None:
    """The parent of the last commit that changed what the chart installs."""
    last = _git("log", "-1", "--format=%H", "--", str(CHART), f":(exclude){CHART}/README.md")
    before = _git("rev-parse", "--verify", "--quiet", f"{last}^") if last else None
    return before if before and _git("cat-file", "-t", f"{before}:{CHART}/Chart.yaml") == "blob" else None


def _git(*arguments: str) -> str | None:
    """What git says; None where it says nothing, or there is none."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
