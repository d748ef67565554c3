"""`python -m tools.chart generate | check`: write what of the chart is made, or say what is out of date."""

import argparse
import sys

from tools.chart.outputs import generate, made, outdated


def main() -> int:
    """Do it; the exit code of `check` is 1 where a file is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.chart", description=__doc__)
    parser.add_argument("mode", choices=["generate", "check"])
    if parser.parse_args().mode == "generate":
        for path in generate():
            print(f"written: {path}")
        return 0
    stale = outdated()
    for path in stale:
        print(f"{path} is out of date; run: python -m tools.chart generate", file=sys.stderr)
    print(f"{len(made()) - len(stale)} of {len(made())} files are up to date")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
