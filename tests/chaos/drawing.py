"""The pictures of a timeline: SVG whose places are percentages, so that a wider picture is a closer look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from tests.chaos.case import Case
from tests.chaos.evidence import Run
from tests.chaos.findings import Finding
from tests.chaos.history import Fault
from tests.chaos.operations import NEVER, Operation, clock
from tests.chaos.owed import Target
from tests.chaos.trouble import Trouble, troubles_of

LANE, BAND, AXIS = 22, 18, 24
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_LABELS = 12
_OVER = frozenset({"Completed", "Failed", "Stopped", "Skipped", "Missed", "Unknown"})


@dataclass(frozen=True, slots=True)
class Scale:
    """The stretch of time that a picture shows."""

    begin: float
    end: float

    @classmethod
    def of(cls, case: Case) -> Scale:
        """From the first entry to the last, with a margin."""
        moments = [entry.at for entry in case.history.entries] or [0.0, 1.0]
        margin = max(1.0, (moments[-1] - moments[0]) * 0.01)
        return cls(moments[0] - margin, moments[-1] + margin)

    def x(self, at: float) -> str:
        """Where a moment is."""
        inside = min(max(at, self.begin), self.end)
        return f"{100 * (inside - self.begin) / (self.end - self.begin):.4f}%"

    def width(self, begin: float, end: float) -> str:
        """How wide a stretch is."""
        first, last = max(begin, self.begin), min(end, self.end)
        return f"{max(0.0, 100 * (last - first) / (self.end - self.begin)):.4f}%"

    def lines(self) -> Iterator[int]:
        """Round moments, about a dozen."""
        length = self.end - self.begin
        step = next((one for one in _STEPS if length / one <= _LABELS), _STEPS[-1])
        return (at for at in range(int(self.begin // step + 1) * step, int(self.end) + 1, step))


def axis(scale: Scale) -> str:
    """The clock above the lanes."""
    labels = (
        f'<line class="grid" x1="{scale.x(at)}" x2="{scale.x(at)}" y1="16" y2="{AXIS}"/>'
        f'<text x="{scale.x(at)}" y="13" dx="2">{clock(at)}</text>'
        for at in scale.lines()
    )
    return _svg(AXIS, labels)


def bands(case: Case, scale: Scale) -> tuple[str, int]:
    """The faults, in as many rows as it takes for none to hide another; and how many rows that is."""
    rows: list[float] = []
    drawn = []
    for trouble in sorted(troubles_of(case.history.each(Fault)), key=lambda one: one.begin):
        row = next((at for at, end in enumerate(rows) if end <= trouble.begin), len(rows))
        rows[row : row + 1] = [trouble.heal]
        drawn.append(_band(trouble, scale, row * BAND))
    return _svg(max(len(rows), 1) * BAND, drawn), len(rows)


def lanes(case: Case, scale: Scale, uids: Sequence[str], findings: Sequence[Finding]) -> str:
    """A lane for what concerns all, and one for each schedule, over the shades of the faults."""
    height = (len(uids) + 1) * LANE
    parts = [*_ground(case, scale, len(uids) + 1, height)]
    places = {uid: at * LANE for at, uid in enumerate(uids, start=1)}
    here = (one for one in case.targets.values() if one.run.schedule in places)
    parts.extend(_target(case, target, scale, places[target.run.schedule]) for target in here)
    for run in case.evidence.runs.values():
        if run.name.schedule in places:
            parts.extend(_run(case, run, scale, places[run.name.schedule]))
    for uid, ops in case.evidence.ops_on.items():
        if uid in places:
            parts.extend(_op(op, scale, places[uid]) for op in ops)
    for number, one in enumerate(findings, start=1):
        y = places.get(one.run.schedule, 0) if one.run is not None else 0
        parts.append(_finding(number, one, scale, y))
    return _svg(height, parts)


def _ground(case: Case, scale: Scale, count_of_lanes: int, height: int) -> Iterator[str]:
    for at in range(1, count_of_lanes, 2):
        yield f'<rect class="stripe" x="0" y="{at * LANE}" width="100%" height="{LANE}"/>'
    for trouble in case.troubles.all:
        place = f'x="{scale.x(trouble.begin)}" width="{scale.width(trouble.begin, trouble.heal)}"'
        yield f'<rect class="fault" {place} y="0" height="{height}"/>'
    for at in scale.lines():
        yield f'<line class="grid" x1="{scale.x(at)}" x2="{scale.x(at)}" y1="0" y2="{height}"/>'


def _band(trouble: Trouble, scale: Scale, y: int) -> str:
    end = "never healed" if trouble.heal == NEVER else f"to {clock(round(trouble.heal, 1))}"
    facts = " ".join(f"{key}={value}" for key, value in trouble.details.items())
    title = f"{trouble.name} ({trouble.target.value}) from {clock(round(trouble.begin, 1))} {end} {facts}"
    place = f'x="{scale.x(trouble.begin)}" width="{scale.width(trouble.begin, trouble.heal)}"'
    bar = f'<rect class="band" {place} y="{y + 3}" height="{BAND - 6}" stroke="#e0a100"/>'
    name = f'<text x="{scale.x(trouble.begin)}" y="{y + 13}" dx="3">{escape(trouble.name)}</text>'
    return f"<g>{_title(title)}{bar}{name}</g>"


def _target(case: Case, target: Target, scale: Scale, y: int) -> str:
    kind = "owed" if target.mandatory else "optional"
    x, title = scale.x(target.due), _title(f"{case.evidence.title(target.run)}: {kind}")
    return f'<line class="{kind}" x1="{x}" x2="{x}" y1="{y + 2}" y2="{y + LANE - 2}">{title}</line>'


def _run(case: Case, run: Run, scale: Scale, y: int) -> Iterator[str]:
    state = run.state if run.state in _OVER else "Open"
    told = f"{case.evidence.title(run.name)}: {run.state or 'no record'}, {run.reason or 'no reason'}"
    target, started = case.targets.get(run.name), run.started_at
    if started is None:
        if target is not None and run.row is not None:
            mark = f'<text class="mark {state}" x="{scale.x(target.due)}" y="{y + 16}">◆'
            yield f"{mark}{_title(told)}</text>"
        return
    if target is not None and started - target.due > case.bounds.on_time:
        x1, x2 = scale.x(target.due), scale.x(started)
        late = _title(f"{told}: {started - target.due:.2f} s late")
        yield f'<line class="lag" x1="{x1}" x2="{x2}" y1="{y + LANE // 2}" y2="{y + LANE // 2}">{late}</line>'
    for pod in run.pods:
        end = pod.until if pod.until < NEVER else scale.end
        lasted = f"{told}; {pod.start.pod_name} from {clock(round(pod.start.at, 3))} for {end - pod.start.at:.2f} s"
        place = f'x="{scale.x(pod.start.at)}" width="{scale.width(pod.start.at, end)}"'
        yield f'<rect class="pod {state}" {place} y="{y + 7}" height="{LANE - 14}">{_title(lasted)}</rect>'
    if not run.pods:
        yield f'<text class="mark {state}" x="{scale.x(started)}" y="{y + 16}">◇{_title(told + "; no pod")}</text>'


def _op(op: Operation, scale: Scale, y: int) -> str:
    answer = "no answer" if op.answer is None else op.answer.phase.value
    what = f"{op.action.value} at {clock(round(op.at, 3))}: {answer}"
    asked = f"{what} {op.asked.trigger or ''} {op.asked.spec.schedule if op.asked.spec else ''}"
    return f'<text class="mark op" x="{scale.x(op.at)}" y="{y + 9}">▾{_title(asked)}</text>'


def _finding(number: int, one: Finding, scale: Scale, y: int) -> str:
    at = one.at if one.at is not None else scale.end
    ring = f'<circle class="found {one.severity.value}" cx="{scale.x(at)}" cy="{y + LANE // 2}" r="9"/>'
    title = _title(f"{one.rule.value}: {one.sentence}")
    return f'<a id="mark-{number}" href="#finding-{number}">{title}{ring}</a>'


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _svg(height: int, parts: Iterable[str]) -> str:
    return f'<svg height="{height}" role="img">{"".join(parts)}</svg>'
