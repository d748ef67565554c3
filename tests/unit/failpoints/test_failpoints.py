"""Failpoints: what rules say, when they strike, and what they cost where there are none."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.failpoint_cost import measure
from ticklock import failpoints
from ticklock.failpoints import CATALOGUE, Action, BadRules, FailpointError, Rule, arm, failpoint, parse

PRODUCT = Path(__file__).parents[3] / "operator" / "ticklock"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm({})


RULES = [
    pytest.param("after-bind=kill", Rule("after-bind", Action.KILL), id="the first reach, unless told otherwise"),
    pytest.param("before-launch=stop@2", Rule("before-launch", Action.STOP, reach=2), id="the second reach"),
    pytest.param("after-create=sleep:12", Rule("after-create", Action.SLEEP, 12.0), id="for whole seconds"),
    pytest.param("after-create=sleep:0.5@3", Rule("after-create", Action.SLEEP, 0.5, 3), id="for half a second"),
    pytest.param(" after-plan=raise ; ", Rule("after-plan", Action.RAISE), id="spaces and a last semicolon"),
]


@pytest.mark.parametrize(("text", "rule"), RULES)
def test_a_rule_is_read(text: str, rule: Rule) -> None:
    assert parse(text) == (rule,)


def test_several_rules_are_read_in_their_order() -> None:
    assert [rule.name for rule in parse("after-plan=kill;after-bind=stop")] == ["after-plan", "after-bind"]


WRONG = [
    pytest.param("after-lunch=kill", "no failpoint 'after-lunch'; there are before-plan-commit", id="no such place"),
    pytest.param("after-bind=explode", "no action 'explode'; there are kill, stop", id="no such action"),
    pytest.param("after-bind", "not of the form name=action", id="no action at all"),
    pytest.param("after-bind=sleep", "sleep needs seconds", id="sleep without seconds"),
    pytest.param("after-bind=kill:3", "nothing else has any", id="kill with seconds"),
    pytest.param("after-bind=kill@0", "not of the form", id="the reach before the first"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_rule_is_told(text: str, message: str) -> None:
    with pytest.raises(BadRules, match=message):
        parse(text)


def test_the_controller_does_not_start_with_a_wrong_rule() -> None:
    environ = {**os.environ, "TICKLOCK_DATABASE_URL": "postgresql://u@h/d", "TICKLOCK_FAILPOINTS": "after-bind=explode"}
    command = [str(Path(sys.executable).with_name("ticklock")), "controller"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "TICKLOCK_FAILPOINTS: there is no action 'explode'" in done.stderr


async def test_a_rule_strikes_once_at_its_reach_and_nowhere_else() -> None:
    arm({"TICKLOCK_FAILPOINTS": "after-bind=raise@2"})
    await failpoint("after-bind")
    await failpoint("after-plan")
    with pytest.raises(FailpointError, match="after-bind"):
        await failpoint("after-bind")
    await failpoint("after-bind")


@pytest.mark.parametrize(
    ("action", "number"),
    [pytest.param("kill", signal.SIGKILL, id="killed"), pytest.param("stop", signal.SIGSTOP, id="stopped")],
)
def test_the_process_is(action: str, number: signal.Signals) -> None:
    program = (
        "import asyncio, os; from ticklock.failpoints import *; arm(os.environ); asyncio.run(failpoint('after-bind'))"
    )
    environ = {**os.environ, "TICKLOCK_FAILPOINTS": f"after-bind={action}"}
    with subprocess.Popen([sys.executable, "-c", program], env=environ, stderr=subprocess.DEVNULL) as child:
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            assert os.WSTOPSIG(status) == number
            child.send_signal(signal.SIGCONT)
            assert child.wait(30) == 0
        else:
            child.returncode = -os.WTERMSIG(status)
            assert os.WTERMSIG(status) == number


async def test_a_file_gives_new_rules_to_a_running_process(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    arm({"TICKLOCK_FAILPOINTS": f"@{file}"})
    await failpoint("after-bind")
    file.write_text("after-bind=raise")
    with pytest.raises(FailpointError):
        await failpoint("after-bind")
    await failpoint("after-bind")
    file.write_text("after-bind=raise@2;after-plan=raise")
    await failpoint("after-bind")
    with pytest.raises(FailpointError):
        await failpoint("after-bind")
    file.unlink()
    await failpoint("after-plan")


def test_every_name_in_the_code_is_in_the_catalogue_and_every_name_of_the_catalogue_in_the_code() -> None:
    used = {
        ast.literal_eval(node.args[0])
        for file in PRODUCT.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failpoint"
    }
    assert used == set(CATALOGUE)


def test_where_none_is_armed_one_costs_little_more_than_an_empty_function() -> None:
    assert failpoints._armed is None
    cost = measure(calls=20_000)
    assert cost.failpoint_ns < max(20 * cost.empty_ns, 2_000)
