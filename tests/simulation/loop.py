"""A deterministic event loop: virtual time, a seeded choice among what is ready, processes that stop or die.

Promise: the same seed and the same program give the same order of callbacks, whatever the machine does; nothing waits
for a file, a thread or a wall clock. Where all tasks wait, it is later at once. asyncio promises callbacks in the order
in which they were asked for; here any of the ready ones may come first, as if each had run on a machine of its own.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
_MOST_STEPS = 3_000_000


class Process:
    """What stops or dies as a whole: one replica. Its tasks, and theirs, carry it in their context."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.stopped = False
        self.held: list[Callback] = []
        """What became ready while it was stopped."""
        self.root: asyncio.Task[Any] | None = None

    def check(self) -> None:
        """Refuse whatever a dead process still tries on its way out: no effect of it may reach anybody."""
        if self.dead:
            raise asyncio.CancelledError(f"{self.name} is dead")


class Callback:
    """A handle, and a timer too."""

    __slots__ = ("args", "callback", "context", "process", "when")

    def __init__(
        self, callback: Callable[..., object] | None, args: tuple[Any, ...], context: Context | None, process: Any
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.process: Process | None = process
        self.when = 0.0

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None


class SimTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address: task groups cancel their tasks in a set's order."""

    def __init__(self, number: int, coro: Any, *, loop: Any, name: str | None, context: Context | None) -> None:
        self._number = number
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self._number


class SimLoop(asyncio.AbstractEventLoop):
    """Runs coroutines that know asyncio, and asyncio only."""

    def __init__(self, chance: random.Random, *, disorder: float = 1.0) -> None:
        self._chance = chance.random
        self._disorder = disorder
        self._ready: list[Callback] = []
        self._timers: list[tuple[float, int, Callback]] = []
        self._count = 0
        self._tasks = 0
        self._now = 1_000.0
        self.current: Process | None = None
        self.steps = 0
        self.errors: list[str] = []
        self.before_step: Callable[[], None] | None = None

    # ------------------------------------------------------------------------------------------ what asyncio asks of it

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        process = self.current if context is None else context.get(_PROCESS)
        handle = Callback(callback, args, context, process)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        process = self.current if context is None else context.get(_PROCESS)
        return self._timer(when, Callback(callback, args, context, process))

    def _timer(self, when: float, handle: Callback) -> Callback:
        handle.when = when
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: Any = None, context: Context | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        self._tasks += 1
        return SimTask(self._tasks, coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        process = self.current
        if process is None or not process.dead:
            self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    # -------------------------------------------------------------------------------------------------------- the world

    def after(self, delay: float, callback: Callable[..., object], *args: Any) -> Callback:
        """Let something happen in the world, which neither stops nor dies."""
        return self._timer(self._now + delay, Callback(callback, args, None, None))

    def spawn(self, process: Process, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a process."""
        context = copy_context()
        context.run(_PROCESS.set, process)
        root: asyncio.Task[Any] = self.create_task(main, name=process.name, context=context)
        process.root = root
        return root

    def kill(self, process: Process) -> None:
        """End a process at once: from now on nothing of it has an effect; its tasks are only cleared away."""
        process.dead = True
        self.resume(process)
        if process.root is not None:
            process.root.cancel()

    def halt(self, process: Process) -> None:
        """Stop a process where it is; what becomes ready of it is held until `resume`."""
        process.stopped = True

    def resume(self, process: Process) -> None:
        process.stopped = False
        self._ready += process.held
        process.held = []

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run until `main` has returned."""
        events._set_running_loop(self)
        try:
            task: asyncio.Task[T] = self.create_task(main, name="main")
            self._until(task)
            return task.result()
        finally:
            events._set_running_loop(None)

    def drain(self) -> None:
        """Give cancelled tasks the steps that they need to be gone."""
        events._set_running_loop(self)
        try:
            for _ in range(200_000):
                if not self._ready:
                    return
                handle = self._ready.pop()
                if handle.callback is not None:
                    self._call(handle)
        finally:
            events._set_running_loop(None)

    # ----------------------------------------------------------------------------------------------------- one callback

    def _until(self, task: asyncio.Task[Any]) -> None:
        """Make steps until a task is done. Written for speed: a seed takes ten thousand of them."""
        ready, timers, chance, disorder = self._ready, self._timers, self._chance, self._disorder
        pop, done, call = heapq.heappop, task.done, self._call
        while not done():
            if not ready:
                if not timers:
                    raise AssertionError("every task waits for something that will never happen")
                self._now = max(self._now, timers[0][0])
            while timers and timers[0][0] <= self._now:
                ready.append(pop(timers)[2])
            self.steps += 1
            if self.steps > _MOST_STEPS:
                raise AssertionError(f"no end after {_MOST_STEPS} steps, {self._now:.3f} s")
            if len(ready) == 1:
                handle = ready.pop()
            elif chance() >= disorder:
                handle = ready.pop(0)
            else:
                at = int(chance() * len(ready))
                handle, ready[at] = ready[at], ready[-1]
                ready.pop()
            if handle.callback is not None:
                call(handle)

    def _call(self, handle: Callback) -> None:
        process, context = handle.process, handle.context
        if process is not None and process.stopped:
            process.held.append(handle)
            return
        self.current = process
        if context is None:
            handle.callback(*handle.args)  # type: ignore[misc]  # looked at by the caller
        else:
            context.run(handle.callback, *handle.args)  # type: ignore[arg-type]  # the same
        self.current = None


def sim_loop(chance: random.Random, *, disorder: float = 1.0) -> SimLoop:
    """Return a new loop. It has what coroutines need of a loop; of files, threads and servers it knows nothing."""
    return SimLoop(chance, disorder=disorder)  # type: ignore[abstract]
