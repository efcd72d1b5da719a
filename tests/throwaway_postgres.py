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
from pathlib import Path
from urllib.parse import quote


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="foretune-postgres-") as folder, _server(Path(folder)) as url:
        return subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": url}, check=False).returncode


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """On a socket inside the folder only; durability is off because nothing of it is kept."""
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, user)
    data, options = str(folder / "data"), f"-c fsync=off -c listen_addresses='' -k {folder}"
    _run(user, "initdb", "--pgdata", data, "--username", "foretune", "--auth", "trust", "--encoding", "UTF8")
    _run(user, "pg_ctl", "--pgdata", data, "--wait", "--log", str(folder / "log"), "--options", options, "start")
    try:
        yield f"postgresql://foretune@{quote(str(folder), safe='')}/postgres"
    finally:
        _run(user, "pg_ctl", "--pgdata", data, "--mode", "immediate", "stop")


def _run(user: str | None, program: str, *arguments: str) -> None:
    subprocess.run([_path(program), *arguments], user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")


def _path(program: str) -> str:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    found = shutil.which(program) or (str(debian[-1]) if debian else None)
    return found or sys.exit(f"{program} is not installed. On Debian: apt-get install postgresql")


if __name__ == "__main__":
    sys.exit(main())
