"""Failpoints: named places in the protocol at which a test can have this process killed, stopped, or held up.

Promise: without `TICKLOCK_FAILPOINTS` in the environment nothing ever happens here. With it, each rule strikes once, at
the reach it names, and says so in the log before it does.
Not promised: that nothing else happens between the place and what its name speaks of; each name says where it stands.

    TICKLOCK_FAILPOINTS="after-bind=kill@2;before-launch=stop;after-create=sleep:12"

A value that begins with `@` names a file that holds the rules. It is read anew whenever it has changed, so that a
running replica can be given new ones.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_log = logging.getLogger(__name__)

VARIABLE = "TICKLOCK_FAILPOINTS"

CATALOGUE: Mapping[str, str] = {
    # -- plan
    "before-plan-commit": "ticks have become rows and the cursor has moved, but nothing is committed",
    "after-plan": "the plan is committed",
    # -- claim
    "before-claim-commit": "attempts are claimed for staging, but nothing is committed",
    "after-claim": "the claim is committed; the answer of the pre-check is known",
    # -- create
    "before-create": "the POST of the suspended Job is about to be sent",
    "after-create": "the POST is answered; which Job stands for the attempt is not stored",
    "before-staged-commit": "staged_uid is written, but not committed",
    "after-staged": "staged_uid is committed",
    # -- bind
    "before-bind": "what is to be bound is chosen and locked; nothing is written",
    "before-bind-commit": "attempts are bound, locks are taken, but nothing is committed",
    "after-bind": "the bind is committed; nobody has begun to launch",
    # -- launch
    "before-launch": "the PATCH that lets the bound Job go is about to be sent",
    "after-launch": "that PATCH is answered; nothing is noted, not even in memory",
    "before-rescue-commit": "stranded attempts are claimed, but nothing is committed",
    "after-rescue": "the claim on stranded attempts is committed",
    # -- mark
    "before-mark-commit": "attempts are marked as launched, but nothing is committed",
    "after-mark": "the marks are committed; they still stand in memory",
    # -- record
    "before-record": "the observer has seen ends of Jobs and is about to write them",
    "before-record-commit": "ends are recorded, locks given back, but nothing is committed",
    "after-record": "the record is committed; it still stands in memory",
    # -- witness
    "before-witness": "the PATCH of an object's status is about to be sent",
    "after-witness": "that PATCH is answered; that the object bears witness is not noted",
    "after-witness-noted": "that the objects bear witness is committed",
    # -- release
    "before-release": "our finalizer is about to be taken off a recorded Job",
    "after-release": "the finalizer is off; that is not noted",
    "after-release-noted": "that the finalizers are off is committed",
    # -- un-stage
    "before-unstage": "a suspended Job that must never start was read; its conditional DELETE is about to be sent",
    "between-unstage": "that DELETE is answered; what stands after it is not read",
    "before-unstage-release": "it is known to have never started; our finalizer is about to come off",
    # -- verdicts
    "before-verdict-commit": "verdicts on planned attempts are written, but nothing is committed",
    "after-verdict": "the verdicts are committed; the Jobs they leave over still stand",
    # -- edits
    "before-edit-commit": "specs, deletions and triggers are stored, but nothing is committed",
    "after-edit": "they are committed; the Jobs they leave over still stand",
    # -- leading
    "after-term": "a term has begun; none of the leader's duties has",
    # -- quarantine
    "quarantine-listed": "Jobs and objects are listed; the ledger is not compared with them",
    "before-quarantine-commit": "the rules were applied to the rows, but nothing is committed",
    "between-quarantine-rounds": "a round is committed and names Jobs to be taken away; the gate is closed",
}
"""Every failpoint, and what is true when it is reached."""


class Action(StrEnum):
    """What a rule does."""

    KILL = "kill"
    """SIGKILL to this process."""
    STOP = "stop"
    """SIGSTOP to this process; somebody else lets it go on."""
    SLEEP = "sleep"
    """Hold up this one task for the given seconds, while all others go on."""
    RAISE = "raise"
    """Fail in a way nobody foresaw."""


class FailpointError(Exception):
    """What `raise` raises."""


class BadRules(ValueError):
    """A text that says no rules; the message tells why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done at the n-th reach of a failpoint."""

    name: str
    action: Action
    seconds: float = 0.0
    reach: int = 1


_RULE = re.compile(r"(?P<name>[a-z-]+)=(?P<action>[a-z]+)(:(?P<seconds>\d+(\.\d+)?))?(@(?P<reach>[1-9]\d*))?")


def parse(text: str) -> tuple[Rule, ...]:
    """Read rules: `name=action[:seconds][@reach]`, joined by `;`. Raises BadRules."""
    return tuple(_rule(part.strip()) for part in text.split(";") if part.strip())


def _rule(text: str) -> Rule:
    found = _RULE.fullmatch(text)
    if found is None:
        raise BadRules(f"{text!r} is not of the form name=action[:seconds][@reach]")
    if found["name"] not in CATALOGUE:
        raise BadRules(f"there is no failpoint {found['name']!r}; there are {', '.join(CATALOGUE)}")
    if found["action"] not in set(Action):
        raise BadRules(f"there is no action {found['action']!r}; there are {', '.join(Action)}")
    action = Action(found["action"])
    if (action is Action.SLEEP) != (found["seconds"] is not None):
        raise BadRules(f"{text!r}: sleep needs seconds, as in sleep:12; nothing else has any")
    return Rule(found["name"], action, float(found["seconds"] or 0), int(found["reach"] or 1))


@dataclass(slots=True)
class _Armed:
    """The rules of this process, and how often each failpoint was reached since they were given."""

    rules: list[Rule] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    file: Path | None = None
    version: tuple[int, int, int] | None = None

    def due(self, name: str) -> list[Rule]:
        """Count a reach; take out and return the rules that it sets off."""
        self._reread()
        self.reached[name] += 1
        due = [rule for rule in self.rules if rule.name == name and rule.reach == self.reached[name]]
        self.rules = [rule for rule in self.rules if rule not in due]
        return due

    def _reread(self) -> None:
        if self.file is None:
            return
        try:
            found = self.file.stat()
        except FileNotFoundError:
            version, text = None, ""
        else:
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
            text = self.file.read_text() if version != self.version else ""
        if version != self.version:
            self.version, self.rules = version, list(parse(text))
            self.reached.clear()


_armed: _Armed | None = None


def arm(environ: Mapping[str, str]) -> None:
    """Take the rules from the environment, once, at start; none where the variable is not set. Raises BadRules."""
    global _armed  # noqa: PLW0603 - one process, one set of rules; passing it through every layer would cost more
    text = environ.get(VARIABLE, "")
    armed = _Armed(file=Path(text[1:])) if text.startswith("@") else _Armed(list(parse(text)))
    armed._reread()  # noqa: SLF001 - so that a wrong file is told at start
    _armed = armed if text else None


async def failpoint(name: str) -> None:
    """Pass one. Does nothing unless this process is armed."""
    if _armed is not None:
        await _strike(_armed.due(name))


async def _strike(rules: list[Rule]) -> None:
    for rule in rules:
        _log.warning("failpoint strikes", extra={"failpoint": rule.name, "action": rule.action.value})
        match rule.action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.SLEEP:
                await asyncio.sleep(rule.seconds)
            case Action.RAISE:
                raise FailpointError(f"the failpoint {rule.name} was told to raise")
