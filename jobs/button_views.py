"""The buttons of one job: what each asks the services for, and what is said when they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from finetune_site.people import PersonRequest

from . import services
from .models import Job, State
from .services import HasEnded, NotAllowed, NotNow, Refused
from .shown_findings import stored_finding
from .views import visible_job


@require_POST
def cancel(request: PersonRequest, pk: int) -> HttpResponse:
    return _done(request, visible_job(request, pk), services.cancel, "cancel")


@require_POST
def pause(request: PersonRequest, pk: int) -> HttpResponse:
    return _done(request, visible_job(request, pk), services.pause, "pause")


@require_POST
def resume(request: PersonRequest, pk: int) -> HttpResponse:
    return _done(request, visible_job(request, pk), services.resume, "resume")


SAID: dict[str, Callable[[Job], str]] = {
    "cancel": lambda job: "The job is cancelled." if job.state == State.CANCELLED else "The job is being cancelled.",
    "pause": lambda job: (
        "The job is paused and keeps its place."
        if job.state == State.PAUSED
        else "The job is being paused: it saves a checkpoint first."
    ),
    "resume": lambda job: (
        "The job waits in the queue again, at its old place."
        if job.state == State.QUEUED
        else "The job goes on: it is no longer asked to pause."
    ),
}


def _done(request: PersonRequest, job: Job, verb: Callable[..., Job], name: str) -> HttpResponse:
    try:
        job = verb(job=job, by=request.user)
    except HasEnded:
        messages.warning(request, f"The job had already ended, so there was nothing to {name}.")
    except NotNow as refused:
        messages.warning(request, str(refused))
    else:
        messages.success(request, SAID[name](job))
    return redirect(job)


@require_POST
def priority(request: PersonRequest, pk: int) -> HttpResponse:
    """Its owner may put a job behind others, staff before them too."""
    job, given = visible_job(request, pk), request.POST.get("priority", "")
    try:
        job = services.set_priority(job=job, by=request.user, priority=read_priority(given))
    except HasEnded:
        messages.warning(request, "The job has ended, so its priority means nothing any more.")
    except NotAllowed:
        messages.error(request, "Only administrators may let a job go before those of others.")
    except ValueError:
        messages.error(request, f"A priority is a whole number from {-HIGHEST} to {HIGHEST}; “{given[:20]}” was given.")
    else:
        messages.success(request, f"The priority of the job is {job.priority} now.")
    return redirect(job)


HIGHEST = 10


def read_priority(given: object) -> int:
    """A whole number from -10 to 10; raises ValueError for anything else."""
    number = int(given) if isinstance(given, int | str) and not isinstance(given, bool) else HIGHEST + 1
    if abs(number) > HIGHEST:
        raise ValueError
    return number


@require_POST
def continue_(request: PersonRequest, pk: int) -> HttpResponse:
    """Train the weights that a job has left for some epochs more, as a new job; new warnings are to be read first."""
    job, given = visible_job(request, pk), request.POST.get("epochs", "")
    try:
        epochs, confirmed = read_epochs(given), bool(request.POST.get("confirmed"))
        return redirect(services.continue_(job=job, by=request.user, epochs=epochs, confirmed=confirmed))
    except NotNow as refused:
        messages.warning(request, str(refused))
    except ValueError:
        messages.error(request, f"Epochs are a number above 0, such as 1 or 0.5; “{given[:20]}” was given.")
    except Refused as refused:
        findings = [stored_finding(finding) for finding in refused.report.as_dict()["findings"]]
        page = {"job": job, "epochs": given, "findings": findings, "ok": refused.report.ok}
        return render(request, "jobs/continue.html", page, status=422)
    return redirect(job)


def read_epochs(given: object) -> float:
    """A number above 0; raises ValueError for anything else."""
    number = float(given) if isinstance(given, int | float | str) and not isinstance(given, bool) else 0.0
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number


@require_POST
def retry(request: PersonRequest, pk: int) -> HttpResponse:
    """The same settings once more; where they no longer pass, the form with what is wrong."""
    return _again(request, visible_job(request, pk))


@require_POST
def start_anyway(request: PersonRequest, pk: int) -> HttpResponse:
    """A refused job once more, with what it was refused for accepted."""
    return _again(request, visible_job(request, pk), anyway=True)


def _again(request: PersonRequest, job: Job, *, anyway: bool = False) -> HttpResponse:
    try:
        again = services.retry(job=job, by=request.user, anyway=anyway)
    except Refused:
        messages.error(request, "These settings cannot be started as they are. The form shows what to change.")
        return redirect(f"{reverse('jobs:new')}?from={job.pk}")
    return redirect(again)
