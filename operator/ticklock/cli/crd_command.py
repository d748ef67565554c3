"""`ticklock crd`: the CustomResourceDefinition that belongs to this version."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ticklock.cli.arguments import OneLineParser

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

FILE = "scheduledjobs.yaml"


def run(argv: Sequence[str]) -> int:
    """Print the YAML; exit code 1 if this installation lacks it."""
    OneLineParser(prog="ticklock crd", description="Print the CustomResourceDefinition.").parse_args(argv)
    places = candidates()
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        looked = " or ".join(str(place) for place in places)
        print(f"ticklock crd: {FILE} is missing at {looked}; install the package again", file=sys.stderr)
        return 1
    print(found.read_text(encoding="utf-8"), end="")
    return 0


def candidates() -> tuple[Traversable, ...]:
    """Return where the file may be: inside the package, else at the top of the checkout it runs from."""
    checkout = Path(__file__).resolve().parents[3]
    return (resources.files("ticklock") / "crds" / FILE, checkout / "crds" / FILE)
