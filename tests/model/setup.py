"""What one search is about: how much there is of everything, which features and which faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.guards import Guards
from tests.model.state import ABSENT, NO_JOB, Cluster, Ledger, Left, Row, State, Truth

_MOST_UIDS = 12


@dataclass(frozen=True, eq=False)
class Setup:
    """A row of the table of configurations."""

    name: str
    features: str = ""
    """In words, for the table."""
    left: Left = field(default_factory=Left)
    """Which faults and acts of people may happen, and how often."""
    ticks: int = 1
    attempts: int = 1
    """Per run: more than one with `retry`."""
    policy: str = "Allow"
    hands: int = 2
    """How many things replicas may be in the middle of at the same time."""
    stages: int = 5
    """No Job is created for a higher stage: where Jobs are deleted without end, they are made again without end."""
    deadline: bool = False
    """The schedule has startingDeadlineSeconds: verdicts may fall before and after the bind."""
    pods: bool = False
    """Live pods are followed: they may outlive their Job."""
    slow_start: bool = False
    """`status.startTime` becomes visible some time after the start, not with it."""
    pruning: bool = False
    kubernetes_too: bool = False
    """Demand also what we do not promise: that Kubernetes itself starts nothing twice after a restore of etcd."""
    only: str = ""
    """The one invariant to look at; all, unless one is named."""
    trigger: bool = False
    """The run is asked for by a person: it has no tick. Witness of it is its number, and `status.lastTrigger`."""
    designed: str = ""
    """What of it is laid down in the protocol, but not in the code yet."""
    guards: Guards = field(default_factory=Guards)
    attempt_names: tuple[str, ...] = field(init=False)
    job_names: tuple[tuple[str, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(self._name(a) for a in range(self.ticks * self.attempts))
        object.__setattr__(self, "attempt_names", tuple(name or "the attempt" for name in names))
        of = tuple(f" of {name}" if name else "" for name in names)
        object.__setattr__(self, "job_names", tuple(tuple(f"Job {u}{o}" for u in range(_MOST_UIDS)) for o in of))

    def _name(self, attempt: int) -> str:
        tick, n = divmod(attempt, self.attempts)
        words = [f"attempt {n + 1}"] if self.attempts > 1 else []
        return " of ".join([*words, f"tick {tick + 1}"] if self.ticks > 1 else words)

    @property
    def restored(self) -> bool:
        """Whether etcd may be restored: then its statuses bear no witness, and what was gone may be back."""
        return self.left.restore > 0

    @property
    def decided(self) -> bool:
        """Whether to demand that no bound Job is taken away without a verdict.

        Not after a restore of etcd, nor after two losses, when stages begin anew: that run is Stopped, not double.
        """
        return not self.restored and self.left.loss < 2

    def tick(self, attempt: int) -> int:
        """Return the tick that an attempt belongs to."""
        return attempt // self.attempts + 1

    def witnessed_by(self, attempt: int) -> int:
        """Return the tick of `lastScheduleTime` that bears witness of an attempt; 0 where none can."""
        return 0 if self.trigger else self.tick(attempt)

    def covered(self, attempt: int, witness: int) -> bool:
        """Tell whether an attempt lies at or below the witness."""
        return 0 < self.witnessed_by(attempt) <= witness

    def start(self) -> State:
        """Return the state in which nothing has happened yet."""
        count = self.ticks * self.attempts
        return State(
            Ledger((Row(ABSENT),) * count),
            Cluster((NO_JOB,) * count),
            Truth((0,) * count, ("",) * count),
            self.left,
        )
