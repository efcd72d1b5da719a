"""The history of jobs and the page of one job, with what can be done there."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_tables2 import RequestConfig

from finetune_site.people import PersonRequest

from .artifact_files import artifact_path, send_all, send_file
from .display import rows
from .filters import PageFilter
from .models import Job
from .predicted import compared, retried
from .services import HasEnded, Refused
from .services import cancel as cancel_job
from .services import retry as retry_job
from .shown_attempts import shown_attempts
from .shown_findings import fix_links, stored_finding
from .shown_rehearsal import TRIES, rehearsal_of
from .tables import JobTable
from .waiting import Outlook, mark


@require_safe
def jobs(request: PersonRequest) -> HttpResponse:
    """One's own jobs; staff see everybody's, with their owners."""
    visible = Job.objects.visible_to(request.user).select_related("owner", "dataset", "base_model")
    narrowed = PageFilter(request.GET, queryset=visible)
    table = JobTable(narrowed.qs, exclude=() if request.user.is_staff else ("owner",))
    RequestConfig(request, paginate={"per_page": 20}).configure(table)
    page = {"table": table, "filter": narrowed, "any": bool(table.rows) or visible.exists()}
    return render(request, "jobs/_history.html" if request.htmx else "jobs/list.html", page)


@require_safe
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    job = _job(request, pk)
    wait, attempts = Outlook().of(job), shown_attempts(job)
    page = {
        "job": job,
        "wait": wait,
        "shown": mark(job, wait),
        "attempts": attempts,
        "resumed_at": next((each.first_step for each in attempts if each.number == job.attempt), None),
        "rows": rows(job.spec, job.facts),
        "transitions": job.transitions.select_related("by"),
        "findings": [stored_finding(finding) for finding in job.findings],
        "error": stored_finding(job.error) if job.error else None,
        "fixes": fix_links(job),
        "artifacts": job.result.get("artifacts", []),
        "rehearsal": rehearsal_of(job),
        "tries": TRIES,
        "compared": compared(job),
        "retried": retried(job),
    }
    return render(request, "jobs/detail.html", page)


@require_POST
def cancel(request: PersonRequest, pk: int) -> HttpResponse:
    job = _job(request, pk)
    try:
        cancel_job(job=job, by=request.user)
    except HasEnded:
        messages.warning(request, "The job had already ended, so there was nothing to cancel.")
    else:
        messages.success(request, "The job is being cancelled.")
    return redirect(job)


@require_POST
def retry(request: PersonRequest, pk: int) -> HttpResponse:
    """The same settings once more; where they no longer pass, the form with what is wrong."""
    return _again(request, _job(request, pk))


@require_POST
def start_anyway(request: PersonRequest, pk: int) -> HttpResponse:
    """A refused job once more, with what it was refused for accepted."""
    return _again(request, _job(request, pk), anyway=True)


def _again(request: PersonRequest, job: Job, *, anyway: bool = False) -> HttpResponse:
    try:
        again = retry_job(job=job, by=request.user, anyway=anyway)
    except Refused:
        messages.error(request, "These settings cannot be started as they are. The form shows what to change.")
        return redirect(f"{reverse('jobs:new')}?from={job.pk}")
    return redirect(again)


@require_safe
def artifact(request: PersonRequest, pk: int, name: str) -> StreamingHttpResponse:
    return send_file(request, artifact_path(_job(request, pk), name))


@require_safe
def archive(request: PersonRequest, pk: int) -> StreamingHttpResponse:
    return send_all(request, _job(request, pk))


def _job(request: PersonRequest, pk: int) -> Job:
    """A job this person may see; anybody else's is not found."""
    return get_object_or_404(
        Job.objects.visible_to(request.user).select_related("owner", "dataset", "confirmed_by", "rehearsal"), pk=pk
    )
