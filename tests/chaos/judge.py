"""The checker: from a history to a judgement. Pure; the same history gives the same answer."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.case import Case
from tests.chaos.figures import figures
from tests.chaos.findings import Finding, Judgement
from tests.chaos.history import History
from tests.chaos.rules.at_least_once import at_least_once
from tests.chaos.rules.at_most_once import at_most_once
from tests.chaos.rules.concurrency import concurrency
from tests.chaos.rules.enough import enough
from tests.chaos.rules.garbage import garbage
from tests.chaos.rules.no_phantom import no_phantom
from tests.chaos.rules.truth import truth

RULES: tuple[Callable[[Case], list[Finding]], ...] = (
    enough,
    at_most_once,
    at_least_once,
    no_phantom,
    truth,
    concurrency,
    garbage,
)


def judge(history: History | Case) -> Judgement:
    """Hold a history to every rule."""
    case = history if isinstance(history, Case) else Case(history)
    found = [finding for rule in RULES for finding in rule(case)]
    found.sort(key=lambda one: (one.rule, one.severity, one.at or 0.0, one.sentence))
    return Judgement(tuple(found), figures(case))
