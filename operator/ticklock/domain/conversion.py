"""A CronJob's manifest becomes that of a ScheduledJob, with a report of what will differ.

Promise: the template is carried over as it is, and so is every field of the spec; what a CronJob does and a
ScheduledJob would do otherwise is named. Not promised: that the API server takes what a CronJob's took; the report ends
where the controller's own check of the result does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ticklock.domain.forecast import clock_changes
from ticklock.domain.instants import format_instant
from ticklock.domain.model import Declared
from ticklock.domain.names import API_VERSION, KIND
from ticklock.domain.parse import declared
from ticklock.domain.timetable import Timetable
from ticklock.domain.timing import declared_timetable

CRONJOB = ("batch/v1", "CronJob")
_OLDER = ("batch/v1beta1", "CronJob")
_KEPT_METADATA = ("name", "generateName", "namespace", "labels", "annotations")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PREFIXES = ("CRON_TZ=", "TZ=")
_AHEAD = timedelta(days=366)
_NIGHT = timedelta(hours=4)
CRONJOBS_NIGHTS = {"nonexistent": "Skip", "ambiguous": "Both"}
"""What `dst` must say to do as a CronJob does."""


class Weight(StrEnum):
    """How much a note matters."""

    FAILS = "fails"
    """The result cannot be followed: something must be done by hand."""
    CHANGED = "changed"
    """The manifest says something else than the CronJob did, so that it means the same."""
    DIFFERS = "differs"
    """The same words mean something else here."""


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence of the report."""

    weight: Weight
    text: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person who converts may ask for."""

    cronjob_nights: bool = False
    """Keep what a CronJob does on the nights of a clock change."""
    start_at: datetime | None = None
    """No tick before this moment: until then the CronJob goes on."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one CronJob."""

    manifest: Mapping[str, Any]
    notes: tuple[Note, ...]

    @property
    def fails(self) -> bool:
        """Whether the result cannot be followed."""
        return any(note.weight is Weight.FAILS for note in self.notes)


def is_cronjob(body: Mapping[str, Any]) -> bool:
    """Whether a manifest is that of a CronJob."""
    return (body.get("apiVersion"), body.get("kind")) in {CRONJOB, _OLDER}


def convert(body: Mapping[str, Any], *, now: datetime, wishes: Wishes | None = None) -> Conversion:
    """Convert a CronJob; `now` is from when on clock changes are looked for."""
    wishes = wishes or Wishes()
    metadata, spec = _object(body.get("metadata")), dict(_object(body.get("spec")))
    notes = [*_of_metadata(metadata), *_take_zone(spec)]
    if wishes.cronjob_nights:
        spec["dst"] = dict(CRONJOBS_NIGHTS)
    if wishes.start_at is not None:
        spec["startAt"] = format_instant(wishes.start_at)
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": _kept(metadata), "spec": _ordered(spec)}
    notes += [*_of_spec(spec), *_of_result(manifest, now)]
    return Conversion(manifest, tuple(sorted(notes, key=lambda note: list(Weight).index(note.weight))))


def _kept(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: metadata[key] for key in _KEPT_METADATA if metadata.get(key)}
    annotations = {key: value for key, value in _object(kept.get("annotations")).items() if key != _APPLIED}
    kept.pop("annotations", None)
    return kept | ({"annotations": annotations} if annotations else {})


def _ordered(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Put the template last, where people look for it."""
    return {key: value for key, value in spec.items() if key != "jobTemplate"} | {
        "jobTemplate": spec.get("jobTemplate")
    }


def _of_metadata(metadata: Mapping[str, Any]) -> Iterator[Note]:
    if metadata.get("ownerReferences"):
        yield Note(
            Weight.CHANGED,
            "metadata.ownerReferences are left out: whoever made the CronJob does not know its successor",
        )
    if metadata.get("finalizers"):
        yield Note(Weight.CHANGED, "metadata.finalizers are left out: they wait for a controller of CronJobs")
    labels, annotations = _object(metadata.get("labels")), _object(metadata.get("annotations"))
    if labels.get("app.kubernetes.io/managed-by") == "Helm" or "meta.helm.sh/release-name" in annotations:
        yield Note(Weight.DIFFERS, "Helm owns the CronJob: change it in the chart, or the next release brings it back")


def _take_zone(spec: dict[str, Any]) -> Iterator[Note]:
    """Move a zone out of the expression, where old CronJobs have it."""
    expression = spec.get("schedule")
    if not isinstance(expression, str):
        return
    prefix = next((one for one in _PREFIXES if expression.startswith(one)), None)
    if prefix is not None:
        zone, _, rest = expression.removeprefix(prefix).partition(" ")
        spec["schedule"] = rest.strip()
        spec.setdefault("timeZone", zone)
        yield Note(Weight.CHANGED, f"{prefix}{zone} is moved from schedule to timeZone")
    elif not spec.get("timeZone") and not expression.startswith("@every"):
        yield Note(
            Weight.DIFFERS,
            "timeZone is unset: the CronJob follows the zone of its controller manager, a ScheduledJob UTC; where that "
            "is another one, set timeZone",
        )
    if expression.startswith("@every"):
        yield Note(
            Weight.DIFFERS,
            "@every is counted from the creation of the new object, or from startAt; it sets a new phase",
        )


def _of_spec(spec: Mapping[str, Any]) -> Iterator[Note]:
    job = _object(_object(spec.get("jobTemplate")).get("spec"))
    if spec.get("concurrencyPolicy") == "Replace":
        yield Note(Weight.DIFFERS, "Replace waits until no pod of the old run lives; a CronJob does not")
    if spec.get("concurrencyPolicy") == "Forbid":
        yield Note(Weight.DIFFERS, "Forbid counts runs that were triggered by hand too, and records what it skips")
    if not job.get("podReplacementPolicy"):
        yield Note(
            Weight.DIFFERS, "podReplacementPolicy is unset: a pod is replaced when it has ended, not while it ends"
        )
    if job.get("backoffLimit") is None:
        yield Note(
            Weight.DIFFERS,
            "backoffLimit is unset, 6 as before: a failed pod is started again within the one Job; 0 if the work must "
            "not be repeated",
        )
    if spec.get("suspend") is True:
        yield Note(Weight.DIFFERS, "suspend is true, and kept: set it to false when the CronJob has been handed over")


def _of_result(manifest: Mapping[str, Any], now: datetime) -> Iterator[Note]:
    """Ask the controller's own parser, and both timetables for the nights of clock changes."""
    spec = _object(manifest["spec"])
    item = _as_created(manifest, spec, now)
    if item is None or item.rule is None:
        yield Note(Weight.FAILS, item.problem.message if item and item.problem else "it has no name")
        return
    always = {key: value for key, value in spec.items() if key != "startAt"}
    ours = _timetable(manifest, always, now)
    theirs = _timetable(manifest, {**always, "dst": CRONJOBS_NIGHTS}, now)
    if ours is None or theirs is None:
        return
    nights = {
        change.at: change.note for one in (theirs, ours) for change in clock_changes(one, after=now, until=now + _AHEAD)
    }
    for at, note in sorted(nights.items()):
        begin, end = at - _NIGHT, at + _NIGHT
        if list(ours.ticks(after=begin, until=end)) != list(theirs.ticks(after=begin, until=end)):
            yield Note(
                Weight.DIFFERS,
                f"on the night of a clock change a fixed local time runs once ({at:%Y-%m-%d}: {note}); a CronJob runs "
                "it not at all, or twice: dst {nonexistent: Skip, ambiguous: Both} does the same",
            )
            return


def _timetable(manifest: Mapping[str, Any], spec: Mapping[str, Any], now: datetime) -> Timetable | None:
    item = _as_created(manifest, spec, now)
    return None if item is None or item.rule is None else declared_timetable(item, item.rule)


def _as_created(manifest: Mapping[str, Any], spec: Mapping[str, Any], now: datetime) -> Declared | None:
    """Read the result as if it were created now, under a name of its own where the API server will give it one."""
    known = {"namespace": "default", "uid": "none-yet", "creationTimestamp": format_instant(now)}
    metadata = _object(manifest["metadata"])
    generated = {"name": metadata["generateName"]} if isinstance(metadata.get("generateName"), str) else {}
    named = {key: metadata[key] for key in ("namespace", "name") if metadata.get(key)}
    return declared({"metadata": {**known, **generated, **named}, "spec": spec})


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
