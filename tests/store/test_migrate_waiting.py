"""`ticklock migrate` beside a database that comes later: an init container starts when it likes."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.waiting import eventually
from tools.devcluster.process import free_port
from tools.devcluster.replica import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tools.devcluster.postgres import Postgres


def environment(url: str, seconds: str) -> dict[str, str]:
    own = {"TICKLOCK_DATABASE_URL": url, "TICKLOCK_MIGRATE_WAIT_SECONDS": seconds}
    return {"PATH": os.environ["PATH"], **own}


def test_it_waits_for_a_server_that_starts(own_postgres: Postgres, tmp_path: Path) -> None:
    own_postgres.stop()
    said = tmp_path / "stderr"
    with (
        said.open("w") as stderr,
        subprocess.Popen(
            [str(PROGRAM), "migrate"],
            env=environment(own_postgres.url, "60"),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as running,
    ):
        eventually(lambda: "waiting for 127.0.0.1" in said.read_text(), what="it says that it waits")
        own_postgres.start()
        told, _ = running.communicate(timeout=60)
    assert (running.returncode, told.startswith("schema ")) == (0, True)
    assert own_postgres.password not in said.read_text()


def test_unless_told_it_does_not_wait() -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    done = subprocess.run([PROGRAM, "migrate"], env=environment(url, "0"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "waiting" not in done.stderr


def test_what_a_server_refuses_is_not_waited_for(postgres: Postgres) -> None:
    """It was reached, and answers a question: a right that is missing does not come by waiting."""
    parts = urlsplit(postgres.url)
    query = "?options=-c%20default_transaction_read_only%3Don"
    url = f"postgresql://{parts.netloc}/postgres{query}"
    done = subprocess.run(
        [PROGRAM, "migrate"], env=environment(url, "600"), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "read-only" in done.stderr


@pytest.mark.parametrize("seconds", ["-1", "3601"])
def test_it_waits_for_an_hour_at_most(seconds: str) -> None:
    done = subprocess.run(
        [PROGRAM, "migrate"], env=environment("postgresql://x/y", seconds), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "TICKLOCK_MIGRATE_WAIT_SECONDS" in done.stderr
