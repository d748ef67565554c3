"""The API server's rules for a schedule, beside the parser of the controller.

The patterns mean the same to RE2 and to Python, so they are judged here without an API server.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ticklock.domain.expression import parse_expression
from ticklock.domain.timetable_error import TimetableError
from tools.crd.schedule_rules import schedule_rules

_CALL = re.compile(r'(!?)self\.(matches|contains|startsWith)\("((?:[^"\\]|\\.)*)"\)')
# what no regular expression can know
LEFT_TO_THE_CONTROLLER = ("runs backwards", "second name", "too long", "is no step")

VALUES = [
    "*",
    "?",
    "0",
    "1",
    "7",
    "8",
    "23",
    "24",
    "31",
    "32",
    "59",
    "60",
    "007",
    "+5",
    "mon",
    "FRI",
    "jan",
    "Dec",
    "L",
    "H",
    "fril",
    "5L",
    "mon#2",
    "1#6",
    "9#1",
    "H(3-9)",
    "h(0-30)",
    "H(mon-fri)",
]
ITEMS = st.builds(
    "{}{}{}".format,
    st.sampled_from(VALUES),
    st.one_of(st.just(""), st.sampled_from(VALUES).map("-{}".format)),
    st.sampled_from(["", "", "", "/1", "/5", "/05", "/0", "/", "/-1", "/100", "/+3", "/x"]),
)
FIELDS = st.one_of(st.sampled_from(VALUES), ITEMS, st.lists(ITEMS | st.just(""), min_size=1, max_size=3).map(",".join))
GAPS = st.sampled_from([" ", " ", " ", "  ", "\t"])
CRON = st.builds(lambda fields, gap: gap.join(fields), st.lists(FIELDS, min_size=4, max_size=7), GAPS)
PLAIN = st.lists(st.sampled_from(["*", "*/5", "1", "1-5", "1,3", "?", "2/3"]), min_size=5, max_size=6).map(" ".join)
EVERY = st.builds(
    "@every {}{}".format,
    st.sampled_from(["", "", "+", "-"]),
    st.lists(st.sampled_from(["0", "10", "1.5", ".5", ".", "s", "m", "h", "ms", "µs", "d", " "]), max_size=5).map(
        "".join
    ),
)
MACROS = st.sampled_from(["@daily", "@hourly ", " @daily", "@Daily", "@reboot", "@yearly", "@midnight", "@", "daily"])


def refusals(expression: str) -> list[str]:
    """The messages of the rules that an expression breaks."""
    return [str(rule["message"]) for rule in schedule_rules() if not holds(str(rule["rule"]), expression)]


def holds(rule: str, expression: str) -> bool:
    """Whether a rule holds: alternatives of calls, some negated."""
    calls = [_CALL.fullmatch(part.strip()) for part in rule.split(" || ")]
    assert all(calls), f"this test cannot read: {rule}"
    return any(answer(call, expression) for call in calls if call is not None)


def answer(call: re.Match[str], expression: str) -> bool:
    negation, function, escaped = call.groups()
    argument = escaped.replace("\\\\", "\\")
    match function:
        case "matches":
            found = re.search(argument.replace("$", r"\Z"), expression, re.ASCII) is not None
        case "contains":
            found = argument in expression
        case _:
            found = expression.startswith(argument)
    return found != bool(negation)


@given(st.one_of(CRON, PLAIN, EVERY, MACROS))
@example("5-1 * * * *")
@example("0 0 * * 7/2")
@example("@every 9999999h")
@example("@every -10s")
@example("1,,2, * * * *")
@pytest.mark.field(
    "schedule",
    "schedule: 6 fields",
    "schedule: macros",
    "schedule: @every",
    "schedule: names",
    "schedule: ?",
    "schedule: L",
    "schedule: #",
    "schedule: H",
    check="schema",
)
def test_the_rules_take_what_the_controller_takes_and_refuse_the_rest(expression: str) -> None:
    complaint = refusal_of_the_controller(expression)
    if not any(words in complaint for words in LEFT_TO_THE_CONTROLLER):
        assert bool(refusals(expression)) == bool(complaint), complaint


def refusal_of_the_controller(expression: str) -> str:
    """What the parser says against an expression; empty if nothing."""
    try:
        parse_expression(expression, "shop/report")
    except TimetableError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("* * * *", "5 fields", id="four fields"),
        pytest.param("@dayly", "@daily", id="a macro misspelt"),
        pytest.param("TZ=UTC 0 5 * * *", "timeZone", id="a zone inside"),
        pytest.param("60 0 0 * * *", "wrong second", id="the sixtieth second"),
        pytest.param("0 0 * * mo", "wrong day of week", id="two letters"),
        pytest.param("@every 0h", "forward", id="an interval of nothing"),
    ],
)
def test_one_mistake_gives_one_message(expression: str, words: str) -> None:
    (only,) = refusals(expression)
    assert words in only


def test_two_mistakes_give_two_messages() -> None:
    assert [message.split(":")[0] for message in refusals("61 24 * * *")] == [
        "schedule has a wrong minute",
        "schedule has a wrong hour",
    ]
