"""What a rehearsal answered, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import humanize

from .models import Job
from .rulebook.words import names
from .shown_findings import ShownFinding, stored_finding

WORDS = {
    "passed": ("Rehearsed: it works", "is-good"),
    "stopped": ("Rehearsed: it would fail", "is-bad"),
    "not_rehearsed": ("Not rehearsed", "is-warn"),
}
LONGEST = 300
TRIES = ("It starts and reads every chosen row.", "The loss is a number, and every LoRA target learns.",
         "The adapter is saved, loads again and gives the same answers.",
         "The end of a turn is among what is trained.")  # fmt: skip
"""What a rehearsal sets out to prove, said while it is under way."""


@dataclass(frozen=True)
class ShownProof:
    """A sentence, and the numbers behind it."""

    text: str
    evidence: list[tuple[str, str]]


@dataclass(frozen=True)
class ShownRehearsal:
    """A document of `jobs.rehearsal.document` in words. `rows` are its rows as they came."""

    state: str
    title: str
    tone: str
    reason: str
    findings: list[ShownFinding]
    proofs: list[ShownProof]
    rows: list[Mapping[str, Any]]
    took: str
    libraries: str
    reference: str
    log: str

    @property
    def is_quiet(self) -> bool:
        """Nobody has to look at it."""
        return self.state == "passed" and not self.findings


def shown_rehearsal(document: Mapping[str, Any], findings: list[ShownFinding]) -> ShownRehearsal:
    """`findings` are those of the document, with buttons where the page can act on them."""
    title, tone = WORDS[document["state"]]
    return ShownRehearsal(
        state=document["state"],
        title=title,
        tone=tone,
        reason=document.get("reason") or "",
        findings=findings,
        proofs=[ShownProof(each["text"], list(_evidence(each["evidence"]))) for each in document.get("proved") or ()],
        rows=list(document.get("rows") or ()),
        took=_took(document.get("seconds") or {}),
        libraries=", ".join(f"{name} {version}" for name, version in (document.get("libraries") or {}).items()),
        reference=document.get("reference") or "",
        log=document.get("log") or "",
    )


def rehearsal_of(job: Job) -> ShownRehearsal | None:
    """The rehearsal a job has been through. A job cannot be changed any more, so its findings have no buttons."""
    document = job.rehearsal.document if job.rehearsal else None
    if not document:
        return None
    return shown_rehearsal(document, [stored_finding(finding) for finding in document.get("findings") or ()])


def _evidence(evidence: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in evidence.items():
        if value not in (None, "", [], {}):
            yield name.replace("_", " "), _worded(value)


def _worded(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return humanize.intcomma(value)
        case float():
            return f"{value:.4g}"
        case list() if all(isinstance(each, str | int | float) for each in value):
            return names([_worded(each) if not isinstance(each, str) else each for each in value])
        case dict():
            return names([f"{name} × {_worded(each)}" for name, each in value.items()])
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _took(seconds: Mapping[str, float]) -> str:
    total = seconds.get("total")
    return f"{total:.1f} s" if total else ""
