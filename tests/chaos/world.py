"""A portal of its own for the chaos: home, database, model, data, people, and services that start again as they end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from tests.journeys.portal import environment_of, manage
from tests.throwaway_postgres import Server, server
from tests.tiny_models import make_tiny_model

from .people import Person
from .processes import Process, processes_of

ROOT = Path(__file__).resolve().parents[2]
MODEL = "house/tiny"
PLACES = 2
REST = 1.0
"""Seconds after which a service that has ended is started again."""
HURRY = {
    "FORETUNE_TICK_SECONDS": "1",
    "FORETUNE_CHECKPOINT_MINUTES": "0.05",
    "FORETUNE_CPU_PLACES": str(PLACES),
    "FORETUNE_MAX_ACTIVE_JOBS": "1000",
    "FORETUNE_MACHINE_NAME": "chaos",
}
MAKE_PEOPLE = """
from django.contrib.auth.models import User
from finetune_site.accounts.tokens import create_token
for name in ("staff", "ann", "bob"):
    user = User.objects.create_user(name, is_staff=name == "staff")
    print(create_token(user=user, name="chaos", days=1)[1])
"""


@dataclass
class Service:
    """One program that is started again whenever it ends, as `Restart=always` would."""

    command: list[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = field(default=float("-inf"))

    def revive(self) -> None:
        """Start it if it has been down for long enough."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            self.process, self.ended_at = None, time.monotonic()
        elif time.monotonic() - self.ended_at >= REST:
            self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *self.command],
                env=dict(self.environment), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def send(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


@dataclass
class World:
    """What the chaos acts upon. `datasets` are ids by the kind of their rows."""

    home: Path
    environment: dict[str, str]
    services: dict[str, Service]
    postgres: Server | None
    address: str
    people: dict[str, Person] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    asides: list[Service] = field(default_factory=list)

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    def processes(self, *roles: str) -> list[Process]:
        return [process for process in processes_of(self.home) if process.role in roles or not roles]

    def revive(self) -> None:
        for service in self.services.values():
            service.revive()

    def wait_until_ready(self, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.revive()
            with suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.address}/healthz", timeout=5, trust_env=False).status_code == 200:
                    return
            time.sleep(0.5)
        raise TimeoutError("The portal did not get ready; its output is in " + str(self.home / "logs"))

    def run_aside(self, *command: str) -> None:
        """A program that nobody starts again."""
        self.asides.append(Service(list(command), self.environment, self.home.parent / "aside.log"))
        self.asides[-1].start()

    def end_everything(self) -> None:
        """A power cut: all processes at once, again until none is left."""
        while found := self.processes():
            for process in found:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            for service in (*self.services.values(), *self.asides):
                if service.process is not None:
                    service.process.wait()


@contextmanager
def world(*, postgres: bool) -> Iterator[World]:
    """A portal that runs, in a folder of its own; at the end nothing of it is left."""
    with TemporaryDirectory(prefix="foretune-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database server may run as somebody else
        if not postgres:
            yield from _world(folder, None)
            return
        with server(folder / "postgres") as running:
            yield from _world(folder, running)


def _world(folder: Path, postgres: Server | None) -> Iterator[World]:
    home = (folder / "home").resolve()
    (home / "models").mkdir(parents=True)
    make_tiny_model(home / "models" / "tiny", "llama", chat=True)
    environment = environment_of(home) | HURRY | ({"DATABASE_URL": postgres.url} if postgres else {})
    manage(environment, "migrate", "--verbosity", "0")
    tokens = manage(environment, "shell", "--verbosity", "0", "--no-imports", "-c", MAKE_PEOPLE).split()
    port = _free_port()
    services = _services(environment, folder, port)
    made = World(home, environment, services, postgres, f"http://127.0.0.1:{port}")
    made.people = {
        name: Person(made.address, token) for name, token in zip(("staff", "ann", "bob"), tokens, strict=True)
    }
    try:
        made.wait_until_ready()
        _furnish(made)
        yield made
    finally:
        made.end_everything()
        for person in made.people.values():
            person.client.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _services(environment: Mapping[str, str], folder: Path, port: int) -> dict[str, Service]:
    commands = {"web": ["web", "--port", str(port)], "node": ["node"]}
    return {name: Service(command, environment, folder / f"{name}.log") for name, command in commands.items()}


def _furnish(made: World) -> None:
    """One model and two datasets, brought in as people do."""
    staff = made.people["staff"]
    told = {"name": MODEL, "source": "local", "path": str(made.home / "models" / "tiny"), "family": "Llama"}
    _good(staff.keep_asking("POST", "/api/v1/models/", json=told))
    for owner in ("ann", "bob"):
        for kind, rows in (("chat", _chats()), ("preference", _preferences())):
            file = "".join(json.dumps(row) + "\n" for row in rows).encode()
            given = {"files": {"file": (f"{kind}.jsonl", file)}, "data": {"name": kind}}
            answer = _good(made.people[owner].keep_asking("POST", "/api/v1/datasets/", **given))
            made.datasets[f"{owner} {kind}"] = str(answer["id"])


def _good(answer: httpx2.Response) -> dict[str, Any]:
    if answer.status_code not in (200, 201, 202):
        raise RuntimeError(f"{answer.status_code} {answer.text[:500]}")
    told: dict[str, Any] = answer.json()
    return told


def _chats() -> Iterator[dict[str, Any]]:
    for a in range(8):
        for b in range(8):
            answer = f"The answer is {a + b}. The sky is blue, the grass is green."
            yield {"messages": [{"role": "user", "content": f"What is {a} and {b}?"},
                                {"role": "assistant", "content": answer}]}  # fmt: skip


def _preferences() -> Iterator[dict[str, Any]]:
    for a in range(8):
        for b in range(8):
            yield {
                "prompt": f"What is {a} and {b}?",
                "chosen": f"The answer is {a + b}.",
                "rejected": f"The sky is {a}, the grass is {b}.",
            }
