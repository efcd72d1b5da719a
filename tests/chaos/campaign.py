"""One campaign: jobs come in, blows fall, then peace until every job has ended; and the verdict."""

from __future__ import annotations

import random
import time

from .blows import Blows
from .verdict import Verdict, judge
from .wishes import Wishes
from .witness import Witness
from .world import World

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
    blows = Blows(made, chance, log=lambda text: print(f"[{time.monotonic() - started:6.1f}] {text}", flush=True))
    wishes = Wishes(made, chance)
    with Witness(made.people["staff"], made.runs) as witness:
        while time.monotonic() - started < seconds:
            made.revive()
            _keep_busy(made, wishes)
            _wait(made, chance.uniform(*PAUSE))
            if made.processes("trainer") or chance.random() < WITHOUT_TRAINER:
                blows.strike()
            if chance.random() < 0.1:
                made.wait_until_ready()
                wishes.change_mind()
        made.wait_until_ready()
        _wait_for_peace(made, wishes)
    return judge(made, wishes, blows, witness)


def _keep_busy(made: World, wishes: Wishes) -> None:
    """Submit when there is too little to do. While the portal is away nobody can."""
    try:
        active = [job for job in made.people["staff"].jobs() if job["state"] not in (*ENDED, "paused")]
    except Exception:  # away
        return
    if len(active) < WAITING:
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
