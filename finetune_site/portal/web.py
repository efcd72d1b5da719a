"""The web server on a socket that the portal has already opened: `python -m finetune_site.portal.web FD`."""

from __future__ import annotations

import socket
import sys

import uvicorn

from ..environment import read_environment


def main() -> None:
    proxies = read_environment().proxies
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


if __name__ == "__main__":
    main()
