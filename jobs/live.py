"""A job as its page polls it: state, progress, new events, end of the log."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from finetune_site.people import PersonRequest

from .models import Job
from .progress import starts_again
from .run_folder import Event, RunFolder

LOG_BYTES = 48_000
DRAWN = ("step", "eval", "stage")


@require_safe
def events(request: PersonRequest, pk: int) -> HttpResponse:
    """News since byte `after` of the events of attempt `attempt`; of another attempt, all from its start."""
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    same = request.GET.get("attempt") == str(job.attempt)
    after = _number(request.GET.get("after")) if same else 0
    found, cursor = RunFolder(job.run_dir).events(after)
    drawn = [_drawn(event) for event in found if event.get("event") in DRAWN or starts_again(event)]
    news = {"attempt": job.attempt, "after": cursor, "reset": not same, "more": bool(found), "events": drawn}
    return JsonResponse(news | _row(job) | _log(job, request.GET.get("log", "")))


@require_safe
def log(request: PersonRequest, pk: int) -> HttpResponse:
    """The whole end of the log as plain text."""
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    return HttpResponse(RunFolder(job.run_dir).log_tail(20 * LOG_BYTES), content_type="text/plain; charset=utf-8")


def _drawn(event: Event) -> Event:
    """A run that goes back to its first step says so in findings; the page only needs to know that."""
    return {"event": "again"} if starts_again(event) else event


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 16 else 0


def _row(job: Job) -> dict[str, Any]:
    return {
        "state": job.state,
        "ended": not job.is_active,
        "step": job.step,
        "total_steps": job.total_steps,
        "metrics": job.metrics,
        "progress": job.progress,
    }


def _log(job: Job, known: str) -> dict[str, Any]:
    """The end of the log, left out while the page has it already. `log_mark` says which end that is."""
    try:
        size = RunFolder(job.run_dir).log_file.stat().st_size
    except FileNotFoundError:
        size = 0
    mark = f"{job.attempt}-{size}"
    return (
        {"log_mark": mark} if mark == known else {"log_mark": mark, "log": RunFolder(job.run_dir).log_tail(LOG_BYTES)}
    )
