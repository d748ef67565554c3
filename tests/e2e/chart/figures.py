"""What the tests of the release measure, for docs/figures.md."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chart.alerts import CASES
from tools.bench.figures import Measured, Sheet
from tools.bench.publishing import DOCS, put

COMMAND = "make e2e"
ASKED_BY = "TICKLOCK_FIGURES"
"""The variable of the environment that asks for them to be put into docs/figures.md."""
_TEXT = (
    "On two real nodes that share the processors of one machine with all else: images, pods and database are real. "
    "A schedule ticks every five seconds meanwhile; no tick of it is lost or starts twice."
)
_OF_ALERTS = (
    "Each alert of the chart is judged by promtool in cases: series that must raise it, and series that must not. A "
    "real Prometheus evaluates all of them beside the release above; some are raised there by a schedule in trouble."
)

INSTALL = "`helm install --wait`: two replicas and PostgreSQL are ready"


class Figures:
    """Seconds by what they were measured of, in the order of measuring."""

    def __init__(self) -> None:
        self._rows: dict[str, float] = {}
        self._begins: dict[str, float] = {}
        self._alerts: dict[str, str] = {}

    def begin_of(self, what: str) -> float:
        """Return when something that was `measured` began, as `time.time` told it."""
        return self._begins[what]

    def put(self, what: str, seconds: float) -> None:
        """Take note."""
        self._rows[what] = seconds

    def alert(self, name: str, seen: str) -> None:
        """Take note of what was seen of an alert."""
        self._alerts[name] = seen

    @contextmanager
    def measured(self, what: str) -> Iterator[None]:
        """Take note of how long something takes, unless it fails."""
        began = self._begins[what] = time.time()
        yield
        self.passed(what, began)

    def passed(self, what: str, since: float) -> None:
        """Take note of the time since a moment, as `time.time` tells it."""
        self.put(what, time.time() - since)

    def lines(self) -> list[str]:
        """Return them as a table of text."""
        return [f"{seconds:8.1f} s  {what}" for what, seconds in self._rows.items()]

    def publish(self) -> None:
        """Put them into the page of figures."""
        rows = tuple((what, f"{seconds:.1f}") for what, seconds in self._rows.items())
        measured = Measured.today(f"{ASKED_BY}=1 {COMMAND}")
        put(Sheet("The chart on two real nodes", _TEXT, ("what", "seconds"), rows, 1, measured), DOCS)
        cases = Counter(case.alert for case in CASES)
        alerts = tuple((name, self._alerts.get(name, "-"), str(number)) for name, number in cases.items())
        titles = ("alert", "on two real nodes", "cases judged by promtool")
        put(Sheet("Alerts", _OF_ALERTS, titles, alerts, 2, measured), DOCS)
