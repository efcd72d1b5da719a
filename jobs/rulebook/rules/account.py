"""What one person may ask of the portal."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..words import count


@rule(
    code="account.too-many-jobs",
    severity=Severity.ERROR,
    message="You have {active} that {have} not ended, and {limit} at a time is the limit. Wait for one to end, or "
    "cancel one.",
    breaks={"active_jobs": 5, "active_jobs_limit": 5},
)
def too_many_jobs(active_jobs: int, active_jobs_limit: int) -> Broken | None:
    """The machines are shared; without a limit one person's sweep keeps everybody else waiting."""
    if active_jobs < active_jobs_limit:
        return None
    have = "has" if active_jobs == 1 else "have"
    return broken(active=count(active_jobs, "job"), have=have, limit=active_jobs_limit)
