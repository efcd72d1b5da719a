"""The history of jobs, the page of one job, and its files."""

from __future__ import annotations

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from finetune_site.people import PersonRequest

from .artifact_files import artifact_path, send_all, send_file
from .display import rows
from .filters import PageFilter
from .foresight import foresight
from .models import Job
from .predicted import compared, retried
from .shown_attempts import shown_attempts
from .shown_findings import fix_links, stored_finding
from .shown_rehearsal import TRIES, rehearsal_of
from .shown_state import can_continue, priorities
from .tables import JobTable
from .waiting import Outlook, mark


@require_safe
def jobs(request: PersonRequest) -> HttpResponse:
    """One's own jobs; staff see everybody's, with their owners."""
    visible = Job.objects.visible_to(request.user)
    narrowed = PageFilter(request.GET, queryset=visible)
    table = JobTable.of(narrowed.qs, request, narrowed.most_counted)
    page = {"table": table, "filter": narrowed, "any": bool(table.paginator.count) or visible.exists()}
    return render(request, "jobs/_history.html" if request.htmx else "jobs/list.html", page)


@require_safe
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    job = visible_job(request, pk)
    wait, attempts = Outlook().of(job), shown_attempts(job)
    page = {
        "job": job,
        "wait": wait,
        "shown": mark(job, wait),
        "attempts": attempts,
        "resumed_at": next((each.first_step for each in attempts if each.number == job.attempt), None),
        "can_continue": can_continue(job),
        "priorities": priorities(job, request.user),
        "rows": rows(job.spec, job.facts),
        "transitions": job.transitions.select_related("by"),
        "findings": [stored_finding(finding) for finding in job.findings],
        "error": stored_finding(job.error) if job.error else None,
        "foresight": foresight(job),
        "fixes": fix_links(job),
        "artifacts": job.result.get("artifacts", []),
        "rehearsal": rehearsal_of(job),
        "tries": TRIES,
        "compared": compared(job),
        "retried": retried(job),
    }
    return render(request, "jobs/detail.html", page)


@require_safe
def artifact(request: PersonRequest, pk: int, name: str) -> StreamingHttpResponse:
    return send_file(request, artifact_path(visible_job(request, pk), name))


@require_safe
def archive(request: PersonRequest, pk: int) -> StreamingHttpResponse:
    return send_all(request, visible_job(request, pk))


def visible_job(request: PersonRequest, pk: int) -> Job:
    """A job this person may see; anybody else's is not found."""
    return get_object_or_404(
        Job.objects.visible_to(request.user).select_related("owner", "dataset", "confirmed_by", "rehearsal"), pk=pk
    )
