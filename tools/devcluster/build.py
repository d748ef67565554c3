"""`python -m tools.devcluster.build [PROGRAM…]`: build what is not at hand, one by one; print each one's time."""

import argparse
import signal
import sys
import time

from tools.devcluster.binaries import locate, resolve, version_of
from tools.devcluster.gobuild import BuildError, MissingToolError
from tools.devcluster.parts import CONTROL_PLANE, PARTS


def main() -> int:
    """Build, or say where each program was found."""
    parser = argparse.ArgumentParser(prog="python -m tools.devcluster.build", description=__doc__)
    parser.add_argument("programs", nargs="*", choices=[[], *PARTS], metavar="PROGRAM", help=", ".join(PARTS))
    programs = parser.parse_args().programs or CONTROL_PLANE
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end in KeyboardInterrupt, hence in clean-up
    began = time.monotonic()
    try:
        for program in programs:
            at_hand = locate(PARTS[program])
            path = at_hand or resolve([program])[program]
            print(f"{program:24} {path}  ({version_of(path)})")
    except (BuildError, MissingToolError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"all at hand after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
