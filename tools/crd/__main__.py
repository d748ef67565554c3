"""Command line: `python -m tools.crd generate | check (--openapi FILE | --kubeconfig FILE)`."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from itertools import islice
from pathlib import Path

from tools.crd.assemble import ANNOTATION_LIMIT, assemble, render, size
from tools.crd.source import OPENAPI_PATH, Source, SourceError
from tools.crd.structural import SchemaError

DEFAULT_OUTPUT = Path(__file__).parents[2] / "crds" / "scheduledjobs.yaml"
_DIFF_LINES = 40


def main(argv: list[str] | None = None) -> int:
    """Generate or check the file; return the exit status."""
    options = _parser().parse_args(argv)
    try:
        crd = assemble(Source(openapi=options.openapi, kubeconfig=options.kubeconfig).schemas())
    except (SourceError, SchemaError) as error:
        print(f"tools.crd: {error}", file=sys.stderr)
        return 2
    bytes_ = size(crd)
    if bytes_ >= ANNOTATION_LIMIT:
        print(f"tools.crd: {bytes_} bytes as JSON; kubectl apply takes less than {ANNOTATION_LIMIT}", file=sys.stderr)
        return 1
    return (
        _generate(options.output, render(crd), bytes_)
        if options.verb == "generate"
        else _check(options.output, render(crd))
    )


def _generate(output: Path, text: str, bytes_: int) -> int:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    print(f"{output.name}: {len(text.encode())} bytes as YAML, {bytes_} as JSON")
    return 0


def _check(output: Path, text: str) -> int:
    committed = output.read_text(encoding="utf-8") if output.exists() else ""
    if committed == text:
        return 0
    difference = difflib.unified_diff(
        committed.splitlines(), text.splitlines(), f"{output.name} as it is", "as generated", n=2, lineterm=""
    )
    print(*islice(difference, _DIFF_LINES), sep="\n", file=sys.stderr)
    print(f"tools.crd: {output.name} is out of date; run: python -m tools.crd generate", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.crd", description="Make or check the ScheduledJob CRD.")
    parser.add_argument("verb", choices=("generate", "check"), help="write the file, or compare it with a new one")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--openapi", type=Path, metavar="FILE", help=f"a saved copy of {OPENAPI_PATH}")
    source.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        default=os.environ.get("KUBECONFIG"),
        help="ask the cluster of this kubeconfig (default: the environment's KUBECONFIG)",
    )
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, metavar="FILE", help="the CRD's file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
