"""Processes that run seeds: each seed is one process's work, so their number changes nothing but the time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Self

from tests.simulation.run import Outcome, quiet, run_seed, run_world
from tests.simulation.sabotage import NOTHING, SABOTAGES
from tests.simulation.stories import STORIES

_CHUNK = 10


class Crew:
    """Use it in a `with`."""

    def __init__(self, jobs: int = 2) -> None:
        # Spawned, not forked: a fork would take over the threads' locks of whoever runs the tests.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=quiet)
        self._jobs = jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def outcomes(self, seeds: Iterable[int], sabotage: str | None = None, *, chunk: int = _CHUNK) -> Iterator[Outcome]:
        """Run seeds; what they showed comes in their order."""
        numbers = list(seeds)
        chunks = [numbers[at : at + chunk] for at in range(0, len(numbers), chunk)]
        for done in self._pool.map(_run, chunks, [sabotage] * len(chunks)):
            yield from done

    def first_failure(self, seeds: Sequence[int], sabotage: str) -> Outcome | None:
        """Run seeds, a few at a time, until one fails."""
        few = 2 * self._jobs
        for at in range(0, len(seeds), few):
            for outcome in self.outcomes(seeds[at : at + few], sabotage, chunk=2):
                if outcome.failures:
                    return outcome
        return None

    def story(self, name: str, seeds: Sequence[int], *, guarded: bool) -> list[Outcome]:
        """Tell a story with each of these seeds."""
        return self._pool.submit(_tell, name, seeds, guarded=guarded).result()

    def with_guards(self, seed: int, sabotage: str) -> Outcome:
        """Run a seed in the circumstances of a sabotage, with every guard in its place."""
        return self._pool.submit(_run_guarded, seed, sabotage).result()


def _run(seeds: Sequence[int], sabotage: str | None) -> list[Outcome]:
    return [run_seed(seed, sabotage=SABOTAGES[sabotage] if sabotage else NOTHING) for seed in seeds]


def _tell(name: str, seeds: Sequence[int], *, guarded: bool) -> list[Outcome]:
    return [run_world(STORIES[name].world(seed, guarded=guarded)) for seed in seeds]


def _run_guarded(seed: int, sabotage: str) -> Outcome:
    return run_seed(seed, sabotage=SABOTAGES[sabotage].without)
