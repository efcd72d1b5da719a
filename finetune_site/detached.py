"""Starts processes that outlive whoever starts them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def start_detached(command: Sequence[str], *, log: Path, pass_fds: Sequence[int] = ()) -> None:
    """Run a program of ours in a session of its own, as nobody's child; what it says goes to the end of `log`.

    The shell between us and it ends at once, so that neither its death nor our way of treating dead children
    can touch the other.
    """
    with log.open("ab") as output:
        subprocess.run(  # noqa: S603 - our own programs; numbers are all that varies
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=pass_fds,
            check=True,
        )
