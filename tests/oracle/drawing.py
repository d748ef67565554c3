"""Random expressions as values, of which the text is one rendering: whoever judges them needs no parser."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

NAMES = {
    "month": ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
BOUNDS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
_RESTRICTED = {"second": 0.2, "minute": 0.9, "hour": 0.8, "day": 0.5, "month": 0.3, "weekday": 0.5}
"""How often a field is not a bare star; a second that is not drawn is not written."""
_STEPS = [2, 3, 5, 7, 11, 13, 20]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One field: its text, its values, and what else counts."""

    text: str
    values: frozenset[int]
    bare_star: bool = False
    star: bool = False
    last: bool = False
    nth: frozenset[tuple[int, int]] = frozenset()


Fields = tuple[Drawn, Drawn, Drawn, Drawn, Drawn, Drawn]
"""Second, minute, hour, day of month, month, day of week."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression with what else a spec may say about it, in the words of the spec."""

    fields: tuple[Drawn, ...]
    exclude: tuple[Drawn, ...] | None = None
    """Whole minutes."""
    nonexistent: str = "Shift"
    ambiguous: str = "First"

    def __str__(self) -> str:
        exclude = f" but {text_of(self.exclude)}" if self.exclude else ""
        return f"{text_of(self.fields)}{exclude} ({self.nonexistent}, {self.ambiguous})"


TOP_OF_THE_MINUTE = Drawn("", frozenset({0}))


def text_of(fields: tuple[Drawn, ...]) -> str:
    """Write an expression: five fields, or six where the second was drawn."""
    return " ".join(field.text for field in fields if field.text)


def draw(chance: Random, *, plain: bool = False) -> tuple[Drawn, ...]:
    """Draw the six fields of an expression; a plain one is written as CronJob's parser takes it."""
    fields = [_field(chance, name, plain=plain) for name in BOUNDS]
    if plain or not fields[0].text.strip("*"):
        fields[0] = TOP_OF_THE_MINUTE
    return tuple(fields)


def draw_asked(chance: Random) -> Asked:
    """Draw an expression with the rest; half of them have none."""
    fields = draw(chance)
    if chance.random() < 0.5:
        return Asked(fields)
    exclude = (TOP_OF_THE_MINUTE, *draw(chance)[1:]) if chance.random() < 0.5 else None
    return Asked(fields, exclude, chance.choice(["Shift", "Skip"]), chance.choice(["First", "Last", "Both"]))


def _field(chance: Random, name: str, *, plain: bool) -> Drawn:
    least, most = BOUNDS[name]
    if chance.random() > _RESTRICTED[name]:
        return Drawn(chance.choice("*?"), frozenset(range(least, most + 1)), bare_star=True, star=True)
    items = [_item(chance, name, plain=plain) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    return Drawn(
        ",".join(item.text for item in items),
        frozenset().union(*(item.values for item in items)),
        bare_star=any(item.bare_star for item in items),
        star=any(item.star for item in items),
        last=any(item.last for item in items),
        nth=frozenset().union(*(item.nth for item in items)),
    )


def _item(chance: Random, name: str, *, plain: bool) -> Drawn:
    if not plain and name in {"day", "weekday"} and chance.random() < 0.3:
        return _special(chance, name)
    least, most = BOUNDS[name]
    low = chance.randint(least, most)
    high, step = chance.randint(low, most), chance.choice(_STEPS)
    begin, end = (_written(name, value, chance) for value in (low, high))
    match chance.choice(["single", "single", "single", "range", "stepped", "from on", "star"]):
        case "single":
            return Drawn(begin, frozenset({low}))
        case "range":
            return Drawn(f"{begin}-{end}", frozenset(range(low, high + 1)))
        case "stepped":
            return Drawn(f"{begin}-{end}/{step}", frozenset(range(low, high + 1, step)))
        case "from on":
            return Drawn(f"{begin}/{step}", frozenset(range(low, most + 1, step)))
        case _:
            return Drawn(f"*/{step}", frozenset(range(least, most + 1, step)), star=True)


def _special(chance: Random, name: str) -> Drawn:
    """Draw what CronJob's parser does not know."""
    if name == "day":
        return Drawn("L", frozenset(), last=True)
    number, count = chance.randrange(7), chance.choice([-1, 1, 2, 3, 4, 5])
    written = _written(name, number, chance)
    return Drawn(f"{written}L" if count < 0 else f"{written}#{count}", frozenset(), nth=frozenset({(number, count)}))


def _written(name: str, value: int, chance: Random) -> str:
    if name in NAMES and chance.random() < 0.5:
        return chance.choice([str.upper, str.lower, str.title])(NAMES[name][value])
    return str(value)
