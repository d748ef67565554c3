"""The rules (CEL) by which the API server judges `spec.schedule`, each with its own message.

They take what robfig/cron's ParseStandard takes, the parser of CronJob; in addition six fields, Sunday as 7, `L`, `5L`,
`1#2` and `H`. What no regular expression can know is left to the controller: a range that runs backwards, a day that
never comes.

Each rule is one `matches` over a text of at most 256 characters, which the API server estimates as cheap; taking the
text apart (`split`, `findAll`) exceeds its budget a hundredfold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.crd.structural import Schema

MACROS = ("yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly")
_NUMBER_OF_UNITS = r"([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_FIVE_OR_SIX = r"^\s*[^@\s]\S*(\s+\S+){4,5}\s*$"
_SIX = r"^\s*[^@\s]\S*(\s+\S+){5}\s*$"

_SHAPE_MESSAGE = (
    "must have 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds first, "
    "or be one of @yearly, @monthly, @weekly, @daily, @hourly, or @every followed by a duration such as 90s or 1h30m"
)
_FORWARD_MESSAGE = "must move forward: the duration after @every must be more than zero"
_ZONE_MESSAGE = "must not hold a time zone: take TZ= or CRON_TZ= out and use timeZone instead"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an expression: its values as a regular expression, and how many fields stand on either side."""

    name: str
    values: str
    before: str
    after: int
    hint: str
    applies: str = _FIVE_OR_SIX
    special: str = ""
    """An item that only this field may hold."""

    def rule(self, called: str) -> Schema:
        """Return the rule that this field, and no other, is well formed."""
        numbers = self.values.split("|(?i:")[0]
        hashed = rf"(?i:H)([(]({numbers})-({numbers})[)])?"
        one = rf"(([*?]|{hashed}|({self.values})(-({self.values}))?)(/[+]?0*[1-9][0-9]*)?{self.special})"
        listed = f",*{one}(,+{one})*,*"
        before = rf"(\S+\s+){self.before}" if self.before else ""
        after = rf"(\s+\S+){{{self.after}}}" if self.after else ""
        pattern = rf"^\s*{before}{listed}{after}\s*$"
        return {
            "rule": f'self.contains("TZ") || !{_matches(self.applies)} || {_matches(pattern)}',
            "message": f"{called} has a wrong {self.name}: {self.hint}",
        }


_MINUTES = "[+]?0*[0-5]?[0-9]"
FIELDS = (
    Field("second", _MINUTES, "", 5, "0 to 59, *, lists (0,30), ranges (0-29) or steps (*/10)", _SIX),
    Field("minute", _MINUTES, "?", 4, "0 to 59, *, lists (0,30), ranges (0-29) or steps (*/10)"),
    Field("hour", "[+]?0*(1?[0-9]|2[0-3])", "{1,2}", 3, "0 to 23, *, lists (8,20), ranges (8-18) or steps (*/2)"),
    Field(
        "day of month",
        "[+]?0*([1-9]|[12][0-9]|3[01])",
        "{2,3}",
        2,
        "1 to 31, *, L (the last day), lists (1,15), ranges (1-7) or steps (*/2)",
        special="|(?i:L)",
    ),
    Field(
        "month",
        "[+]?0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
        "{3,4}",
        1,
        "1 to 12 or JAN to DEC, *, lists (JAN,JUL), ranges (4-9) or steps (*/3)",
    ),
    Field(
        "day of week",
        "[+]?0*[0-7]|(?i:sun|mon|tue|wed|thu|fri|sat)",
        "{4,5}",
        0,
        "0 (Sunday) to 6, 7 (Sunday again) or SUN to SAT, *, lists (MON,THU), ranges (MON-FRI), steps (*/2), "
        "MON#2 (the second Monday of the month) or FRIL (the last Friday)",
        special="|([+]?0*[0-7]|(?i:sun|mon|tue|wed|thu|fri|sat))((?i:L)|#[1-5])",
    ),
)


def schedule_rules(called: str = "schedule") -> list[Schema]:
    """Return the rules of an expression, in the order in which a person should read their messages.

    `called` is what the messages call it.
    """
    every = rf"^@every [+-]?(0|({_NUMBER_OF_UNITS})+)$"
    shapes = (_FIVE_OR_SIX, f"^@({'|'.join(MACROS)})$", every)
    return [
        {"rule": '!self.contains("TZ")', "message": f"{called} {_ZONE_MESSAGE}"},
        {"rule": " || ".join(['self.contains("TZ")', *map(_matches, shapes)]), "message": f"{called} {_SHAPE_MESSAGE}"},
        {
            "rule": f'!self.startsWith("@every ") || {_matches("^@every [^-]*[1-9]")}',
            "message": f"{called} {_FORWARD_MESSAGE}",
        },
        *(field.rule(called) for field in FIELDS),
    ]


def lay_rules(properties: Schema) -> None:
    """Put the rules where expressions stand: changes the properties of the spec in place."""
    properties["schedule"]["x-kubernetes-validations"] = schedule_rules()
    properties["schedules"]["items"]["x-kubernetes-validations"] = schedule_rules("an entry of schedules")
    fields_alone = {
        "rule": '!self.startsWith("@every")',
        "message": "an entry of exclude must name local times, such as * * 25 12 *; a distance names none",
    }
    rules = schedule_rules("an entry of exclude")
    properties["exclude"]["items"]["x-kubernetes-validations"] = [fields_alone, *rules]


def _matches(pattern: str) -> str:
    """Return the CEL expression; its strings take backslashes doubled."""
    escaped = pattern.replace("\\", "\\\\")
    return f'self.matches("{escaped}")'
