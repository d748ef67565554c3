"""`python -m tools.image [IMAGE…]`: build images as OCI tars, without a daemon or a registry; print each one's size."""

import argparse
import sys
import time
from pathlib import Path

from tools.image.build import build
from tools.image.catalogue import IMAGES
from tools.image.debian import PackagesError

_MEGABYTE = 1_000_000


def main() -> int:
    """Build what is asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("images", nargs="*", choices=[[], *IMAGES], metavar="IMAGE", help=", ".join(IMAGES))
    parser.add_argument("--folder", type=Path, default=Path("dist"), help="where the files go (default: dist)")
    parser.add_argument("--name", action="append", default=[], help="a further name, with registry and tag")
    arguments = parser.parse_args()
    try:
        for program in arguments.images or IMAGES:
            began = time.monotonic()
            built = build(program, arguments.folder, names=tuple(arguments.name))
            print(
                f"{program:10} {built.size / _MEGABYTE:6.1f} MB  {built.components:3} components  "
                f"{built.digest[:19]}  {time.monotonic() - began:5.1f} s  {built.file}"
            )
    except (PackagesError, RuntimeError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
