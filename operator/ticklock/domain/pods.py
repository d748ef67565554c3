"""Why a Job has one pod more than it asks for.

Kubernetes starts a pod again where one has failed, as often as `backoffLimit` says: that is the user's choice. It may
also start one for no such reason, since it does not fence its controllers: two of them that both believe to lead make
two pods; a pod that is deleted while it runs is replaced; so is one that a suspension took away. Then a program runs
twice that did not fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from ticklock.domain.model import PodUid


class Cause(StrEnum):
    """Why there is one pod more."""

    RETRY = "retry"
    """A pod had failed. The user's choice; counted, no alarm."""
    DELETED = "deleted"
    """A pod was taken away before it had ended: by a person, a drain, a suspension."""
    UNFOUNDED = "unfounded"
    """None had failed and none was taken away."""
    HELD = "held"
    """One more of a StrictPod run: its scheduling gate stayed on, and it was removed without having started."""

    @property
    def alarming(self) -> bool:
        """Whether a program may have run twice that had not failed."""
        return self in {Cause.DELETED, Cause.UNFOUNDED}


class Fate(Enum):
    """What became of a pod, as far as its followers are concerned."""

    STANDING = 1
    """It runs, waits, or has succeeded: nothing should follow it."""
    FAILED = 2
    TAKEN_AWAY = 3


@dataclass(frozen=True, slots=True)
class PodStory:
    """One pod of a Job."""

    uid: PodUid
    fate: Fate
    created_at: datetime
    ended_at: datetime | None = None


def causes(stories: Iterable[PodStory], *, wanted: int) -> dict[PodUid, Cause]:
    """Return the pods that are more than `wanted`, each with its cause.

    A pod that failed only after its follower was made had not failed when that was decided: times are whole seconds,
    and Kubernetes waits ten of them before it tries a failed pod again.
    """
    found: dict[PodUid, Cause] = {}
    earlier: list[PodStory] = []
    # Of two made in the same second, the one that is no more was there before the other.
    for story in sorted(stories, key=lambda one: (one.created_at, one.fate is Fate.STANDING, one.uid)):
        cause = _cause([_fate_at(one, story.created_at) for one in earlier], wanted)
        if cause is not None:
            found[story.uid] = cause
        earlier.append(story)
    return found


def _fate_at(story: PodStory, moment: datetime) -> Fate:
    if story.fate is Fate.FAILED and story.ended_at is not None and story.ended_at >= moment:
        return Fate.STANDING
    return story.fate


def _cause(earlier: Sequence[Fate], wanted: int) -> Cause | None:
    if len(earlier) < wanted:
        return None
    standing, failed = earlier.count(Fate.STANDING), earlier.count(Fate.FAILED)
    if standing >= wanted:
        return Cause.UNFOUNDED
    return Cause.RETRY if len(earlier) - failed < wanted else Cause.DELETED
