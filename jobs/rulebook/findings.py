"""What a check answers: findings, each with its fixes, gathered in a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding weighs: an error blocks, a warning wants a confirmation, advice is only said."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True)
class Action:
    """What a fix does beyond changing settings, such as converting the dataset.

    `name` is one of `convert-dataset` (`to`: a dataset format) and `download-model` (`model`: its name).
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.arguments}


@dataclass(frozen=True)
class Fix:
    """One offered way to mend a finding: the label of its button and the settings it changes, by dotted name."""

    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    action: Action | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "changes": {path: _plain(value) for path, value in self.changes.items()},
            "action": self.action.as_dict() if self.action else None,
        }


def _plain(value: Any) -> Any:
    """Tuples become lists, so that a finding reads the same before and after JSON."""
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, risky or improvable about a job."""

    code: str
    severity: Severity
    field: str | None
    message: str
    fixes: tuple[Fix, ...] = ()

    @property
    def fix(self) -> Fix | None:
        """The fix we would press first."""
        return self.fixes[0] if self.fixes else None

    def as_dict(self) -> dict[str, Any]:
        """The public shape: `fix` is the first one, `fixes` are all of them."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "field": self.field,
            "message": self.message,
            "fix": self.fix.as_dict() if self.fix else None,
            "fixes": [fix.as_dict() for fix in self.fixes],
        }


@dataclass(frozen=True)
class Report:
    """All findings of one check, and the rules that could not be asked with the facts they missed."""

    findings: tuple[Finding, ...] = ()
    unasked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is severity)

    @property
    def errors(self) -> tuple[Finding, ...]:
        return self.of(Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return self.of(Severity.WARNING)

    @property
    def ok(self) -> bool:
        """Nothing blocks the job; warnings may still want a confirmation."""
        return not self.errors

    def with_findings(self, found: Iterable[Finding]) -> Report:
        """This report with more findings in it, what weighs most still first."""
        findings = sorted((*self.findings, *found), key=lambda finding: list(Severity).index(finding.severity))
        return Report(tuple(findings), self.unasked)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "findings": [finding.as_dict() for finding in self.findings],
            "unasked": {code: list(facts) for code, facts in self.unasked.items()},
        }
