"""`python -m tools.docs generate | check`: write the reference pages, or say which are out of date."""

import sys

from tools.docs.pages import PAGES, generate, outdated
from tools.generated import run

if __name__ == "__main__":
    sys.exit(run("tools.docs", __doc__, generate=generate, outdated=outdated, total=len(PAGES)))
