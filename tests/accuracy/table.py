"""Prints how often the check was right, and every case in which it was not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import quantiles
from typing import Any

CELLS = ("accepted_ok", "accepted_failed", "accepted_silent", "refused_ok", "refused_bad")
WORDS = {
    "accepted_failed": "Accepted, but failed",
    "accepted_silent": "Accepted without a word, but silently wrong",
    "refused_ok": "Refused, but would have been fine",
}


def summary(results: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The numbers of the public contract. `refused_ok` were refused although they would have been fine."""
    cells = Counter(result["cell"] for result in results)
    fixes = [fix for result in results for fix in result["fixes"]]
    counts = {"cases": len(results), **{cell: cells[cell] for cell in CELLS}}
    return {**counts, "fixes_offered": len(fixes), "fixes_that_cure": sum(fix["cures"] for fix in fixes)}


def lines(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The whole report, ending with one line of JSON."""
    for cell, words in WORDS.items():
        wrong = [result for result in results if result["cell"] == cell]
        yield f"\n{words}: {len(wrong)}"
        yield from (f"  {_named(result)}" for result in wrong)
    useless = [(result["name"], fix) for result in results for fix in result["fixes"] if not fix["cures"]]
    yield f"\nFixes that do not cure: {len(useless)}"
    yield from (f"  {name} | {fix['code']} | {fix['label']} | {fix['why']}" for name, fix in useless)
    yield ""
    yield from _confusion(results)
    yield from _times(results)
    yield json.dumps(summary(results))


def _named(result: dict[str, Any]) -> str:
    said = ", ".join(result["errors"]) or "nothing"
    return f"{result['name']} | said {said} | {result['outcome']} {result['what']} {' '.join(result['symptoms'])}"


def _confusion(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    seen = Counter((not result["errors"], result["outcome"]) for result in results)
    told = sum(result["cell"] == "accepted_ok" and result["outcome"] == "silent" for result in results)
    yield f"{'The check says':16}{'trains':>8}{'fails':>8}{'silent':>8}"
    for accepted, word in ((True, "accepted"), (False, "refused")):
        yield f"{word:16}" + "".join(f"{seen[accepted, outcome]:8}" for outcome in ("trains", "fails", "silent"))
    yield f"Of the {seen[True, 'silent']} silent ones that were accepted, {told} were with a warning that names it."


def _times(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    for name in ("check", "rehearse", "train"):
        times = sorted(filter(None, (result["seconds"][name] for result in results)))
        if len(times) > 1:
            most = quantiles(times, n=20)[-1]
            yield f"Seconds to {name}: median {times[len(times) // 2]:.2f}, 95 of 100 within {most:.2f}"
