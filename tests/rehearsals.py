"""Rehearsals as tests need them: already held, or answered without a warm process."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from jobs.models import Rehearsal
from jobs.rehearsal.document import Document
from jobs.rulebook import Choices


def make_document(state: str = "passed", **changes: Any) -> Document:
    plain: Any = {
        "state": state,
        "reason": "",
        "findings": [],
        "proved": [{"code": "starts", "text": "The trainer starts.", "evidence": {}}] if state == "passed" else [],
        "rows": [],
        "seconds": {"total": 2.5},
        "libraries": {},
        "reference": "",
        "log": "",
    }
    document: Document = {**plain, **changes}
    return document


def make_finding(severity: str = "error", code: str = "rehearsal.no-gradient", **changes: Any) -> dict[str, Any]:
    plain = {"code": code, "severity": severity, "field": "lora.target_modules", "message": "No gradient reached w1."}
    return {**plain, "fix": None, "fixes": [], **changes}


def passed_before(choices: Choices, user: User) -> Rehearsal:
    """Stands in for `jobs.rehearsed.remembered` where a test is about something else."""
    return Rehearsal.objects.get_or_create(key="before", defaults={"document": make_document()})[0]
