"""Documents of rehearsals, as `jobs.rehearsal.document` says they look."""

from __future__ import annotations

from typing import Any

from jobs.rehearsal.document import Document

FIX = {"label": "Use 512", "changes": {"data.max_length": 512}, "action": None}
FINDING = {"code": "rehearsal.no-gradient", "severity": "error", "field": "lora.target_modules",
           "message": "No gradient reached <b>w1</b>.", "fix": FIX, "fixes": [FIX]}  # fmt: skip
WARNING = FINDING | {"severity": "warning", "code": "rehearsal.nothing-trained", "message": "Row 4 trains nothing."}
NOT_POSSIBLE = {"code": "rehearsal.not-possible", "severity": "error", "field": None, "fix": None, "fixes": [],
                "message": "This job could not be rehearsed: no stand-in."}  # fmt: skip


def document(state: str = "passed", **changes: Any) -> Document:
    plain: Any = {
        "state": state,
        "reason": "",
        "findings": [],
        "proved": [
            {"code": "targets-trained", "text": "Every LoRA target got a gradient.",
             "evidence": {"modules": 56, "targets": ["q_proj", "v_proj"], "smallest_gradient": 0.00012}},
            {"code": "starts", "text": "It starts.", "evidence": {}},
        ],
        "rows": [
            {"line": 17, "why": "longest, most turns", "tokens": 812, "trained_tokens": 300, "cut": True},
            {"line": 4, "why": "shortest", "tokens": 9, "trained_tokens": 0, "cut": False},
        ],
        "seconds": {"stand_in": 0.4, "train": 1.2, "save": 0.3, "total": 2.1},
        "libraries": {"trl": "1.16.0"},
        "reference": "",
        "log": "",
    }  # fmt: skip
    rehearsed: Document = {**plain, **changes}
    return rehearsed


def stopped() -> Document:
    return document("stopped", findings=[FINDING], proved=[], rows=[])


def not_rehearsed() -> Document:
    return document("not_rehearsed", reason="It has 7 B parameters in one layer.", proved=[], rows=[])
