"""`python -m tests.chaos.check FOLDER`: judge a history. Ends with 1 where a rule is broken, with 2 where none could be
asked."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.case import Case
from tests.chaos.folder import HistoryError, load
from tests.chaos.judge import judge
from tests.chaos.report import as_json, written


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.check", description="Judge a history of a chaos run.")
    parser.add_argument("folder", type=Path, help="where history.jsonl and meta.json are")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    options = parser.parse_args(arguments)
    try:
        history = load(options.folder)
    except HistoryError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - a command talks on the terminal
        return 2
    case = Case(history)
    judgement = judge(case)
    text = json.dumps(as_json(case, judgement), indent=2) if options.json else written(case, judgement)
    print(text)  # noqa: T201 - a command prints its answer
    return 1 if judgement.failures else 0


if __name__ == "__main__":
    sys.exit(main())
