"""The life of a duty: what it does about its failures."""

import pytest

from ticklock.domain.errors import Superseded, Transient, Unready
from ticklock.engine.loops import Loop, Stop


class Meter:
    """Counts the failures."""

    def __init__(self) -> None:
        self.errors: dict[str, float] = {}

    def count(self, name: str, value: float = 1, /, **labels: str) -> None:
        self.errors[labels["duty"]] = self.errors.get(labels["duty"], 0) + value

    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...

    def observe(self, name: str, value: float, /, **labels: str) -> None: ...

    def touch(self, name: str, /, **labels: str) -> None: ...

    def forget(self, namespace: str, name: str) -> None: ...

    def retire(self) -> None: ...


def loop_of(*outcomes: float | Exception) -> tuple[Loop, Meter, Stop]:
    """Return a loop whose step has these outcomes, and then asks to stop."""
    left, stop, meter = list(outcomes), Stop(), Meter()

    async def step() -> float:
        outcome = left.pop(0)
        if not left:
            stop.request()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Loop("duty", step, meter, stop), meter, stop


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Transient("the server is away", retry_after=0.001), id="a failure for a while"),
        pytest.param(Unready("quarantine"), id="a gate that is closed"),
    ],
)
async def test_a_duty_goes_on_after(error: Exception) -> None:
    loop, meter, _ = loop_of(error, 0.0)
    await loop.run()
    assert meter.errors == {"duty": 1}
    assert loop.failures == 0


async def test_a_duty_that_never_failed_is_counted_all_the_same() -> None:
    loop, meter, _ = loop_of(0.0)
    await loop.run()
    assert meter.errors == {"duty": 0}


async def test_a_duty_that_somebody_else_has_now_leaves_at_once() -> None:
    loop, _, _ = loop_of(Superseded("the term is over"), 0.0)
    with pytest.raises(Superseded):
        await loop.run()


async def test_a_duty_gives_up_after_ten_unforeseen_failures_in_a_row() -> None:
    loop, meter, _ = loop_of(*[ValueError("a bug")] * 11)
    for _ in range(9):
        assert await loop.once() > 0
    with pytest.raises(ValueError, match="a bug"):
        await loop.once()
    assert meter.errors == {"duty": 10}


async def test_the_pause_grows_with_the_failures_and_has_a_limit() -> None:
    loop, _, _ = loop_of(*[Transient("away")] * 20)
    pauses = [await loop.once() for _ in range(20)]
    assert pauses[0] <= 0.2
    assert 1.0 <= pauses[-1] <= 2.0


async def test_the_other_side_may_ask_for_a_longer_pause() -> None:
    loop, _, _ = loop_of(Transient("too many requests", retry_after=7.0), 0.0)
    assert await loop.once() == 7.0
