"""There is a machine that takes the job."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Severity


@rule(
    code="machine.takes-no-jobs",
    severity=Severity.WARNING,
    message="The job would wait in the queue. {why}",
    breaks={"nothing_starts": "No machine takes jobs at present."},
)
def takes_no_jobs(nothing_starts: str) -> Broken | None:
    """A job that waits for a machine that is switched off, closed or full looks like any other that waits its turn."""
    return broken(why=nothing_starts) if nothing_starts else None
