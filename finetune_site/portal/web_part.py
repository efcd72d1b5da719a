"""The web server of a portal, watched by asking it."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from ..environment import ROOT
from .children import Child
from .portal import Portal
from .readiness import is_answering, listening, log_file, only_one, wait_until_ready

OWN_NAMES = ("127.0.0.1", "[::1]")  # by which this portal asks itself whether it is ready
ASK_EVERY = 5.0
SILENT_SECONDS = 60.0
"""How long /healthz may give no answer at all before the web process is replaced. "Not ready" is an answer."""


class WebPart:
    """uvicorn on a socket that stays open here, so that a server that is started again finds it open."""

    portal: Portal

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.children: list[Child] = []
        self._listener: socket.socket
        self._answers: Answers

    @property
    def address(self) -> str:
        host = "localhost" if self.host in ("0.0.0.0", "127.0.0.1", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"

    @contextmanager
    def held(self) -> Iterator[None]:
        with only_one("web") as note, listening(self.host, self.port) as self._listener:
            self.port = self._listener.getsockname()[1]
            note(self.address)
            yield

    def start(self) -> None:
        self.children = [self._web()]
        self.children[0].start()

    def settle(self) -> None:
        wait_until_ready(self.host, self.port, self._has_no_web)
        self._answers = Answers(self.host, self.port)

    def step(self) -> None:
        [web] = self.children
        if min(self._answers.silent_for, web.age) > SILENT_SECONDS:
            self.portal.replace(web, f"has given no answer for {SILENT_SECONDS:.0f} s")

    def ended(self) -> None:
        """Nothing is left behind."""

    def _web(self) -> Child:
        hosts = {*settings.ENVIRONMENT.allowed_hosts, *OWN_NAMES, socket.gethostname(), self.host}
        return Child(
            "web",
            [sys.executable, "-m", "finetune_site.portal.web", str(self._listener.fileno())],
            log_file("web"),
            {"FORETUNE_ALLOWED_HOSTS": ",".join(sorted(hosts)), "PYTHONPATH": str(ROOT)},
            pass_fds=[self._listener.fileno()],
        )

    def _has_no_web(self) -> bool:
        return self.portal.stopping or not self.children[0].is_alive


class Answers:
    """Asks again and again in a thread of its own, so that a server that does not answer holds nobody up."""

    def __init__(self, host: str, port: int) -> None:
        self._at = time.monotonic()
        threading.Thread(target=self._ask, args=(host, port), daemon=True).start()

    @property
    def silent_for(self) -> float:
        return time.monotonic() - self._at

    def _ask(self, host: str, port: int) -> None:
        while True:
            if is_answering(host, port):
                self._at = time.monotonic()
            time.sleep(ASK_EVERY)
