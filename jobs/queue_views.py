"""The page of the queue, and cancelling what one has waiting there."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from finetune_site.people import PersonRequest

from .queue_lines import queue_for
from .services import cancel_waiting

MOST_SHOWN = 50


@require_safe
def queue(request: PersonRequest) -> HttpResponse:
    """What runs and what waits, everybody's; the names of one's own only."""
    page = {"queue": queue_for(request.user, MOST_SHOWN)}
    return render(request, "jobs/_queue.html" if request.htmx else "jobs/queue.html", page)


@require_POST
def cancel(request: PersonRequest) -> HttpResponse:
    """Cancel all of one's own jobs that wait."""
    cancelled = cancel_waiting(by=request.user)
    said = f"{len(cancelled)} waiting job{'' if len(cancelled) == 1 else 's'} cancelled."
    messages.success(request, said if cancelled else "None of your jobs was waiting, so nothing was cancelled.")
    return redirect("queue:page")
