"""How many runs of a namespace may wait: what is more is skipped and told, and nobody else is held up."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support.accounting import every_tick_once
from tests.support.place import RARELY
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tools.devcluster.installation import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.place import Planted

LIMIT = 3
SETTING = "max_pending_runs_per_namespace"
TOO_MANY = ("Skipped", "TooManyPending")


@pytest.fixture(scope="module")
def limited() -> Iterator[Stack]:
    """Two replicas that let three runs of a namespace wait."""
    with Stack(Shape(settings={SETTING: LIMIT})) as stack:
        yield stack


def reasons(planted: Planted) -> set[str]:
    return {event["reason"] for event in planted.events()}


@pytest.mark.timeout(240)
def test_what_is_too_much_is_skipped_by_name_though_the_leader_is_killed(limited: Stack) -> None:
    limited.heal()
    crowded, quiet = limited.place("crowded"), limited.place("quiet")
    greedy = [crowded.plant(f"greedy-{number}", "@every 2s") for number in range(4)]
    modest = quiet.plant("modest", "@every 5s")
    modest.wait_launched()
    leader = limited.leader()
    leader.kill9()
    killed = time.time()
    leader.start()
    leader.wait_ready()
    limited.leader()
    until = max(time.time(), killed + 14) + 2
    tally = every_tick_once(limited, greedy, until=until, allowed={TOO_MANY})
    assert set(tally.verdicts.values()) == {TOO_MANY}, "more was due than may wait"
    assert tally.lags, "what may wait is launched"
    assert all(f"and {LIMIT} may be" in tally.rows[name]["message"] for name in tally.verdicts)
    assert not every_tick_once(limited, [modest], until=until).verdicts, "the other namespace is held up"
    skipped_of = {name.schedule for name in tally.verdicts}
    eventually(
        lambda: {one.uid for one in greedy if TOO_MANY[1] in reasons(one)} >= skipped_of, what="Events tell of them"
    )
    eventually(lambda: skipped(limited, greedy) >= len(tally.verdicts), what="the metric counts them")
    assert not limited.errors()


def skipped(stack: Stack, planted: list[Planted]) -> float:
    labels = dict(zip(("state", "reason"), TOO_MANY, strict=True))
    return sum(
        one.metrics().value("ticklock_runs_total", **labels, namespace=it.place.namespace, name=it.name)
        for one in stack.replicas
        for it in planted
    )


@pytest.mark.timeout(120)
def test_a_trigger_that_may_not_wait_is_refused_in_an_event_that_names_the_setting(limited: Stack) -> None:
    limited.heal()
    place = limited.place("full")
    busy = [place.plant(f"busy-{number}", "@every 1s") for number in range(LIMIT)]
    busy[0].wait_launched()
    asked = place.plant("asked", RARELY)
    asked.wait_status(lambda now: "observedGeneration" in now, what="it is known")
    attempts = count()

    def refused() -> bool:
        asked.trigger(f"try-{next(attempts)}")
        return "TriggerRefused" in reasons(asked)

    eventually(refused, what="a trigger found no room", seconds=60)
    (note, *_) = [event["note"] for event in asked.events() if event["reason"] == "TriggerRefused"]
    assert SETTING in note
