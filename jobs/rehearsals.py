"""Rehearses jobs before they are queued: what is asked of the warm process, what is remembered, what follows."""

from __future__ import annotations


def run(job_pk: int) -> None:
    """Rehearse a job that is being checked, then queue or refuse it. A task of the light queue; may be run twice."""
    raise NotImplementedError
