"""`python -m tools.devcluster.build [PROGRAM|SET…]`: build what is not at hand, one by one; print each one's time.

Without arguments: the control plane.
"""

import argparse
import signal
import sys
import time

from tools.devcluster.binaries import locate, resolve, version_of
from tools.devcluster.gobuild import BuildError, MissingToolError
from tools.devcluster.parts import PARTS, SETS


def main() -> int:
    """Build, or say where each program was found."""
    parser = argparse.ArgumentParser(prog="python -m tools.devcluster.build", description=__doc__)
    described = f"programs: {', '.join(PARTS)}; sets of them: {', '.join(SETS)}"
    parser.add_argument("names", nargs="*", choices=[[], *PARTS, *SETS], metavar="NAME", help=described)
    names = parser.parse_args().names or ["control-plane"]
    programs = dict.fromkeys(program for name in names for program in SETS.get(name, (name,)))
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
