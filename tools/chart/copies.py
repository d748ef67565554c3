"""What the chart needs of files outside of it: Helm reads nothing beyond a chart's own folder."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

PREFIX = "ticklock-"


def of(root: Path) -> Mapping[Path, str]:
    """Return the copies by their path below the chart's files: CRDs as they are, and the rules of each role."""
    crds = {Path("crds") / path.name: path.read_text(encoding="utf-8") for path in sorted((root / "crds").glob("*"))}
    rules = rules_of((root / "deploy" / "rbac.yaml").read_text(encoding="utf-8"))
    return {**crds, **{Path("rules") / f"{role}.yaml": text for role, text in rules.items()}}


def rules_of(manifest: str) -> Mapping[str, str]:
    """Return the text of the rules of each role, comments included, by its name without the prefix."""
    found = {}
    for document in manifest.split("---\n"):
        head, separator, rules = document.partition("\nrules:\n")
        if separator:
            name = re.search(rf"^  name: {PREFIX}(\S+)$", head, re.MULTILINE)
            if name is None:
                raise ValueError(f"a role's name does not begin with {PREFIX}:\n{head}")
            found[name[1]] = textwrap.dedent(rules)
    return found
