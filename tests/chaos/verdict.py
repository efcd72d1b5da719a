"""What a campaign has proved."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from . import evidence
from .blows import Blows
from .evidence import Life
from .wishes import STEPS, Wishes
from .witness import Witness
from .world import World

MOST_SECONDS_UNTRUE = 30.0
"""How long a page may say that a job runs while nothing of it runs."""
CRASHES, LOST = 3, 10
"""Deaths in a row without progress after which a job is rightly given up: its own, and such with all that watched."""
ENDED = ("succeeded", "failed", "cancelled", "refused")
SECONDS_TO_CANCEL = 15.0
"""After a wish to cancel, how long a training may still come to its own good end."""


@dataclass
class Verdict:
    """The numbers of the contract, and the faults in words."""

    jobs: int = 0
    attempts: int = 0
    kills: int = 0
    lost: int = 0
    twice: int = 0
    gpu_shared: int = 0
    wrong_state: int = 0
    steps: int = 0
    steps_repeated: int = 0
    untrue_seconds: float = 0.0
    differing_losses: int = 0
    states: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    PUBLIC = ("jobs", "attempts", "kills", "lost", "twice", "gpu_shared", "wrong_state", "steps", "steps_repeated")

    @property
    def holds(self) -> bool:
        return not self.faults

    @classmethod
    def sum(cls, verdicts: Iterable[Verdict]) -> dict[str, int]:
        """What the contract asks for, over all databases."""
        every = list(verdicts)
        return {name: sum(getattr(each, name) for each in every) for name in cls.PUBLIC}


def judge(made: World, wishes: Wishes, blows: Blows, witness: Witness) -> Verdict:
    found = evidence.lives(made.runs)
    jobs = {pk: made.people["staff"].job(pk) for pk in wishes.kinds}
    steps, repeated = evidence.steps_made(found)
    verdict = Verdict(
        jobs=len(jobs),
        attempts=sum(jobs[pk]["attempt"] for pk in jobs),
        kills=sum(blows.struck.values()),
        steps=steps,
        steps_repeated=repeated,
        untrue_seconds=round(witness.longest_lie, 1),
        states=Counter(job["state"] for job in jobs.values()),
        struck=blows.struck,
    )
    lost = [pk for pk, job in jobs.items() if job["state"] not in ENDED]
    twice, shared = evidence.run_twice(found), evidence.shared_a_place(found)
    differing = evidence.differing_losses(found, lambda pk: wishes.kinds.get(pk, "?"))
    wrong = [why for pk, job in jobs.items() if pk not in lost and (why := wrong_end(job, wishes, made.runs, found))]
    wrong += [f"Job {life.job} attempt {life.attempt} began at {life.resumed_at}, before its last checkpoint."
              for life in evidence.went_back_too_far(found)]  # fmt: skip
    verdict.lost, verdict.twice, verdict.gpu_shared = len(lost), len(twice), len(shared)
    verdict.wrong_state, verdict.differing_losses = len(wrong), len(differing)
    verdict.faults = [
        *(f"Job {pk} is still {jobs[pk]['state']}: {jobs[pk]['progress']}" for pk in lost),
        *(f"Attempts {one.attempt} and {other.attempt} of job {one.job} ran at once." for one, other in twice),
        *(f"Jobs {one.job} and {other.job} shared a place." for one, other in shared),
        *wrong,
        *(f"{kind}, step {step}: losses {sorted(losses)}" for kind, step, losses in differing),
        *(f"Not accepted: {text}" for text in wishes.refused),
    ]
    if (
        not any(life.losses for life in found)
        or not all(life.slots for life in found if life.losses)
        or not witness.looks
    ):
        verdict.faults.append("Nothing was trained, or no trainer said where, or nobody looked: this proves nothing.")
    if witness.longest_lie > MOST_SECONDS_UNTRUE:
        verdict.faults.append(f"Job {witness.liar} was shown as running for {witness.longest_lie:.0f} s after its end.")
    return verdict


def wrong_end(job: Mapping[str, Any], wishes: Wishes, runs: Path, found: Iterable[Life]) -> str:
    """Why this is not how the job should have ended, or nothing."""
    told = f"Job {job['id']} is {job['state']}: {job.get('error')}."
    mine = [life for life in found if life.job == job["id"]]
    asked = wishes.cancelled.get(job["id"])
    match job["state"]:
        case "cancelled":
            return "" if asked is not None else f"{told} Nobody asked for that."
        case "succeeded":
            late = asked is not None and max(life.last for life in mine) > asked + SECONDS_TO_CANCEL
            return f"{told} It had been cancelled." if late else incomplete(job, runs, mine)
        case "failed":
            return "" if gave_up(job, mine) else f"{told} It should have been tried again."
    return told


def incomplete(job: Mapping[str, Any], runs: Path, mine: Iterable[Life]) -> str:
    """What is missing of a job that is said to have succeeded: a step, or a file as it was written."""
    made = {step for life in mine for step in life.losses}
    if job["step"] != STEPS or made != set(range(1, STEPS + 1)):
        return f"Job {job['id']} succeeded with {len(made)} steps of {STEPS}."
    last = max(life.attempt for life in mine if life.finished)
    for artifact in job["artifacts"]:
        content = (runs / str(job["id"]) / str(last) / "output" / artifact["name"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != artifact["sha256"]:
            return f"Job {job['id']}: {artifact['name']} is not what was written."
    return "" if job["artifacts"] else f"Job {job['id']} succeeded without a result."


def gave_up(job: Mapping[str, Any], mine: Iterable[Life]) -> bool:
    """The last attempts all died before they had a checkpoint beyond those they began with."""
    most = LOST if job["error"]["code"] == "run.machine-stopped" else CRASHES
    last = [life for life in mine if life.attempt > job["attempt"] - most]
    return job["attempt"] >= most and not any(step > life.resumed_at for life in last for step in life.checkpoints)


def table(found: Mapping[str, Verdict]) -> Table:
    """One column a database: what was done to it, and what came of it."""
    drawn = Table(title="Chaos")
    drawn.add_column("")
    for name in found:
        drawn.add_column(name, justify="right")
    for label in (*Verdict.PUBLIC, "untrue_seconds", "differing_losses"):
        drawn.add_row(label.replace("_", " "), *(str(getattr(each, label)) for each in found.values()))
    drawn.add_section()
    for state in sorted({state for each in found.values() for state in each.states}):
        drawn.add_row(state, *(str(each.states[state]) for each in found.values()))
    drawn.add_section()
    for blow in sorted({blow for each in found.values() for blow in each.struck}):
        drawn.add_row(blow, *(str(each.struck[blow]) for each in found.values()))
    return drawn
