"""`ticklock quarantine`, the command itself, on a real database."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.store.losses import lose_incarnation, reconcile_all
from tests.store.makers import declared, finished, job, seconds
from tests.store.world import World
from ticklock.cli.main import main
from ticklock.domain.errors import Unready

RELEASE = ("release", "--reason", "compared by hand")


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """Where the command is typed."""

    world: World
    capsys: pytest.CaptureFixture[str]

    async def __call__(self, *words: str, url: str | None = None) -> Answer:
        self.capsys.readouterr()
        code = await asyncio.to_thread(typed, ["quarantine", *words, "--database-url", url or self.world.url])
        out, err = self.capsys.readouterr()
        return Answer(code, out, err)


def typed(words: Sequence[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture
def terminal(world: World, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(world, capsys)


class TestStatus:
    async def test_of_an_open_gate(self, world: World, terminal: Terminal) -> None:
        await world.store(declared())
        await world.plan()
        await world.ledger.pulse(leading=True)
        (shown,) = (await terminal("status", "-o", "json")).json
        assert (shown["cluster"], shown["gate"], shown["causes"]) == (str(world.cluster), "open", {})
        assert shown["incarnation"] == shown["reconciledIncarnation"]
        assert shown["waiting"]["planned"] >= 1
        assert shown["leader"] == "first"
        assert [(one["reason"], one["openedHow"]) for one in shown["closures"]] == [("Quarantine", "Reconciled")]

    async def test_of_a_closed_one_says_why_since_when_what_was_settled_and_what_waits(
        self, world: World, terminal: Terminal
    ) -> None:
        item = declared(expression="@every 10s")
        await world.store(item)
        await world.plan()
        await world.make_due(seconds=40)
        await lose_incarnation(world)
        suspended = job(world.cluster, item, item.created_at + seconds(20))
        jobs = [finished(job(world.cluster, item, item.created_at + seconds(10))), suspended]
        assert len(await world.ledger.reconcile_incarnation(world.epoch, jobs, [item])) == 1
        (shown,) = (await terminal("status", "--output", "json")).json
        assert shown["gate"] == "closed"
        assert shown["causes"] == {"Quarantine": "the database has restarted or was replaced"}
        assert shown["reconciledIncarnation"] == "of another life"
        last = shown["closures"][0]
        assert last.keys() == {"reason", "cause", "incarnation", "closedAt", "settled", "unstaging"}
        assert (last["incarnation"], last["unstaging"]) == (shown["incarnation"], 1)
        assert last["settled"]["recorded"] == 1
        text = (await terminal("status")).out
        for words in (
            "gate          closed: nothing is launched",
            "why           Quarantine: the database has restarted or was replaced",
            "since         ",
            "recorded 1",
            "to take away  1 suspended Jobs",
            "reconciled    of another life",
            "waiting       ",
        ):
            assert words in text

    async def test_of_several_clusters_shows_each_or_the_one_that_is_named(
        self, world: World, terminal: Terminal
    ) -> None:
        other = World(world.url)
        try:
            await other.open()
            assert len((await terminal("status", "-o", "json")).json) == 2
            (shown,) = (await terminal("status", "-o", "json", "--cluster", str(other.cluster))).json
            assert shown["cluster"] == str(other.cluster)
        finally:
            await other.close()


async def test_release_opens_the_gate_and_status_tells_who_did(world: World, terminal: Terminal) -> None:
    await lose_incarnation(world)
    answer = await terminal(*RELEASE, "--by", "ada", "--yes", "-o", "json")
    assert (answer.code, answer.json) == (0, {"cluster": str(world.cluster), "released": ["Quarantine"]})
    await world.plan()
    last = (await terminal("status", "-o", "json")).json[0]["closures"][0]
    assert (last["openedHow"], last["openedBy"], last["responsibility"]) == ("Released", "ada", "compared by hand")
    assert "Released after" in (await terminal("status")).out
    assert "by ada: compared by hand" in (await terminal("status")).out


async def test_release_writes_down_who_runs_it_unless_a_name_is_given(world: World, terminal: Terminal) -> None:
    await lose_incarnation(world)
    assert (await terminal(*RELEASE, "--yes")).out == "released: Quarantine\n"
    assert "@" in await world.value("SELECT opened_by FROM closures WHERE opened_how = 'Released'")


CLOSED = [
    pytest.param(["release", "--yes"], 2, "release needs --reason", id="without a reason"),
    pytest.param(["release", "--yes", "--reason", " "], 2, "release needs --reason", id="with an empty reason"),
    pytest.param([*RELEASE], 2, "nothing was done; if you answer for", id="without --yes"),
    pytest.param([*RELEASE, "--cluster", "x"], 2, "invalid UUID value: 'x'", id="of a cluster that is no UUID"),
    pytest.param(
        [*RELEASE, "--yes", "--cluster", "00000000-0000-0000-0000-000000000001"],
        2,
        "knows no cluster 00000000-0000-0000-0000-000000000001",
        id="of a cluster that is not there",
    ),
    pytest.param([*RELEASE, "--yes", "--pool", "3"], 2, "--pool: there is no such flag", id="with an unknown flag"),
    pytest.param(["reopen"], 2, "invalid choice: 'reopen'", id="a word that it does not know"),
]


@pytest.mark.parametrize(("words", "code", "told"), CLOSED)
async def test_a_slip_opens_nothing(
    world: World, terminal: Terminal, *, words: list[str], code: int, told: str
) -> None:
    await lose_incarnation(world)
    answer = await terminal(*words)
    assert (answer.code, answer.out) == (code, "")
    assert told in answer.err
    with pytest.raises(Unready):
        await world.plan()


async def test_without_yes_it_shows_what_would_be_released(world: World, terminal: Terminal) -> None:
    await lose_incarnation(world)
    assert "why           Quarantine" in (await terminal(*RELEASE)).err


async def test_of_several_clusters_the_one_that_is_meant_must_be_named(world: World, terminal: Terminal) -> None:
    other = World(world.url)
    try:
        await other.open()
        await lose_incarnation(world)
        answer = await terminal(*RELEASE, "--yes")
        assert answer.code == 2
        assert f"--cluster {world.cluster}" in answer.err
        assert (await terminal(*RELEASE, "--yes", "--cluster", str(world.cluster))).code == 0
        await world.plan()
    finally:
        await other.close()


async def test_an_open_gate_is_not_released(world: World, terminal: Terminal) -> None:
    await reconcile_all(world, [], [])
    answer = await terminal(*RELEASE, "--yes")
    assert answer.code == 1
    assert answer.err == "ticklock quarantine: the gate is open: there is nothing to release\n"


UNUSABLE = [
    pytest.param("postgresql://nobody@127.0.0.1:1/none", "127.0.0.1", id="no database"),
    pytest.param(None, "run `ticklock migrate`", id="no schema"),
]


@pytest.mark.parametrize("action", [("status",), (*RELEASE, "--yes")], ids=["status", "release"])
@pytest.mark.parametrize(("url", "told"), UNUSABLE)
async def test_what_cannot_be_asked_is_one_line(
    terminal: Terminal, empty_database: str, *, url: str | None, told: str, action: tuple[str, ...]
) -> None:
    answer = await terminal(*action, url=url or empty_database)
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert told in answer.err


async def test_a_database_that_nobody_has_used_says_so(terminal: Terminal, world: World) -> None:
    await world.sql("DELETE FROM terms")
    await world.sql("DELETE FROM clusters")
    answer = await terminal("status")
    assert (answer.code, answer.err) == (1, "ticklock quarantine: no replica has used this database yet\n")
