"""What the terminal shows while the bench runs: a live table, or plain lines where there is no terminal."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tools.bench.counting import Count
from tools.bench.page import TALLY_TITLES, tally_cells
from tools.bench.plan import Plan, Trial

_QUIET_SECONDS = 30.0
_WIDE = 140
_MANY = len(TALLY_TITLES)


class Screen:
    """Shows which trial runs, what it does, what was counted, the time so far and to go. A context manager."""

    def __init__(self, plan: Plan, *, console: Console | None = None) -> None:
        self._plan = plan
        self._console = console or _console()
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._counts: dict[Trial, Count] = {}
        self._trial: Trial | None = None
        self._doing = ""
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        self._console.print(f"This takes about {_clock(self._plan.expected_seconds)}; Ctrl-C ends it and cleans up.")
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._counts:
            self._console.print(self._table())

    def begin(self, trial: Trial | None) -> None:
        """Say which trial is next; None for the pace of launching."""
        self._trial = trial

    def tell(self, doing: str, count: Count | None) -> None:
        """Say what is being done, and show what was counted."""
        news = doing != self._doing
        self._doing = doing
        if count is not None and self._trial is not None:
            self._counts[self._trial] = count
        if self._live is not None:
            self._live.update(Group(self._table(), Text(self._line())), refresh=True)
        elif news or time.monotonic() - self._spoke > _QUIET_SECONDS:
            self._spoke = time.monotonic()
            self._console.print(self._line(), highlight=False, soft_wrap=True)

    def _line(self) -> str:
        elapsed = time.monotonic() - self._began
        left = max(self._plan.expected_seconds - elapsed, 0)
        count = self._counts.get(self._trial) if self._trial is not None else None
        counted = f": {', '.join(self._words(count))}" if count is not None else ""
        trial = f"{self._trial}: " if self._trial is not None else ""
        return f"[{_clock(elapsed)}, about {_clock(left)} to go] {trial}{self._doing}{counted}"

    @staticmethod
    def _words(count: Count) -> Sequence[str]:
        return [f"{title} {cell}" for title, cell in zip(TALLY_TITLES, tally_cells(count.overall), strict=True)]

    def _table(self) -> Table:
        shown = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("schedules", "contender"):
            shown.add_column(title)
        for title in TALLY_TITLES:
            shown.add_column(title, justify="right")
        for trial in self._plan.trials():
            count = self._counts.get(trial)
            cells = tally_cells(count.overall) if count is not None else [""] * _MANY
            doubtful = "  [red]doubtful[/red]" if count is not None and count.problems else ""
            shown.add_row(f"{trial.size:,}", trial.contender.label + doubtful, *cells)
        return shown


def _console() -> Console:
    """Return the terminal, or, where the output goes elsewhere, a page wide enough for the table."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_WIDE)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
