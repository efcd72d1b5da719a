"""One campaign: jobs come in, blows fall, then peace until every job has ended; and the verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from . import evidence
from .blows import Blows
from .verdict import Verdict, judge
from .wishes import Wishes
from .witness import Witness
from .world import PLACES, World

PAUSE = (0.5, 4.0)
"""Seconds between two blows."""
WITHOUT_TRAINER = 0.15
"""How often a blow falls while nothing trains: else no training would ever begin."""
WAITING = 4
"""Jobs that wait or run while blows fall: enough for every place, and one to take its turn."""
PEACE = 900.0
"""Seconds after the last blow within which everything must have ended."""
ENDED = ("succeeded", "failed", "cancelled", "refused")


def campaign(made: World, *, seconds: float, chance: random.Random) -> Verdict:
    """Wreak havoc for `seconds`. A job that has not ended within PEACE counts as lost."""
    started = time.monotonic()
    blows, wishes = _blows(made, chance), Wishes(made, chance)
    with Witness(made.people["staff"], made.runs) as witness:
        while time.monotonic() - started < seconds:
            made.revive()
            _keep_busy(made, wishes, WAITING)
            _wait(made, chance.uniform(*PAUSE))
            if made.processes("trainer") or chance.random() < WITHOUT_TRAINER:
                blows.strike()
            if chance.random() < 0.1:
                made.wait_until_ready()
                wishes.change_mind()
        made.wait_until_ready()
        _wait_for_peace(made, wishes)
    return judge(made, wishes, blows, witness)


def skirmish(made: World, names: Sequence[str], *, chance: random.Random) -> Verdict:
    """These blows only, one after the other, each while a training makes steps. Nobody changes his mind."""
    blows, wishes = _blows(made, chance), Wishes(made, chance)
    with Witness(made.people["staff"], made.runs) as witness:
        for name in names:
            _strike_while_something_trains(made, blows, wishes, name)
        made.wait_until_ready()
        _wait_for_peace(made, wishes)
    return judge(made, wishes, blows, witness)


def _blows(made: World, chance: random.Random) -> Blows:
    started = time.monotonic()
    return Blows(made, chance, log=lambda text: print(f"[{time.monotonic() - started:6.1f}] {text}", flush=True))


def _strike_while_something_trains(made: World, blows: Blows, wishes: Wishes, name: str) -> None:
    before, until = evidence.steps_made(evidence.lives(made.runs))[0], time.monotonic() + PEACE
    while time.monotonic() < until:
        _keep_busy(made, wishes, PLACES)
        _wait(made, 0.5)
        if evidence.steps_made(evidence.lives(made.runs))[0] > before and blows.strike(name):
            return
    raise TimeoutError(f"Nothing trained for {PEACE:.0f} s, so there was nothing to try “{name}” on.")


def _keep_busy(made: World, wishes: Wishes, jobs: int) -> None:
    """Submit when there is too little to do. While the portal is away nobody can."""
    try:
        active = [job for job in made.people["staff"].jobs() if job["state"] not in (*ENDED, "paused")]
    except Exception:  # away
        return
    if len(active) < jobs:
        made.wait_until_ready()
        wishes.submit()


def _wait(made: World, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        made.revive()
        time.sleep(0.2)


def _wait_for_peace(made: World, wishes: Wishes) -> None:
    until = time.monotonic() + PEACE
    while time.monotonic() < until:
        made.revive()
        wishes.let_all_go_on()
        if all(made.people["staff"].job(pk)["state"] in ENDED for pk in wishes.kinds):
            return
        time.sleep(1)
