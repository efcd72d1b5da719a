"""A job as its page polls it: state, progress, new events, end of the log."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from finetune_site.people import PersonRequest

from .metrics import curve
from .models import Job
from .progress import starts_again
from .run_folder import Event, RunFolder
from .shown_attempts import attempt_folder, resumed_at
from .waiting import Outlook, mark

LOG_BYTES = 48_000
POINTS = 1000
UNRECORDED = 128 << 10
"""Bytes of events that the curve in the database may still be without: well over what a `Recorder` holds back."""
DRAWN = ("step", "eval", "stage")


@require_safe
def events(request: PersonRequest, pk: int) -> HttpResponse:
    """News since byte `after` of the events of attempt `attempt`; of another attempt, its curve as far as it is known.

    The curve runs over all attempts; where events repeat steps of it, they replace what it says from there on.
    """
    visible = Job.objects.visible_to(request.user).defer("facts", "findings", "spec", "result")
    job = get_object_or_404(visible, pk=pk)
    same = request.GET.get("attempt") == str(job.attempt)
    folder = RunFolder(job.run_dir)
    found, cursor = folder.events(_number(request.GET.get("after")) if same else _near_the_end(folder))
    drawn = [_drawn(event) for event in found if event.get("event") in DRAWN or starts_again(event)]
    news = {"attempt": job.attempt, "after": cursor, "reset": not same, "more": bool(found), "events": drawn}
    curve_so_far = {} if same else {"curve": curve(job, POINTS)}
    return JsonResponse(news | curve_so_far | _row(job) | _log(job, request.GET.get("log", "")))


@require_safe
def log(request: PersonRequest, pk: int) -> HttpResponse:
    """The whole end of the log of an attempt as plain text; of the latest unless `attempt` says which."""
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    folder = attempt_folder(job, request.GET.get("attempt"))
    return HttpResponse(folder.log_tail(20 * LOG_BYTES), content_type="text/plain; charset=utf-8")


def _near_the_end(folder: RunFolder) -> int:
    """From where one reading reaches the last event: the database may not have the last seconds of the curve yet."""
    try:
        return max(0, folder.events_file.stat().st_size - UNRECORDED)
    except FileNotFoundError:
        return 0


def _drawn(event: Event) -> Event:
    """A run that goes back to its first step says so in findings; the page only needs to know that."""
    return {"event": "again"} if starts_again(event) else event


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 16 else 0


def _row(job: Job) -> dict[str, Any]:
    wait = Outlook().of(job)
    return {
        "state": job.state,
        "shown": mark(job, wait),
        "waits": wait is not None,
        "resumed": resumed_at(job) if job.attempt > 1 else [],
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
