"""The machine and the versions that figures were measured on: what matters to them, and nothing that names a place."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tools.devcluster.parts import ETCD, KUBERNETES, KWOK
from tools.devcluster.pgbinaries import DEFAULT_MAJOR

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and with what it was measured. A figure of another machine cannot be set beside these."""

    processors: int
    model: str
    memory_gib: int
    versions: dict[str, str]


def this_machine() -> Machine:
    """Describe the machine that this runs on."""
    return Machine(
        processors=len(os.sched_getaffinity(0)),
        model=_model(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB),
        versions={
            "Ticklock": version("ticklock"),
            "Kubernetes": KUBERNETES,
            "etcd": ETCD,
            "kwok": KWOK,
            "PostgreSQL": str(DEFAULT_MAJOR),
            "Python": platform.python_version(),
        },
    )


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
