"""What is wrong with a timetable, told so that a person can mend it."""

from __future__ import annotations


class TimetableError(ValueError):
    """An expression or a time zone that cannot be used. The message is one line: the problem, then the mend."""

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem = problem
        """Which part is wrong, beginning with the name of the field where there is one: `hour: 25 is out of range`."""
        self.mend = mend
        """What to write instead: `hours go from 0 to 23`."""

    def __str__(self) -> str:
        return f"{self.problem}; {self.mend}"


class UnknownTimeZone(TimetableError):
    """The name is no time zone of the IANA database, or one whose meaning depends on the machine."""
