"""Counting from outside: what is owed, lost and double, whoever schedules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.contender import until_minute
from tests.chaos.faults.fault import FAULTS
from tests.chaos.history import (
    Action,
    ClientOp,
    Entry,
    Fault,
    FaultPhase,
    History,
    Meta,
    NodePhase,
    NodeSight,
    Phase,
    Target,
)
from tests.chaos.outside import Owed, outcome, tick_of

M = 60
T0 = 28_333_333 * M
"""A full minute."""


def op(action: Action, at: float, phase: Phase = Phase.OK) -> ClientOp:
    return ClientOp(at=T0 + at, source="c", op=f"{action}-{at}", phase=phase, action=action, namespace="n", name="s")


def start(tick: int, *, job: str, pod: str, lag: float = 1.0) -> NodeSight:
    return NodeSight(
        at=T0 + tick + lag,
        source="nodes",
        phase=NodePhase.START,
        namespace="n",
        pod_uid=pod,
        pod_name=pod,
        job_uid=job,
        job_name=f"s-{(T0 + tick) // M}",
        run_id=None,
        n=None,
        scheduled_time=None,
    )


def counted(*entries: Entry, until: float = 200) -> tuple[list[int], list[int], list[int], list[int]]:
    found = outcome(History.of(Meta(seed=1, seconds=1, command=""), entries), until=T0 + until)
    parts = (sorted(found.owed), found.lost, found.doubles, found.crowds)
    return tuple([one.tick - T0 for one in part] for part in parts)  # type: ignore[return-value]


CREATED = op(Action.CREATE, 10)
RUNS = [start(tick, job=f"j{tick}", pod=f"p{tick}") for tick in (60, 120, 180)]


def test_each_minute_of_its_life_is_owed() -> None:
    assert counted(CREATED, *RUNS) == ([60, 120, 180], [], [], [])


def test_a_tick_without_a_start_is_lost() -> None:
    assert counted(CREATED, RUNS[0], RUNS[2])[1] == [120]


def test_two_jobs_for_one_tick_are_a_double_and_two_pods_of_one_job_a_crowd() -> None:
    again = start(60, job="other", pod="q60")
    beside = start(120, job="j120", pod="q120")
    assert counted(CREATED, *RUNS, again, beside)[2:] == ([60], [120])


@pytest.mark.parametrize(
    ("ops", "owed"),
    [
        pytest.param([op(Action.SUSPEND, 61)], [], id="suspended a moment after the tick"),
        pytest.param([op(Action.SUSPEND, 70), op(Action.RESUME, 130)], [60, 180], id="suspended for a tick"),
        pytest.param([op(Action.SUSPEND, 70), op(Action.RESUME, 130, Phase.INFO)], [60], id="nobody knows if resumed"),
        pytest.param([op(Action.DELETE, 90), op(Action.CREATE, 100)], [60, 120, 180], id="recreated between ticks"),
        pytest.param([op(Action.DELETE, 118), op(Action.CREATE, 122)], [60, 180], id="recreated around a tick"),
    ],
)
def test_what_people_do_changes_what_is_owed(ops: list[ClientOp], owed: list[int]) -> None:
    assert counted(CREATED, *ops)[0] == owed


def broken(begin: float, heal: float, target: Target = Target.CONTROLLER_MANAGER) -> list[Fault]:
    said = {"source": "machines", "fault": "machines-0", "name": "paused", "target": target, "details": {}}
    phases = ((begin, FaultPhase.BEGIN), (heal, FaultPhase.HEAL))
    return [Fault(at=T0 + at, phase=phase, **said) for at, phase in phases]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entries", "owed"),
    [
        pytest.param([*broken(57, 76), op(Action.DELETE, 69)], [], id="deleted while nothing could start"),
        pytest.param([*broken(57, 76), op(Action.DELETE, 115)], [60], id="deleted when it could long have started"),
        pytest.param([*broken(57, 76)], [60, 120, 180], id="never deleted"),
        pytest.param([*broken(57, 76, Target.PEOPLE), op(Action.DELETE, 69)], [60], id="what people do is no fault"),
    ],
)
def test_a_fault_that_outlives_the_schedule_excuses(entries: list[Entry], owed: list[int]) -> None:
    assert counted(CREATED, *entries)[0] == owed


def test_a_creation_that_nobody_confirmed_owes_nothing() -> None:
    assert counted(op(Action.CREATE, 10, Phase.INVOKE), op(Action.CREATE, 12, Phase.INFO))[0] == []


def test_ours_says_itself_what_it_was_started_for() -> None:
    own = {"job_name": "s-abc-123", "schedule_name": "s", "scheduled_time": T0 + 60}
    shown = {**{field: getattr(RUNS[0], field) for field in NodeSight.__slots__}, **own}
    assert tick_of(_sight(shown)) == Owed("n", "s", T0 + 60)


def _sight(shown: dict[str, object]) -> NodeSight:
    base = {"at": 1.0, "source": "nodes", "namespace": "n", "pod_uid": "p", "pod_name": "p", "job_uid": "j"}
    rest = {"phase": NodePhase.START, "run_id": None, "n": None}
    return NodeSight(**{**base, **rest, **shown})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("second", "hold", "wait"),
    [
        pytest.param(0, (5, 15), 57.5, id="on the minute it waits for the next"),
        pytest.param(50, (5, 15), 7.5, id="half of its shortest time before the tick"),
        pytest.param(50, (10, 20), 6.0, id="four seconds before, where it is long"),
        pytest.param(50, (0, 0), 9.0, id="a second before, where it is over at once"),
        pytest.param(58, (5, 15), 59.5, id="too late for this tick"),
    ],
)
def test_a_fault_spans_a_tick(second: float, hold: tuple[float, float], wait: float) -> None:
    assert until_minute(T0 + second, replace(FAULTS["etcd-set-back"], hold=hold)) == wait
