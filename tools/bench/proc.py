"""What processes use, from /proc."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.process import children_of

_PER_SECOND = os.sysconf("SC_CLK_TCK")
_IDLE_FIELDS = (3, 4)
"""idle and iowait in the first line of /proc/stat."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program; `family` says that its children count as well, those that have ended included."""

    pid: int
    family: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of processor time since each began, and the most memory each has had resident, in bytes."""

    cpu: Mapping[str, float]
    memory: Mapping[str, int]
    machine: float
    """Seconds of processor time of the whole machine, all processors together."""


def usage(programs: Mapping[str, Program]) -> Usage:
    """Read all of them. One that has gone counts as 0, which shows as a negative difference."""
    return Usage(
        cpu={name: _cpu(program) for name, program in programs.items()},
        memory={name: peak_memory(program.pid) for name, program in programs.items() if not program.family},
        machine=_machine(),
    )


def peak_memory(pid: int) -> int:
    """Return the largest resident set that a process has had, in bytes; 0 where it has gone."""
    lines = _read(f"/proc/{pid}/status").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _cpu(program: Program) -> float:
    own = _ticks(program.pid, waited=program.family)
    return (own + sum(_ticks(child) for child in children_of(program.pid) if program.family)) / _PER_SECOND


def _ticks(pid: int, *, waited: bool = False) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(") ")[2].split()
    return sum(int(field) for field in fields[11 : 15 if waited else 13])


def _machine() -> float:
    fields = _read("/proc/stat").split("\n", 1)[0].split()[1:]
    return sum(int(field) for number, field in enumerate(fields[:8]) if number not in _IDLE_FIELDS) / _PER_SECOND


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
