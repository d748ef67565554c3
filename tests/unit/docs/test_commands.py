"""What the pages tell people to type is there: commands, flags, values, settings, metrics, images."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.docs.pages import ROOT, WITH_THE_CHARTS, codes, invocations, name, values
from ticklock.cli.main import COMMANDS
from ticklock.settings.flags import CONFIG_FLAG, flag
from ticklock.settings.model import Settings
from ticklock.telemetry.catalogue import METRICS
from tools.docs.commands import printed

VALUES = yaml.safe_load((ROOT / "charts" / "ticklock" / "values.yaml").read_text(encoding="utf-8"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
QUICKSTART = ROOT / "docs" / "quickstart.md"

BY_SETTINGS = {"controller", "migrate", "quarantine"}
"""Commands whose flags are the settings, beside those that their help shows."""
SETTING_FLAGS = {CONFIG_FLAG, *(flag(one) for one in Settings.model_fields)}
_FLAG = re.compile(r"--[a-z][a-z-]*|-[a-zA-Z]\b")
_VALUE = re.compile(r"[a-z]\w*(?:\.\w+)+(?:=\S*)?")
_METRIC = re.compile(r"(ticklock(?:_[a-z]+)+)(?:\{.*\})?")
_TAGGED = re.compile(r"ghcr\.io/ticklock/ticklock:(\S+?)[`\s]")
EACH_PAGE = pytest.mark.parametrize("page", WITH_THE_CHARTS, ids=name)

CALLS = [(name(page), call) for page in WITH_THE_CHARTS for call in invocations(page, "ticklock")]
EACH_CALL = [pytest.param(call, id=f"{page}: ticklock {' '.join(call)}"[:110]) for page, call in CALLS]


def flags_of(call: list[str]) -> set[str]:
    """The flags of a call, without what is given to them."""
    return {found[0] for token in call if token.startswith("-") and (found := _FLAG.match(token))}


def test_many_calls_are_found() -> None:
    assert len(CALLS) > 30
    assert {call[0] for _, call in CALLS} >= {"quarantine", "migrate", "uninstall", "validate", "convert"}


@pytest.mark.parametrize("call", EACH_CALL)
def test_ticklock_has_the_command_and_its_flags(call: list[str]) -> None:
    command, *rest = call
    assert command in COMMANDS
    known = set(_FLAG.findall(printed(command, "--help"))) | (SETTING_FLAGS if command in BY_SETTINGS else set())
    assert flags_of(rest) <= known


@EACH_PAGE
def test_values_of_the_chart_that_are_named_exist(page: Path) -> None:
    named = {code.partition("=")[0] for code in codes(page) if _VALUE.fullmatch(code)}
    lost = {path for path in named if path.partition(".")[0] in VALUES and not _has(VALUES, path.split("."))}
    assert not lost


def _has(place: Any, steps: list[str]) -> bool:
    """Whether a value is there; below an empty mapping anything may stand."""
    if not steps or place == {}:
        return True
    return isinstance(place, dict) and steps[0] in place and _has(place[steps[0]], steps[1:])


def test_values_are_looked_for() -> None:
    named = {code for page in WITH_THE_CHARTS for code in codes(page) if _VALUE.fullmatch(code)}
    assert len([code for code in named if code.partition(".")[0] in VALUES]) > 25
    assert not _has(VALUES, ["postgresql", "enable"])


@EACH_PAGE
def test_settings_that_values_give_exist(page: Path) -> None:
    given = {key for one in values(page) for key in one.get("settings", {})}
    said = {code.partition(":")[0] for code in codes(page) if re.fullmatch(r"[a-z]+(_[a-z]+)+: \S+", code)}
    assert (given | said) <= set(Settings.model_fields)


@EACH_PAGE
def test_metrics_that_are_named_exist(page: Path) -> None:
    named = {found[1] for code in codes(page) if (found := _METRIC.fullmatch(code))}
    known = {metric.full_name for metric in METRICS.values()}
    assert {one for one in named if re.sub(r"_(bucket|sum|count)$", "", one) not in known} == set()


@EACH_PAGE
def test_images_are_of_this_version(page: Path) -> None:
    assert set(_TAGGED.findall(page.read_text(encoding="utf-8"))) <= {VERSION}


def test_the_quickstart_is_short() -> None:
    assert len(QUICKSTART.read_text(encoding="utf-8").split()) < 500
