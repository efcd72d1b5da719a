"""Run a command with DATABASE_URL naming a PostgreSQL server that exists only meanwhile.

`python tests/throwaway_postgres.py pytest …`; needs PostgreSQL's programs, as in Debian's package `postgresql`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="foretune-postgres-") as folder, server(Path(folder)) as running:
        return subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": running.url}, check=False).returncode


@dataclass(frozen=True)
class Server:
    """A running server. It listens on a socket inside its folder only; durability is off: nothing of it is kept."""

    folder: Path
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql://foretune@{quote(str(self.folder), safe='')}/postgres"

    def start(self) -> None:
        options = f"-c fsync=off -c listen_addresses='' -k {self.folder}"
        self._control("--log", str(self.folder / "log"), "--options", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._control("--mode", mode, "stop")

    def drop_connections(self) -> None:
        """End every session but our own."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        _run(self.user, "psql", "--host", str(self.folder), "--username", "foretune", "--command", others, "postgres")

    def _control(self, *arguments: str) -> None:
        _run(self.user, "pg_ctl", "--pgdata", str(self.folder / "data"), "--wait", *arguments)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    folder.mkdir(exist_ok=True)
    if user:
        shutil.chown(folder, user)
    account = ("--username", "foretune", "--auth", "trust", "--encoding", "UTF8")
    _run(user, "initdb", "--pgdata", str(folder / "data"), *account)
    running = Server(folder, user)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def _run(user: str | None, program: str, *arguments: str) -> None:
    subprocess.run([_path(program), *arguments], user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")


def is_installed() -> bool:
    return _found("initdb") is not None


def _path(program: str) -> str:
    return _found(program) or sys.exit(f"{program} is not installed. On Debian: apt-get install postgresql")


def _found(program: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return shutil.which(program) or (str(debian[-1]) if debian else None)


if __name__ == "__main__":
    sys.exit(main())
