"""The web server on a socket that the portal has already opened: `python -m finetune_site.portal.web FD`."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from pathlib import Path

import uvicorn

from ..environment import read_environment


def main() -> None:
    environment = read_environment()
    receive_bodies_in(environment.home.resolve() / "incoming")
    proxies = environment.proxies
    config = uvicorn.Config(
        "finetune_site.asgi:application",
        log_config=None,  # Django's logging serves
        access_log=False,
        lifespan="off",  # Django knows no lifespan
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


def receive_bodies_in(folder: Path) -> None:
    """Take bodies in on the disk that keeps them, without what a killed web process has left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tempfile.tempdir = str(folder)


if __name__ == "__main__":
    main()
