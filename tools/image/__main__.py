"""`python -m tools.image [IMAGE…]`: build images as OCI tars, without a daemon or a registry; print each one's size.

With `--docs docs` the sizes are put into the page of figures there.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tools.bench.figures import Measured, Sheet
from tools.bench.publishing import put
from tools.image.build import Built, build
from tools.image.catalogue import IMAGES
from tools.image.debian import PackagesError

_MEGABYTE = 1_000_000
_TEXT = "Sizes as a node stores them: the layers are not compressed. Components are those of its bill of materials."


def main() -> int:
    """Build what is asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("images", nargs="*", choices=[[], *IMAGES], metavar="IMAGE", help=", ".join(IMAGES))
    parser.add_argument("--folder", type=Path, default=Path("dist"), help="where the files go (default: dist)")
    parser.add_argument("--name", action="append", default=[], help="a further name, with registry and tag")
    parser.add_argument("--docs", type=Path, help="where figures.md is, to put the sizes there")
    arguments = parser.parse_args()
    images: dict[str, Built] = {}
    try:
        for program in arguments.images or IMAGES:
            began = time.monotonic()
            images[program] = built = build(program, arguments.folder, names=tuple(arguments.name))
            print(
                f"{program:10} {built.size / _MEGABYTE:6.1f} MB  {built.components:3} components  "
                f"{built.digest[:19]}  {time.monotonic() - began:5.1f} s  {built.file}"
            )
    except (PackagesError, RuntimeError) as problem:
        print(problem, file=sys.stderr)
        return 1
    if arguments.docs:
        put(sheet(images), arguments.docs)
    return 0


def sheet(images: Mapping[str, Built]) -> Sheet:
    """Return the sizes as a sheet."""
    rows = tuple((name, f"{one.size / _MEGABYTE:.1f}", str(one.components)) for name, one in images.items())
    measured = Measured.today(f"python -m tools.image {' '.join(images)}")
    return Sheet("Images", _TEXT, ("image", "MB", "components"), rows, 1, measured)


if __name__ == "__main__":
    sys.exit(main())
