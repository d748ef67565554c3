"""The data folder of a PostgreSQL server: made new, copied from a running one, put back; and whose it is."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.devcluster.pgbinaries import PostgresBinaries
from tools.devcluster.process import Account

USER = "postgres"
_BASE = {"PATH": os.defpath, "TZ": "UTC"}


def account() -> Account | None:
    """Return whom the server runs under: nobody where we are root, which PostgreSQL refuses; else ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise RuntimeError("PostgreSQL does not run as root, and there is no user `nobody` to run it as") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def make_folder(data: Path) -> None:
    """Make an empty folder that belongs to the server's user alone."""
    data.mkdir(mode=0o700)
    _give_away(data)


def initdb(binaries: PostgresBinaries, data: Path, password: str) -> None:
    """Make the data of a new server. Raises RuntimeError with what initdb complains about."""
    file = data.parent / "password"
    file.touch(mode=0o600)
    file.write_text(password)
    _give_away(file)
    command = [binaries.program("initdb"), "--pgdata", str(data), "--username", USER]
    command += ["--auth", "scram-sha-256", "--pwfile", str(file), "--encoding", "UTF8", "--locale", "C"]
    try:
        _run([*command, "--no-sync"], {})
    finally:
        file.unlink()


def copy_running(binaries: PostgresBinaries, data: Path, *, port: int, password: str, standby: bool) -> None:
    """Fill the empty folder with a copy of the server on that port, consistent as of the end of the copying.

    A standby's copy follows that server when it is started.
    """
    command = [binaries.program("pg_basebackup"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-U", USER]
    command += ["--checkpoint=fast", "--wal-method=stream", "--no-sync"]
    _run([*command, *(["--write-recovery-conf"] if standby else [])], {"PGPASSWORD": password})


def put_back(backup: Path, data: Path) -> None:
    """Replace the data of a stopped server by a copy that was made of it."""
    shutil.rmtree(data)
    shutil.copytree(backup, data, symlinks=True)
    for place, folders, files in os.walk(data):
        for name in (".", *folders, *files):
            _give_away(Path(place, name))


def _give_away(path: Path) -> None:
    owner = account()
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    owner = account()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**_BASE, **environment},
        user=owner.uid if owner else None,
        group=owner.gid if owner else None,
        extra_groups=[] if owner else None,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")
