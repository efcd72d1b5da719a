"""What a rehearsal answers, in plain JSON values. It brings in nothing heavy, so the portal may import it."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

State = Literal["passed", "stopped", "not_rehearsed"]


class TellingRow(TypedDict):
    """A row that was chosen for a rehearsal: its line in the dataset, why it was chosen, and what the trainer reads."""

    line: int
    why: str
    row: dict[str, Any]


class TokenisedRow(TypedDict):
    """What became of a telling row. For preference rows both answers count, with the prompt once."""

    line: int
    why: str
    tokens: int
    trained_tokens: int
    cut: bool


class Proof(TypedDict):
    """One thing that was shown to hold: its code, a sentence for people, and the numbers behind it."""

    code: str
    text: str
    evidence: dict[str, Any]


class Document(TypedDict):
    """`passed`: trained, saved and loaded again; findings may still warn. `stopped`: a finding is an error.
    `not_rehearsed`: no stand-in could be made, for the reason given."""

    state: State
    reason: str
    findings: list[dict[str, Any]]
    proved: list[Proof]
    rows: list[TokenisedRow]
    seconds: dict[str, float]
    libraries: dict[str, str]
    reference: str
    log: str
