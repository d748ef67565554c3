"""`ticklock uninstall`: what it is asked, and what it prints."""

import json
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from ticklock.cli.main import main


@dataclass(frozen=True)
class Wish:
    kubeconfig: str | None
    context: str | None
    lease_namespace: str
    lease_name: str
    namespace: str | None
    check: bool
    force: bool


LEFT = {
    "clean": False,
    "namespaces": [
        {"namespace": "billing", "jobs": {"staged": 2, "finished": 11}, "scheduledJobs": 3},
        {"namespace": "shop", "jobs": {}, "scheduledJobs": 1},
    ],
    "lease": {"namespace": "ops", "name": "blue", "holder": "pod-1_a", "renewTime": "2026-03-01T12:00:00.000000Z"},
}
NOTHING = {"clean": True, "namespaces": [], "lease": None, "done": {"unstaged": 2, "released": 5, "failed": {}}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Wish]:
    """What reaches the work, which answers as LEFT."""
    wishes: list[Wish] = []
    answer(monkeypatch, wishes, 3, LEFT)
    for name in ("KUBECONFIG", "CONTEXT", "LEASE_NAMESPACE", "LEASE_NAME", "WATCH_NAMESPACE"):
        monkeypatch.delenv(f"TICKLOCK_{name}", raising=False)
    return wishes


def answer(monkeypatch: pytest.MonkeyPatch, wishes: list[Wish], code: int, told: dict[str, Any] | None) -> None:
    def run_uninstall(wish: Wish) -> tuple[int, dict[str, Any] | None]:
        wishes.append(wish)
        return code, told

    module = ModuleType("ticklock.bootstrap.uninstallation")
    module.Wish, module.run_uninstall = Wish, run_uninstall  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize(
    ("argv", "environ", "wish"),
    [
        pytest.param([], {}, Wish(None, None, "ticklock-system", "ticklock", None, False, False), id="the usual place"),  # noqa: FBT003 - as fields
        pytest.param(
            ["--check", "--lease-name", "blue"],
            {"LEASE_NAME": "green", "LEASE_NAMESPACE": "ops"},
            Wish(None, None, "ops", "blue", None, True, False),  # noqa: FBT003 - as fields
            id="a flag comes before its variable",
        ),
        pytest.param(
            ["--force", "--kubeconfig", "file", "--context", "kind"],
            {},
            Wish("file", "kind", "ticklock-system", "ticklock", None, False, True),  # noqa: FBT003 - as fields
            id="another cluster",
        ),
        pytest.param(
            [],
            {"WATCH_NAMESPACE": "team-a"},
            Wish(None, None, "ticklock-system", "ticklock", "team-a", False, False),  # noqa: FBT003 - as fields
            id="one namespace",
        ),
    ],
)
def test_what_is_asked(
    asked: list[Wish], argv: list[str], environ: dict[str, str], *, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(f"TICKLOCK_{name}", value)
    assert main(["uninstall", *argv]) == 3
    assert asked == [wish]


@pytest.mark.usefixtures("asked")
def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["uninstall", "--check"])
    assert capsys.readouterr().out.splitlines() == [
        "NAMESPACE   JOBS STAGED   JOBS RUNNING   JOBS FINISHED   JOBS DELETING   SCHEDULEDJOBS",
        "billing     2             0              11              0               3",
        "shop        0             0              0               0               1",
        "Lease ops/blue: held by pod-1_a, renewed 2026-03-01T12:00:00.000000Z",
    ]


@pytest.mark.usefixtures("asked")
def test_programs_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["uninstall", "--check", "-o", "json"])
    assert json.loads(capsys.readouterr().out) == LEFT


def test_when_all_is_done_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answer(monkeypatch, [], 0, NOTHING)
    assert main(["uninstall"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "suspended Jobs deleted: 2; finalizers taken off: 5",
        "nothing is left that holds up a deletion",
    ]


def test_without_an_answer_nothing_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, [], 1, None)
    assert main(["uninstall", "--check"]) == 1
    assert capsys.readouterr().out == ""
