"""`ticklock validate`: from a file to an explanation."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ticklock.cli.main import main
from ticklock.cli.validate_command import FIELDS

ROOT = Path(__file__).parents[3]
GOOD = """
apiVersion: ticklock.dev/v1
kind: ScheduledJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "30 2 * * *"
  timeZone: Europe/Berlin
  startAt: 2026-03-01T00:00:00Z
  exclude: ["* * 25 12 *"]
  jitterSeconds: 600
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
"""


def explained(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> tuple[int, str, str]:
    file = tmp_path / "sjob.yaml"
    file.write_text(text, encoding="utf-8")
    code = main(["validate", str(file), "--after", "2026-03-01T00:00:00Z", "--count", "2"])
    printed = capsys.readouterr()
    return code, printed.out.replace(f"{tmp_path}/", ""), printed.err


def test_a_good_one_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = explained(tmp_path, capsys, GOOD)
    assert code == 0
    assert err == "1 manifest, none wrong\n"
    lines = out.splitlines()
    assert lines[:5] == [
        "shop/nightly  (sjob.yaml)",
        "  runs     30 2 * * *  in Europe/Berlin",
        "  but not  * * 25 12 *",
        "  next     2026-03-01T01:30:00Z  Sun 2026-03-01 02:30:00+01:00",
        "  next     2026-03-02T01:30:00Z  Mon 2026-03-02 02:30:00+01:00",
    ]
    assert lines[5].startswith("  jitter   each run is launched ")
    assert lines[6] == "  clock    2026-03-29: 02:30 does not exist on this day: shifted to 03:00"
    assert lines[7] == "  clock    2026-10-25: 02:30 exists twice: the first one runs"
    assert lines[8].startswith("  warning  backoffLimit is unset")
    assert len(lines) == 9


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("30 2 * * *", "0 0 31 2 *", "never fires", id="31 February"),
        pytest.param(
            "timeZone:", "timezone:", "spec.timezone: there is no such field; did you mean timeZone?", id="case"
        ),
        pytest.param("jitterSeconds:", "jitter:", "spec.jitter: there is no such field", id="a field of nobody"),
        pytest.param("kind: ScheduledJob", "kind: Job", "apiVersion and kind must be", id="another kind"),
        pytest.param(
            "apiVersion: ticklock.dev/v1\nkind: ScheduledJob",
            "apiVersion: batch/v1\nkind: CronJob",
            "ticklock convert",
            id="a CronJob",
        ),
        pytest.param("name: nightly, ", "", "metadata.name is missing", id="no name"),
        pytest.param("spec:\n  schedule", "spec: []\nx:\n  schedule", "spec must be an object", id="no spec"),
    ],
)
def test_a_bad_one_is_named_with_its_mend(  # noqa: PLR0917 - a row of the table
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    assert old in GOOD
    code, out, err = explained(tmp_path, capsys, GOOD.replace(old, new))
    assert (code, err) == (1, "1 manifest, 1 wrong\n")
    assert words in out


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: [", id="half a list"),
        pytest.param("just words", id="words"),
        pytest.param("- 1", id="a number"),
    ],
)
def test_what_is_no_manifest_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    code, out, err = explained(tmp_path, capsys, text)
    assert (code, out) == (2, "")
    assert err.startswith("ticklock validate: ")
    assert len(err.splitlines()) == 1


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "/nowhere/at-all.yaml"]) == 2
    assert "No such file" in capsys.readouterr().err


def test_lists_and_folders_are_taken_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = yaml.safe_load(GOOD.replace("2026-03-01T00:00:00Z", '"2026-03-01T00:00:00Z"'))
    (tmp_path / "list.yaml").write_text(yaml.safe_dump({"kind": "List", "items": [one, one]}), encoding="utf-8")
    (tmp_path / "two.yml").write_text(f"{GOOD}\n---\n{GOOD}\n---\n", encoding="utf-8")
    assert main(["validate", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "4 manifests, none wrong\n"


@pytest.mark.parametrize("file", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda file: file.stem)
def test_the_examples_are_in_order(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(file)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("catch_up", "line"),
    [
        pytest.param("{policy: Skip}", "none of them runs", id="none"),
        pytest.param("{}", "the latest of them runs", id="the latest"),
        pytest.param(
            "{policy: All, limit: 3, windowSeconds: 60}", "the newest 3 of them run, up to 60 s late", id="all"
        ),
    ],
)
def test_it_says_what_becomes_of_missed_ticks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], catch_up: str, line: str
) -> None:
    code, out, _ = explained(tmp_path, capsys, GOOD.replace("jitterSeconds: 600", f"catchUp: {catch_up}"))
    assert code == 0
    assert f"  missed   {line}" in out.splitlines()


def test_more_missed_ticks_than_an_installation_allows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sjob.yaml"
    file.write_text(GOOD.replace("jitterSeconds: 600", "catchUp: {policy: All, limit: 101}"), encoding="utf-8")
    assert main(["validate", str(file)]) == 1
    assert "spec.catchUp.limit: 101 missed ticks" in capsys.readouterr().out
    assert main(["validate", str(file), "--max-catch-up", "101"]) == 0


def test_it_can_be_asked_with_the_limit_of_an_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sjob.yaml"
    file.write_text(GOOD.replace("30 2 * * *", "* * * * *"), encoding="utf-8")
    assert main(["validate", str(file), "--min-interval", "60"]) == 0
    assert main(["validate", str(file), "--min-interval", "61"]) == 1
    assert "spec.schedule: ticks are 60 s apart" in capsys.readouterr().out


def test_it_knows_the_fields_of_the_crd() -> None:
    crd = yaml.safe_load((ROOT / "crds" / "scheduledjobs.yaml").read_text(encoding="utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert frozenset(spec) == FIELDS
