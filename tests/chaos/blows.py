"""What happens to the portal: every kind of kill, freeze and cut, and people who change their minds meanwhile."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from .processes import Process
from .world import World

FROZEN = (5.0, 40.0)
"""Seconds: shorter than every lease, and longer."""
RING_SIX_TIMES = "from jobs.services import ring; [ring() for _ in range(6)]"


@dataclass
class Blows:
    """Strikes at random; `struck` counts by the name of the blow."""

    world: World
    random: random.Random
    struck: Counter[str] = field(default_factory=Counter)
    log: Callable[[str], None] = print

    def strike(self, name: str = "") -> bool:
        """This blow, or one of all; False when there was nothing to hit."""
        name = name or self.random.choice(list(self._all()))
        hit = self._all()[name]()
        if hit:
            self.struck[name] += 1
            self.log(f"{name} {hit}")
        return bool(hit)

    def _all(self) -> dict[str, Callable[[], str]]:
        everywhere = {
            "kill trainer": lambda: self._kill("trainer"),
            "kill shim": lambda: self._kill("shim"),
            "kill shim and trainer": self._kill_both,
            "terminate shim (drain)": lambda: self._kill("shim", number=signal.SIGTERM),
            "kill queue process": lambda: self._kill("queue", main=False),
            "kill qcluster": lambda: self._kill("queue", main=True),
            "kill warm process": lambda: self._kill("warm"),
            "kill web": lambda: self._kill("web"),
            "kill node service": lambda: self._service("node", signal.SIGKILL),
            "restart node service": lambda: self._service("node", signal.SIGTERM),
            "freeze trainer": lambda: self._freeze("trainer"),
            "freeze shim": lambda: self._freeze("shim"),
            "freeze queue process": lambda: self._freeze("queue"),
            "freeze node service": lambda: self._freeze("node"),
            "six ticks at once": self._ring,
            "second node service": self._rival,
            "power cut": self._power_cut,
        }
        if self.world.postgres is None:
            return everywhere
        return everywhere | {"drop database connections": self._drop, "restart database": self._restart_database}

    def _kill(self, role: str, *, main: bool | None = None, number: int = signal.SIGKILL) -> str:
        victim = self._victim(role, main)
        return self._send(victim, number) if victim else ""

    def _victim(self, role: str, main: bool | None = None) -> Process | None:
        found = [each for each in self.world.processes(role) if main is None or each.main == main]
        return self.random.choice(found) if found else None

    def _send(self, victim: Process, number: int) -> str:
        with suppress(ProcessLookupError):
            os.kill(victim.pid, number)
            return f"{victim.pid}" + (f" of job {victim.job}" if victim.job else "")
        return ""

    def _kill_both(self) -> str:
        shim = self._victim("shim")
        if shim is None or shim.job is None:
            return ""
        for each in self.world.processes("shim", "trainer"):
            if each.job == shim.job:
                self._send(each, signal.SIGKILL)
        return f"of job {shim.job}"

    def _service(self, name: str, number: int) -> str:
        self.world.services[name].send(number)
        return " "

    def _freeze(self, role: str) -> str:
        victim = self._victim(role)
        seconds = self.random.uniform(*FROZEN)
        if victim is None or not (hit := self._send(victim, signal.SIGSTOP)):
            return ""
        thaw = threading.Timer(seconds, self._send, (victim, signal.SIGCONT))
        thaw.daemon = True
        thaw.start()
        return f"{hit} for {seconds:.0f} s"

    def _ring(self) -> str:
        self.world.run_aside("shell", "--verbosity", "0", "--no-imports", "-c", RING_SIX_TIMES)
        return " "

    def _rival(self) -> str:
        """By mistake: a second one on the same home. It must step back by itself."""
        self.world.run_aside("node")
        return " "

    def _power_cut(self) -> str:
        self.world.end_everything()
        return "of everything"

    def _drop(self) -> str:
        assert self.world.postgres is not None
        self.world.postgres.drop_connections()
        return " "

    def _restart_database(self) -> str:
        assert self.world.postgres is not None
        self.world.postgres.stop(self.random.choice(("fast", "immediate")))
        time.sleep(self.random.uniform(0, 4))
        self.world.postgres.start()
        return " "
