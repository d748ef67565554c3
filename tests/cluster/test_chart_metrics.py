"""What alerts and dashboard of the chart ask for is exported by replicas that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.support.place import RARELY
from tests.support.queries import MATCHER, SELECTOR, every
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.place import Place
    from tests.support.stack import Stack

OF_THE_TARGET = {"job", "instance", "pod"}
"""Labels that Prometheus adds."""
NOT_HERE = {"Missed", "Unknown", "DatabaseUnavailable"}
"""States and reasons that nothing here brings about."""


def exported(stack: Stack) -> list[tuple[str, dict[str, str]]]:
    """Every sample of every replica: its name and labels."""
    texts = (replica.get("/metrics")[1] for replica in stack.replicas)
    families = (family for text in texts for family in text_string_to_metric_families(text))
    return [(sample.name, dict(sample.labels)) for family in families for sample in family.samples]


def asked() -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Each metric with the values of labels that are asked for by `=`."""
    found = set()
    for _, query in every():
        for name, matchers in SELECTOR.findall(query):
            wanted = {(label, value) for label, how, value in MATCHER.findall(matchers) if how == "="}
            found.add((name, frozenset((label, value) for label, value in wanted if label not in OF_THE_TARGET)))
    return found


def test_every_series_that_is_asked_for_is_there(stack: Stack, place: Place) -> None:
    good, bad = place.plant("measured", "@every 5s"), place.plant("broken", RARELY, simulate={"simulate": "fail"})
    bad.trigger("once")
    wanted = [one for one in asked() if not {value for _, value in one[1]} & NOT_HERE]
    assert len(wanted) > 25

    def missing() -> list[str]:
        samples = exported(stack)
        return [
            f"{name}{dict(labels)}"
            for name, labels in wanted
            if not any(name == found and labels <= set(has.items()) for found, has in samples)
        ]

    for planted in (good, bad):
        planted.wait_status(lambda now: "state" in now.get("lastRun", {}), what="its run is told of", seconds=60)
    eventually(lambda: not missing(), what=f"what was missing at first is exported: {missing()}")
