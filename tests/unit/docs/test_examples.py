"""What the pages show is so: commands print it, manifests can be used."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from tests.unit.docs.pages import PAGES, ROOT, Command, blocks, commands, name
from ticklock.cli.main import main
from ticklock.domain.parse import declared

OURS = [
    pytest.param(command, id=f"{name(page)}: {command.line[:60]}")
    for page in PAGES
    for command in commands(page)
    if command.line.startswith(("ticklock next ", "ticklock validate "))
]


def test_there_are_examples() -> None:
    assert len(OURS) >= 3


@pytest.mark.parametrize("command", OURS)
def test_a_command_prints_what_the_page_says(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert "--after" in command.line, "without --after it would print something else each day"
    main(shlex.split(command.line)[1:])
    printed = capsys.readouterr()
    assert (printed.out + printed.err).strip() == command.output.strip()


MANIFESTS = [
    (name(page), manifest)
    for page in PAGES
    for body in blocks(page, "yaml")
    for manifest in yaml.safe_load_all(body)
    if "kind" in manifest
]
OUR_KIND = [
    pytest.param(manifest, id=f"{page}: {manifest['metadata']['name']}")
    for page, manifest in MANIFESTS
    if manifest["kind"] == "ScheduledJob"
]


@pytest.mark.parametrize("manifest", OUR_KIND)
def test_a_manifest_can_be_used(manifest: dict[str, Any]) -> None:
    created = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    known = {"namespace": "default", "uid": "u", "creationTimestamp": created}
    read = declared({**manifest, "metadata": {**manifest["metadata"], **known}})
    assert read is not None
    assert read.problem is None


def test_other_kinds_are_those_that_are_tried_on_a_cluster() -> None:
    assert {manifest["kind"] for _, manifest in MANIFESTS} == {"ScheduledJob", "ConfigMap"}
