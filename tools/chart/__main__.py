"""`python -m tools.chart generate | check`: write what of the chart is made, or say what is out of date."""

import sys

from tools.chart.outputs import generate, made, outdated
from tools.generated import run

if __name__ == "__main__":
    sys.exit(run("tools.chart", __doc__, generate=generate, outdated=outdated, total=len(made())))
