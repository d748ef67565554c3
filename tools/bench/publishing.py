"""Sheets put into docs/figures.md by the commands that measure them."""

from pathlib import Path

from tools.bench.figures import Sheet, load, save
from tools.bench.machine import this_machine
from tools.bench.page import page
from tools.devcluster.manifests import ROOT

DOCS = ROOT / "docs"


def put(sheet: Sheet, docs: Path) -> None:
    """Write a sheet into the figures of this folder, in place of the last of its name; the page is written anew."""
    docs.mkdir(exist_ok=True)
    figures = load(docs / "figures.json", this_machine()).with_sheet(sheet)
    save(docs / "figures.json", figures)
    (docs / "figures.md").write_text(page(figures))
