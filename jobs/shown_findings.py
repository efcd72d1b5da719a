"""Findings as a page shows them: in words, with the buttons that fix them and the field they point at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from .display import as_text
from .models import Job
from .rulebook import Finding, Report
from .rulebook.settings_table import SETTINGS


@dataclass(frozen=True)
class FixButton:
    """A button. Its value names finding and fix, so that the server can find them again in its own report."""

    label: str
    value: str


@dataclass(frozen=True)
class ShownFinding:
    """One finding on a page."""

    code: str
    severity: str
    field: str | None
    message: str
    fixes: tuple[FixButton, ...]

    @property
    def target(self) -> str:
        """Id of the input it is about."""
        return input_id(self.field) if self.field and self.field in SETTINGS else ""

    @property
    def label(self) -> str:
        return SETTINGS[self.field].label if self.field and self.field in SETTINGS else "The job"


def input_id(path: str) -> str:
    """Ids carry no dots: a dot begins a class in a selector."""
    return "id_" + path.replace(".", "-")


def shown_findings(report: Report) -> tuple[ShownFinding, ...]:
    """All findings of a report. Fixes are counted through all findings of the same code and field."""
    counted: Counter[tuple[str, str | None]] = Counter()
    return tuple(_shown(finding, counted) for finding in report)


def _shown(finding: Finding, counted: Counter[tuple[str, str | None]]) -> ShownFinding:
    key = finding.code, finding.field
    first = counted[key]
    counted[key] += len(finding.fixes)
    fixes = tuple(
        FixButton(fix.label, f"{finding.code}|{finding.field or ''}|{first + index}")
        for index, fix in enumerate(finding.fixes)
    )
    return ShownFinding(finding.code, str(finding.severity), finding.field, finding.message, fixes)


def stored_finding(finding: Mapping[str, Any]) -> ShownFinding:
    """A finding as a job keeps it. What was wrong then cannot be fixed on that job any more."""
    return ShownFinding(finding["code"], finding["severity"], finding.get("field"), finding["message"], ())


def fix_links(job: Job) -> list[tuple[str, str]]:
    """What would mend the job's error: label, and address of a new job's form with the fix in it."""
    fixes = (job.error or {}).get("fixes") or ()
    return [(fix["label"], f"{reverse('jobs:new')}?{_query(job, fix['changes'])}") for fix in fixes]


def _query(job: Job, changes: Mapping[str, Any]) -> str:
    return urlencode({"from": job.pk, **{path: as_text(value) for path, value in changes.items()}})
