"""What a rehearsal tells about failures: of a handful of rows it says so, and what nobody foresaw it quotes."""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jobs.rulebook import Finding, Fix, Severity
from jobs.trainer.failures import finding_for
from jobs.trainer.folder import LINE
from jobs.trainer.run_file import RunFile

OF_ROWS = ("measured.", "trainer.end-untrained", "trainer.nothing-to-learn")
"""Findings that count rows. The trainer counts all of them, a rehearsal a handful."""
OF_SOME_ROWS = ("measured.rows-cut", "measured.rows-lost", "measured.pairs-cut-alike")
"""Those about a part of the rows are no reason to ask again: the handful was chosen for its extremes."""
MOST_WORDS = 500
"""Characters of a library's own words that a finding quotes."""


def explain(error: Exception, run: RunFile, rows: int) -> tuple[Finding, str]:
    """The finding for what stopped the rehearsal, and the reference of one that nobody foresaw, else nothing."""
    line = line_of(error)
    if finding := finding_for(error, run):
        return _at_line(of_the_rows_tried(finding, rows), line), ""
    reference = uuid.uuid4().hex[:8]
    return unforeseen(error, reference, line), reference


def unforeseen(error: Exception, reference: str, line: int | None = None) -> Finding:
    words = " ".join(str(error).split())[:MOST_WORDS]
    where = f" at line {line} of the dataset" if line else ""
    message = (
        f"The rehearsal stopped{where} with an error that nobody foresaw, and so would the job: "
        f"{type(error).__name__}{f': {words}' if words else ''}. Give your administrator the reference {reference}."
    )
    return Finding("rehearsal.unforeseen", Severity.ERROR, None, message)


def of_the_rows_tried(finding: Finding, rows: int) -> Finding:
    """A finding of the trainer that counts rows, said of those that were tried."""
    if not finding.code.startswith(OF_ROWS):
        return finding
    tried = f"In the {rows} rows that were tried" if rows > 1 else "In the one row that was tried"
    message = f"{tried}: {finding.message[0].lower()}{finding.message[1:]}"
    severity = Severity.ADVICE if finding.code in OF_SOME_ROWS else finding.severity
    return replace(finding, message=message, severity=severity)


def read_finding(told: Mapping[str, Any]) -> Finding:
    """A finding from an event. Fixes that do more than change settings are not the trainer's to offer."""
    fixes = tuple(Fix(fix["label"], fix["changes"]) for fix in told["fixes"] if not fix["action"])
    return Finding(told["code"], Severity(told["severity"]), told["field"], told["message"], fixes)


def _at_line(finding: Finding, line: int | None) -> Finding:
    if line is None or finding.field != "data.dataset" or f"line {line}" in finding.message:
        return finding
    return replace(finding, message=f"{finding.message} It happened at line {line} of the dataset.")


def line_of(error: BaseException) -> int | None:
    """The line of the row that was being read when it happened, as the functions that were at work remember it."""
    for frame in _frames(error):
        row = frame.get("example")
        if isinstance(row, Mapping) and isinstance(row.get(LINE), int):
            return int(row[LINE])
    return None


def _frames(error: BaseException) -> Iterator[Mapping[str, Any]]:
    cause: BaseException | None = error
    while cause is not None:
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            yield frame.f_locals
        cause = cause.__cause__
