"""What people want of the portal during the chaos: jobs of several kinds, some of them cancelled or paused."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any

from .people import Person
from .world import MODEL, World

STEPS = 400
ACCEPTED = (200, 202)
CANCELLED = 0.2
"""How often a change of mind is for good; else the job is only paused."""


@dataclass(frozen=True)
class Kind:
    """A sort of job. All of one kind compute the very same losses, whatever happens to them."""

    name: str
    rows: str
    settings: dict[str, dict[str, Any]]


KINDS = (
    Kind("SFT LoRA", "chat", {"lora": {"enabled": True, "r": 8, "alpha": 16, "dropout": 0.1}}),
    Kind("SFT full", "chat", {"lora": {"enabled": False}, "training": {"learning_rate": 5e-5}}),
    Kind("DPO LoRA", "preference", {"training": {"method": "dpo"}, "lora": {"enabled": True, "r": 8, "alpha": 16}}),
)


@dataclass
class Wishes:
    """Every job that was accepted, by its kind and by what was asked of it since."""

    world: World
    random: random.Random
    kinds: dict[int, str] = field(default_factory=dict)
    cancelled: dict[int, float] = field(default_factory=dict)
    paused: dict[int, float] = field(default_factory=dict)
    owners: dict[int, Person] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def submit(self) -> int | None:
        """One more job, of a kind and an owner chosen at random."""
        kind, owner = self.random.choice(KINDS), self.random.choice(("ann", "bob"))
        answer = self.world.people[owner].keep_asking("POST", "/api/v1/jobs/", json=self._spec(kind, owner))
        if answer.status_code != 201:
            self.refused.append(answer.text[:2000])
            return None
        pk = int(answer.json()["id"])
        self.kinds[pk], self.owners[pk] = kind.name, self.world.people[owner]
        return pk

    def _spec(self, kind: Kind, owner: str) -> dict[str, Any]:
        chat = kind.rows == "chat"
        strategy = {"strategy": "chat" if chat else "standard", "max_length": 64}
        training = {"max_steps": STEPS, "batch_size": 4, "logging_steps": 1, "method": "sft", "seed": 7}
        return {
            "name": f"{kind.name} {len(self.kinds) + 1}",
            "model": {"name": MODEL},
            "data": {"dataset": self.world.datasets[f"{owner} {kind.rows}"], **strategy},
            "training": training | kind.settings.get("training", {}),
            "lora": kind.settings.get("lora", {}),
        }

    def change_mind(self) -> None:
        """Cancel or pause something that runs or waits; let what was paused go on after a while."""
        for pk, since in list(self.paused.items()):
            if time.monotonic() - since > 10 and self._ask(pk, "resume"):
                del self.paused[pk]
        open_jobs = [pk for pk in self.kinds if pk not in self.cancelled and pk not in self.paused]
        if not open_jobs:
            return
        pk = self.random.choice(open_jobs)
        if self.random.random() < CANCELLED:
            if self._ask(pk, "cancel"):
                self.cancelled[pk] = time.time()
        elif self._ask(pk, "pause"):
            self.paused[pk] = time.monotonic()

    def let_all_go_on(self) -> None:
        for pk in list(self.paused):
            if self._ask(pk, "resume") or self.world.people["staff"].job(pk)["state"] != "paused":
                self.paused.pop(pk)

    def _ask(self, pk: int, what: str) -> bool:
        answer = self.owners[pk].keep_asking("POST", f"/api/v1/jobs/{pk}/{what}/")
        return answer.status_code in ACCEPTED
