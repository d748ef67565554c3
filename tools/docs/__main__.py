"""`python -m tools.docs generate | check`: write the reference pages, or say which are out of date."""

import argparse
import sys

from tools.docs.pages import PAGES, generate, outdated


def main() -> int:
    """Do it; the exit code of `check` is 1 where a page is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("mode", choices=["generate", "check"])
    if parser.parse_args().mode == "generate":
        for path in generate():
            print(f"written: {path}")
        return 0
    stale = outdated()
    for path in stale:
        print(f"{path} is out of date; run: python -m tools.docs generate", file=sys.stderr)
    print(f"{len(PAGES) - len(stale)} of {len(PAGES)} pages are up to date")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
