"""`ticklock uninstall`: what is left of an installation, and letting it go. No database is asked: it may be gone."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ticklock.domain.errors import Refused, Transient
from ticklock.engine.held import standing
from ticklock.engine.uninstalling import Done, Left, Uninstaller
from ticklock.kube.client import K8sApi
from ticklock.kube.config import connect
from ticklock.kube.jobs import KubeJobs
from ticklock.kube.remains import KubeRemains
from ticklock.kube.view import mapping
from ticklock.ports import LeaseRecord
from ticklock.telemetry import configure_logging

DONE, FAILED, LEFT = 0, 1, 3
"""Exit codes; 2 is bad input."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    kubeconfig: str | None
    context: str | None
    lease_namespace: str
    lease_name: str
    namespace: str | None
    check: bool
    force: bool


def run_uninstall(wish: Wish) -> tuple[int, dict[str, Any] | None]:
    """Do it; return the exit code and what there is to tell. Complaints go to standard error, a line each."""
    configure_logging("console", "warning")
    try:
        return asyncio.run(_uninstall(wish))
    except (Transient, Refused) as error:
        _complain(str(error))
        return FAILED, None


async def _uninstall(wish: Wish) -> tuple[int, dict[str, Any]]:
    async with K8sApi(connect(wish.kubeconfig, wish.context), namespace=wish.namespace) as api:
        remains = KubeRemains(api, lease_namespace=wish.lease_namespace, lease_name=wish.lease_name)
        uninstaller = Uninstaller(KubeJobs(api), remains)
        left = await uninstaller.look()
        if wish.check:
            return DONE if left.clean else LEFT, _told(wish, left)
        if await uninstaller.renewing(left.lease):
            holder = left.lease.holder if left.lease else ""
            if not wish.force:
                _complain(f"{holder} leads; stop the replicas first, or say --force: what runs then is not recorded")
                return FAILED, _told(wish, left)
            _complain(f"{holder} leads all the same: what it makes from now on is left over")
        done = await uninstaller.remove()
        left = await uninstaller.look()
        for place, cause in done.failed.items():
            _complain(f"{place} stays: {cause}")
        if not left.clean and not done.failed:
            _complain("more has come meanwhile: replicas still run; stop them and do this again")
        return DONE if left.clean else FAILED, {**_told(wish, left), "done": _did(done)}


def _told(wish: Wish, left: Left) -> dict[str, Any]:
    """Return what is left, as JSON."""
    jobs: dict[str, Counter[str]] = {}
    for job in left.jobs:
        jobs.setdefault(job.namespace, Counter())[standing(job).value] += 1
    namespaces = [
        {"namespace": name, "jobs": dict(jobs.get(name, {})), "scheduledJobs": left.schedules.get(name, 0)}
        for name in sorted({*jobs, *left.schedules})
    ]
    return {"clean": left.clean, "namespaces": namespaces, "lease": _lease(wish, left.lease)}


def _lease(wish: Wish, lease: LeaseRecord | None) -> dict[str, Any] | None:
    if lease is None:
        return None
    spec = mapping(lease.raw.get("spec"))
    return {
        "namespace": wish.lease_namespace,
        "name": wish.lease_name,
        "holder": lease.holder or None,
        "renewTime": spec.get("renewTime"),
    }


def _did(done: Done) -> dict[str, Any]:
    return {"unstaged": len(done.unstaged), "released": len(done.released), "failed": done.failed}


def _complain(message: str) -> None:
    print(f"ticklock uninstall: {message}", file=sys.stderr)
