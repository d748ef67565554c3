"""Showing the picture: tables that are redrawn on a terminal, plain lines now and then elsewhere."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tools.demo.picture import EMPTY_ROW, Picture, ReplicaRow, ScheduleRow

_COLOURS = {"Completed": "green", "Running": "cyan", "Failed": "red", "Skipped": "yellow", "Missed": "red"}
_ROLES = {"leads": "bold green", "killed": "bold red", "starting": "yellow"}
_PLAIN_SECONDS = 10.0
_RIGHT = frozenset({"lag", "runs", "skipped", "process", "launched", "memory"})
_WIDE = {"reason": 140, "when": 118, "runs": 92, "skipped": 92}
"""Columns that are left out on narrower terminals."""
_FRAME = 13
"""Lines of the picture beside the rows of its tables and the log."""


class Screen(Protocol):
    """Where the demo shows itself."""

    def live(self) -> AbstractContextManager[object]:
        """Return the time during which `show` is called."""

    def show(self, picture: Picture) -> None:
        """Show this moment."""

    def say(self, line: str) -> None:
        """Write a line that stays."""


def screen_for(console: Console) -> Screen:
    """Return what suits the terminal, or its absence."""
    return LiveScreen(console) if console.is_terminal else PlainScreen(console)


class LiveScreen:
    """Redraws the tables in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)

    def live(self) -> AbstractContextManager[object]:
        """Own the lower part of the terminal meanwhile."""
        return self._live

    def show(self, picture: Picture) -> None:
        """Redraw."""
        self._live.update(draw(picture, *self._console.size), refresh=True)

    def say(self, line: str) -> None:
        """Write above the tables."""
        self._console.print(line, highlight=False, markup=False)


class PlainScreen:
    """Writes the first picture at once, then one every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def live(self) -> AbstractContextManager[object]:
        """Need no preparation."""
        return nullcontext()

    def show(self, picture: Picture) -> None:
        """Write it if it is time."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PLAIN_SECONDS
        for line in plain(picture):
            self.say(line)

    def say(self, line: str) -> None:
        """Write a line, as long as it is."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def draw(picture: Picture, width: int, height: int) -> Group:
    """Return the picture for a terminal of that size: less important columns go first, then lines of the log."""
    head = Text.assemble(
        ("Ticklock demo", "bold"), f"  {picture.elapsed:.0f} s of {picture.total:.0f}   next: {picture.next_step}\n"
    )
    head.append(f"export KUBECONFIG={picture.kubeconfig}", "dim")
    room = height - len(picture.schedules) - len(picture.replicas) - _FRAME
    facts = picture.facts[-room:] if room > 0 else []
    log = Text("\n".join(facts), style="dim", no_wrap=True, overflow="ellipsis")
    return Group(head, _schedules(picture.schedules, width), _replicas(picture.replicas), log)


def _schedules(rows: Sequence[ScheduleRow], width: int) -> Table:
    cells = [_schedule_cells(row) for row in rows]
    columns = [title for title in _schedule_cells(EMPTY_ROW) if _WIDE.get(title, 0) <= width]
    return _table(columns, [[cell[title] for title in columns] for cell in cells])


def _schedule_cells(row: ScheduleRow) -> dict[str, Text]:
    return {
        "schedule": Text(row.name),
        "when": Text(row.expression),
        "last tick": Text(row.last),
        "state": Text(row.state, style=_COLOURS.get(row.state, "")),
        "reason": Text(row.reason),
        "lag": Text(row.lag),
        "launched by": Text(row.by),
        "next, UTC": Text(row.next),
        "runs": Text(str(row.launched)),
        "skipped": Text(str(row.skipped or "")),
    }


def _replicas(rows: Sequence[ReplicaRow]) -> Table:
    cells = [
        [
            Text(row.pod),
            Text(row.role, style=_ROLES.get(row.role, "")),
            Text(str(row.pid or "")),
            Text(str(row.launched)),
            Text(f"{row.megabytes} MB"),
        ]
        for row in rows
    ]
    return _table(["replica", "role", "process", "launched", "memory"], cells)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in _RIGHT else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def plain(picture: Picture) -> list[str]:
    """Return the picture as lines."""
    lines = [f"--- {picture.elapsed:.0f} s of {picture.total:.0f}; next: {picture.next_step}"]
    lines += [
        f"  {row.name:<18} {row.expression:<26} last {row.last:<8} {row.state:<9} {row.reason:<20} lag {row.lag:<8} "
        f"by {row.by or '-':<14} next {row.next}  runs {row.launched} skipped {row.skipped}"
        for row in picture.schedules
    ]
    lines += [
        f"  {row.pod:<18} {row.role:<8} process {row.pid}  launched {row.launched}  {row.megabytes} MB"
        for row in picture.replicas
    ]
    return [*lines, *(f"  log: {fact}" for fact in picture.facts)]
