"""python -m tests.chaos [--minutes 10] [--database sqlite|postgres|both] [--engine local] [--seed N]

Kills everything at random while real trainings run, then tells from what the trainers wrote whether any job was lost,
ran twice at once, shared its place, or ended otherwise than it should. Ends with one JSON line. Exit code 1 on a fault.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sys

from rich.console import Console

from .campaign import campaign
from .verdict import Verdict, table
from .world import world

ENGINES = ("local",)


def main() -> int:
    options = _options()
    databases = ("sqlite", "postgres") if options.database == "both" else (options.database,)
    found = {name: _run(name, options.minutes * 60, options.seed) for name in databases}
    Console().print(table(found))
    for name, verdict in found.items():
        for fault in verdict.faults:
            print(f"{name}: {fault}")
    print(json.dumps(Verdict.sum(found.values())))
    return 0 if all(verdict.holds for verdict in found.values()) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill at random, then judge.")
    parser.add_argument("--minutes", type=float, default=10, help="of killing, on each database")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--engine", choices=ENGINES, default="local", help="what runs the attempts")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    return parser.parse_args()


def _run(database: str, seconds: float, seed: int) -> Verdict:
    print(f"Chaos on {database} for {seconds:.0f} s, seed {seed}", flush=True)
    with world(postgres=database == "postgres") as made:
        return campaign(made, seconds=seconds, chance=random.Random(seed))  # noqa: S311 - to be repeated, not to be secret


if __name__ == "__main__":
    sys.exit(main())
