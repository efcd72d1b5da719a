"""python -m tests.accuracy: see the package for what it does, `--help` for what it takes."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .records import ROOT, Records

if TYPE_CHECKING:
    from .case import Case
    from .judge import Judge

KEPT = ROOT / "var" / "accuracy"


def main() -> int:
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="foretune-accuracy-") as home:
        _start_django(Path(home))
        from . import table
        from .lab import Lab
        from .models import Folders
        from .warm import Warm

        cases = _chosen(asked.cases, asked.seed)
        print(f"{len(cases)} cases.", flush=True)
        lab, warm = Lab(Path(home) / "lab.log"), Warm(Path(home) / "warm" / "socket")
        results: list[dict[str, Any]] = []
        try:
            judge = _judge(lab, warm, Path(home))
            for result in _judged(cases, judge, Folders(KEPT, lab), asked.minutes, asked.again):
                results.append(result)  # noqa: PERF402 - those before an interruption count
        except KeyboardInterrupt:
            print(f"Interrupted; {len(cases) - len(results)} cases are left for another time.", file=sys.stderr)
        finally:
            warm.close()
            lab.close()
        print("\n".join(table.lines(results)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make accuracy", description=__doc__)
    parser.add_argument(
        "--cases", default="", help="how many, or a pattern of names such as arch/*; several with commas"
    )
    parser.add_argument("--minutes", type=float, default=0, help="stop after so many; what was found is remembered")
    parser.add_argument("--seed", type=int, default=1, help="of the mixtures and of the order")
    parser.add_argument("--again", action="store_true", help="try again what is remembered")
    return parser.parse_args()


def _start_django(home: Path) -> None:
    os.environ.update(
        FORETUNE_HOME=str(home),
        FORETUNE_LOCAL_ROOTS=str(KEPT),
        FORETUNE_OFFLINE="true",
        HF_HUB_OFFLINE="1",
        DJANGO_SETTINGS_MODULE="finetune_site.settings",
    )
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _chosen(wanted: str, seed: int) -> list[Case]:
    from .cases import own_cases
    from .public_sample import public_cases

    public, left_out = public_cases()
    for reason, names in left_out.items():
        print(f"{len(names)} cases of the sample are left out: {reason}.")
    own = own_cases(seed)
    cases = [case for pair in _dealt(public, own) for case in pair]
    if wanted.isdigit():
        return cases[: int(wanted)]
    patterns = [pattern for pattern in wanted.split(",") if pattern]
    return [case for case in cases if not patterns or any(fnmatch(case.name, pattern) for pattern in patterns)]


def _dealt(public: list[Case], own: list[Case]) -> Iterator[list[Case]]:
    """One of the sample for every few of our own, so that both are in the first hundred."""
    share = max(1, len(own) // len(public)) if public else 1
    for number in range(max(len(public), -(-len(own) // share))):
        yield [*public[number : number + 1], *own[number * share : (number + 1) * share]]


def _judge(lab: Any, warm: Any, home: Path) -> Judge:
    from .judge import Judge
    from .models import Folders
    from .portal import Portal

    portal = Portal(Folders(KEPT, lab).at_hand(), home / "scratch", warm)
    return Judge(portal, lab, Records(KEPT), home / "scratch")


def _judged(cases: list[Case], judge: Judge, folders: Any, minutes: float, again: bool) -> Iterator[dict[str, Any]]:
    until = time.monotonic() + minutes * 60
    for number, case in enumerate(cases, 1):
        known = None if again else judge.records.result(case.key)
        if known is None:
            if minutes and time.monotonic() > until:
                print(f"{len(cases) - number + 1} cases are left for another time.", file=sys.stderr)
                return
            known = judge.judged_anyway(case, folders).as_dict()
            print(f"{number:5} of {len(cases)} {known['cell']:16} {case.name} {','.join(known['errors'])} "
                  f"{known['what'][:80]} {' '.join(known['symptoms'])}", flush=True)  # fmt: skip
        yield {**known, "name": case.name}


if __name__ == "__main__":
    sys.exit(main())
