"""The page of fields and checks: what is tested of each field of a ScheduledJob, as the marks on the tests say.

A test says what it checks by `@pytest.mark.field("dst", check="semantics")`, with as many fields as it is about. Marks
are read from the sources, without running anything; where a test stands tells its tier. Fields come from the CRD, so a
new one is in the table at once, with all its holes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.docs.markdown import code, table

ROOT = Path(__file__).parents[2]
KINDS = ("6 fields", "macros", "@every", "names", "?", "L", "#", "H")
"""What `schedule` may be beside five fields: each is a field of the table."""
CHECKS = ("schema", "validation", "semantics", "SIGKILL", "status", "Event", "metric")
"""What a mark may say."""
_TIERS = ("unit", "store", "cluster")
_HANDBOOK = (
    Path("docs/timetables.md"),
    Path("docs/retention.md"),
    Path("docs/cronjob-differences.md"),
    Path("docs/protocol.md"),
)
_COLUMNS = (*CHECKS, "docs", "example", *_TIERS)

NOT_ASKED: Mapping[str, str] = {
    "status": "shown by what it leads to: next and last run, conditions of the spec",
    "Event": "nothing happens to a run because of it; a wrong value is told by an Event that names the field",
    "metric": "metrics speak of runs and schedules, not of what a spec says",
}
"""Checks that are asked of few fields only, and why."""
_ASKED = {
    "status": {"schedule", "timeZone", "suspend", "endAt", "jitterSeconds", "launchPolicy"},
    "Event": {"schedule", "timeZone", "exclude", "concurrencyPolicy", "startingDeadlineSeconds", "suspend", "catchUp"},
    "metric": {"schedule", "startingDeadlineSeconds", "catchUp"},
}
_OF_LAUNCHES = {"queueName", "priority", "launchPolicy"}
"""Not of time: the crash matrix kills at every step of a launch instead."""
_SELDOM = {"schedule: macros"}
"""They tick too seldom for a test that kills."""

_SPELLED = {
    "6 fields": "a sixth in front",
    "macros": "`@daily`",
    "@every": "`@every 90m`",
    "names": "`MON`",
    "?": "`?`",
    "L": "`L`",
    "#": "`1#2`",
    "H": "`H`",
}
"""How the handbook writes each kind of `schedule`."""
_NOT_OF_SPELLINGS = ("example", "store")

_HEAD = """\
# Fields and their checks

Each field of a ScheduledJob's spec beyond `jobTemplate`, and how many tests check what of it. *schema*: the API server
refuses a wrong value and names the field. *validation*: the controller does, where the API server cannot know.
*semantics*: what the field does. *SIGKILL*: that it does so though either replica is killed. *status*, *Event*,
*metric*: that it is told there. *docs*: pages of the handbook that tell of it. *example*: manifests under `examples/`
that use it, each of which is applied in a test. *unit*, *store*, *cluster*: in which tiers these tests stand. **hole**:
nothing checks it yet. A dot: not asked, see below.

"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark: this test checks that of this field."""

    field: str
    check: str
    file: str
    test: str

    @property
    def tier(self) -> str:
        """Return the folder of tests that it stands in."""
        return Path(self.file).parts[1]


class BadMark(Exception):
    """A mark that says nothing that could be counted; the message names the place."""


def page(root: Path = ROOT) -> str:
    """Return the page."""
    names, found = fields(root), list(marks(root))
    unknown = sorted({mark.field for mark in found} - set(names))
    if unknown:
        raise BadMark(f"marks speak of fields that the CRD does not have: {', '.join(unknown)}")
    counted = {name: _row(name, found, root) for name in names}
    rows = [[code(name), *(counted[name][column] for column in _COLUMNS)] for name in names]
    return _HEAD + table(("field", *_COLUMNS), rows) + _holes(counted) + _not_asked() + _tests(names, found)


def fields(root: Path = ROOT) -> list[str]:
    """Return the fields: those of the CRD's spec, and the kinds of `schedule` behind it."""
    crd = yaml.safe_load((root / "crds/scheduledjobs.yaml").read_text(encoding="utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    own = [name for name in spec if name not in {"jobTemplate", "schedule"}]
    return ["schedule", *(f"schedule: {kind}" for kind in KINDS), *own]


def marks(root: Path = ROOT) -> Iterator[Mark]:
    """Yield the marks of all tests. Raises BadMark, naming the place, for one that cannot be read."""
    for file in sorted((root / "tests").rglob("test_*.py")):
        source = file.read_text(encoding="utf-8")
        if "mark.field(" in source:
            yield from _of_file(ast.parse(source), file.relative_to(root).as_posix())


def _of_file(tree: ast.Module, file: str) -> Iterator[Mark]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                yield from _of_decorator(decorator, file, node.name)


def _of_decorator(decorator: ast.expr, file: str, test: str) -> Iterator[Mark]:
    if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.field"):
        return
    try:
        names = [str(ast.literal_eval(argument)) for argument in decorator.args]
        said = {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}
    except ValueError as error:
        raise BadMark(f"{file}: {test}: write names and check as plain texts") from error
    check = said.get("check")
    if not names or set(said) != {"check"} or check not in CHECKS:
        raise BadMark(f"{file}: {test}: name fields, and check= one of {', '.join(CHECKS)}")
    for name in names:
        yield Mark(name, check, file, test)


def _row(name: str, found: Sequence[Mark], root: Path) -> dict[str, str]:
    mine = [mark for mark in found if mark.field == name]
    tests = {tier: {(mark.file, mark.test) for mark in mine if mark.tier == tier} for tier in _TIERS}
    numbers = {
        **{check: len({(mark.file, mark.test) for mark in mine if mark.check == check}) for check in CHECKS},
        **{tier: len(tests[tier]) for tier in _TIERS},
        "docs": sum(_told(name, (root / page).read_text(encoding="utf-8")) for page in _HANDBOOK),
        "example": sum(_used(name, file) for file in sorted((root / "examples").rglob("*.yaml"))),
    }
    return {column: _cell(name, column, numbers[column]) for column in _COLUMNS}


def _cell(name: str, column: str, number: int) -> str:
    if number:
        return str(number)
    return "**hole**" if _asked(name, column) else "·"


def _asked(name: str, column: str) -> bool:
    if column in _ASKED:
        return name in _ASKED[column]
    if column == "SIGKILL":
        return name not in _OF_LAUNCHES | _SELDOM
    return not (": " in name and column in _NOT_OF_SPELLINGS)


def _told(name: str, text: str) -> bool:
    kind = name.partition(": ")[2]
    return _SPELLED[kind] in text if kind else bool(re.search(rf"`(?:spec\.)?{name}[`:]", text))


def _used(name: str, file: Path) -> bool:
    documents = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    return any(name in (one.get("spec") or {}) for one in documents if one and one.get("kind") == "ScheduledJob")


def _holes(counted: Mapping[str, Mapping[str, str]]) -> str:
    holes = [
        f"* {code(name)}: {', '.join(column for column, cell in row.items() if cell == '**hole**')}\n"
        for name, row in counted.items()
        if "**hole**" in row.values()
    ]
    return "\n## Holes\n\n" + ("".join(holes) or "None.\n")


def _not_asked() -> str:
    lines = [
        f"* *{check}*: {why}. Asked of {', '.join(map(code, sorted(_ASKED[check])))}.\n"
        for check, why in NOT_ASKED.items()
    ]
    of_launches, seldom = (", ".join(map(code, sorted(names))) for names in (_OF_LAUNCHES, _SELDOM))
    return (
        "\n## Not asked\n\n"
        + "".join(lines)
        + f"* *SIGKILL*, of {of_launches}: the crash matrix (tests/chaos) kills at every step of a launch, whatever "
        f"its fields. Of {seldom}: they tick too seldom.\n"
        + "* *example*, of the spellings of `schedule`: one page tells of all of them.\n"
    )


def _tests(names: Sequence[str], found: Sequence[Mark]) -> str:
    lines = []
    for name in names:
        files = dict.fromkeys(mark.file for mark in found if mark.field == name)
        lines.append(
            f"* {code(name)}: " + (", ".join(f"[{_short(file)}](../../{file})" for file in files) or "none") + "\n"
        )
    return "\n## Where the tests stand\n\n" + "".join(lines)


def _short(file: str) -> str:
    return file.removeprefix("tests/").removesuffix(".py")
