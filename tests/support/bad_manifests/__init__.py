"""Malformed ScheduledJobs, each with what becomes of it.

`refused`: the API server does not take it, by kubectl or by any other client, and its message names `field`.
`condition`: the API server takes it, for it cannot know better; the controller says Ready=False and Stalled=True, with
an Event, and the message names `field`.
"""

from __future__ import annotations

from tests.support.bad_manifests.base import BadManifest, Outcome, valid_manifest
from tests.support.bad_manifests.schedules import SCHEDULES
from tests.support.bad_manifests.specs import SPECS
from tests.support.bad_manifests.templates import TEMPLATES

CASES: list[BadManifest] = [*SCHEDULES, *SPECS, *TEMPLATES]

__all__ = ["CASES", "BadManifest", "Outcome", "valid_manifest"]
