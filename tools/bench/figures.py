"""The figures that were measured, as they stand in docs/figures.json; the page beside it is made from nothing else.

Promise: the figures of one file come from one machine; those of another are dropped when new ones are put in.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tools.bench.machine import Machine
from tools.bench.pace import Pace
from tools.bench.plan import Contender, Trial
from tools.bench.trial import Outcome


@dataclass(frozen=True, slots=True)
class Measured:
    """When and by which command something was measured."""

    on: str
    """Date, ISO 8601."""
    command: str

    @classmethod
    def today(cls, command: str) -> "Measured":
        """Return that this command has measured it now; the date is that of UTC."""
        return cls(datetime.now(UTC).date().isoformat(), command)


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """A trial and what came of it."""

    trial: Trial
    outcome: Outcome
    measured: Measured


@dataclass(frozen=True, slots=True)
class PaceFigures:
    """The pace of launching, ours and a bare client's."""

    pace: Pace
    measured: Measured


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a command took, as somebody measured it."""

    name: str
    seconds: float
    measured: Measured


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table that a command of its own has measured."""

    name: str
    text: str
    """What was counted, and how: stands above the table."""
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int
    """How many columns, from the first, hold words and not numbers."""
    measured: Measured


@dataclass(frozen=True, slots=True)
class Figures:
    """All of them."""

    machine: Machine
    trials: tuple[TrialFigures, ...] = ()
    pace: PaceFigures | None = None
    durations: tuple[Duration, ...] = field(default=())
    sheets: tuple[Sheet, ...] = field(default=())

    def with_trial(self, new: TrialFigures) -> "Figures":
        """Put in a trial, in place of the last of the same contender and size."""
        others = [one for one in self.trials if (one.trial.contender, one.trial.size) != _key(new)]
        order = list(Contender)
        ranked = sorted([*others, new], key=lambda one: (one.trial.size, order.index(one.trial.contender)))
        return replace(self, trials=tuple(ranked))

    def with_duration(self, new: Duration) -> "Figures":
        """Put in a duration, in place of the last of the same name."""
        others = [one for one in self.durations if one.name != new.name]
        return replace(self, durations=tuple(sorted([*others, new], key=lambda one: one.name)))

    def with_sheet(self, new: Sheet) -> "Figures":
        """Put in a sheet, in place of the last of the same name; the others keep their order."""
        if all(one.name != new.name for one in self.sheets):
            return replace(self, sheets=(*self.sheets, new))
        return replace(self, sheets=tuple(new if one.name == new.name else one for one in self.sheets))

    def of(self, contender: Contender, size: int) -> TrialFigures | None:
        """Return the figures of a contender with so many schedules."""
        return next((one for one in self.trials if (one.trial.contender, one.trial.size) == (contender, size)), None)


_FILE = TypeAdapter(Figures)


def load(path: Path, machine: Machine) -> Figures:
    """Return the figures in the file; none where there is no file or it is of another machine.

    Raises ValueError, naming the file, where it is not one of ours.
    """
    if not path.exists():
        return Figures(machine)
    try:
        found = _FILE.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: not a file of figures; remove it to begin anew: {error}") from error
    return found if found.machine == machine else Figures(machine)


def save(path: Path, figures: Figures) -> None:
    """Write the file."""
    path.write_bytes(_FILE.dump_json(figures, indent=1) + b"\n")


def _key(figures: TrialFigures) -> tuple[Contender, int]:
    return figures.trial.contender, figures.trial.size
