"""The page of a new job: typing, taking an offered fix, looking at the summary, starting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from .form_page import JobPage
from .forms import JobForm, Stage, blank, filled_from
from .models import Job, OnUnrehearsed, OnWarning, Trial
from .rehearsed import NOT_POSSIBLE
from .review import TARGETS, NoSuchFix, apply_fix, choices_of
from .rulebook import Report
from .rulebook.settings_table import SETTINGS
from .services import Refused, submit
from .trials import try_out

OUTDATED = "That fix is no longer needed; the findings are up to date."
UNREAD = "Nothing has started yet: tick that you have read the warnings, then start."


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: PersonRequest) -> HttpResponse:
    """An empty form, or one filled from another job (`from`) or the address; a POST starts the job."""
    if request.method == "POST":
        return _start(request)
    filled = _filled(request)
    stage = Stage.TYPING if filled else Stage.FRESH
    form = JobForm(blank() | filled, user=request.user, stage=stage)
    return _draw(request, form.with_changes(form.suggestions()))


@require_POST
def check(request: PersonRequest) -> HttpResponse:
    """What the rulebook says to what has been typed so far, with what follows from it filled in."""
    form = JobForm(request.POST, user=request.user)
    changes = form.suggestions()
    return _draw(request, form.with_changes(changes), changes)


@require_POST
def fix(request: PersonRequest) -> HttpResponse:
    """Take one offered fix. The button says which; what it changes, the rulebook says again."""
    form = JobForm(request.POST, user=request.user)
    summary = "summary" in request.POST
    try:
        changes = _changes_of_fix(form, request.POST.get("fix", ""))
    except NoSuchFix:
        return _draw(request, form, summary=summary, notice=OUTDATED)
    except Problem as problem:
        return _draw(request, form, summary=summary, notice=problem.message)
    cured = form.with_changes(changes, stage=Stage.ASKED if summary else Stage.TYPING)
    follows = cured.suggestions()
    focus = next(iter(changes), "")
    return _draw(request, cured.with_changes(follows), changes | follows, summary=summary, focus=focus)


@require_POST
def tick(request: PersonRequest) -> HttpResponse:
    """LoRA targets from the boxes that are ticked in the model's tree."""
    form = JobForm(request.POST, user=request.user)
    tree = JobPage(form).tree
    changes = {TARGETS: tree.named(request.POST.getlist("tick"))} if tree else {}
    return _draw(request, form.with_changes(changes), changes)


@require_POST
def summary(request: PersonRequest) -> HttpResponse:
    """Everything that speaks for and against the job, before it starts."""
    return _draw(request, JobForm(request.POST, user=request.user, stage=Stage.ASKED), summary=True)


def _start(request: PersonRequest) -> HttpResponse:
    form = JobForm(request.POST, user=request.user, stage=Stage.ASKED)
    try:
        job = submit(
            choices=form.choices,
            user=request.user,
            confirmed="confirmed" in request.POST,
            on_warning=OnWarning.REFUSE,
            on_unrehearsed=OnUnrehearsed.START if "unrehearsed" in request.POST else OnUnrehearsed.REFUSE,
        )
    except Refused as refused:
        notice = _what_is_missing(refused.report)
        return _draw(request, form, summary=True, notice=notice, status=200 if request.htmx else 422)
    return HttpResponseClientRedirect(job.get_absolute_url()) if request.htmx else redirect(job)


def _what_is_missing(report: Report) -> str:
    """What the form itself does not show: ticks that are missing. Errors stand beside their fields."""
    if report.ok:
        return UNREAD
    return next((finding.message for finding in report.errors if finding.code == NOT_POSSIBLE), "")


@require_POST
def rehearse(request: PersonRequest) -> HttpResponse:
    """Try what has been typed so far with the real trainer; no job is started. The page then asks `check` for news."""
    form = JobForm(request.POST, user=request.user)
    return _draw(request, form, trial=try_out(form.choices, request.user))


def _trial(request: PersonRequest) -> Trial | None:
    """The rehearsal that the page says it has asked for."""
    pk = _number(request.POST.get("trial", ""))
    return Trial.objects.filter(owner=request.user, pk=pk).first() if pk else None


def _filled(request: PersonRequest) -> dict[str, Any]:
    """Settings to begin with: those of another job, and those named in the address."""
    named = {path: request.GET[path] for path in SETTINGS if path in request.GET}
    if "from" not in request.GET:
        return {f"seen:{path}": "" for path in named} | named
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=_number(request.GET["from"]))
    return filled_from(choices_of(job)) | named


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _changes_of_fix(form: JobForm, button: str) -> dict[str, Any]:
    """The settings that a fix replaces, by dotted name; its action has then been done."""
    code, field, index = [*button.split("|"), "", "", ""][:3]
    cured = apply_fix(form.choices, code=code, field=field or None, index=_number(index), user=form.user)
    before, after = form.choices.values, cured.values
    return {path: after.get(path) for path in SETTINGS if after.get(path) != before.get(path)}


def _draw(
    request: PersonRequest,
    form: JobForm,
    changes: Mapping[str, Any] | None = None,
    *,
    summary: bool = False,
    notice: str = "",
    focus: str = "",
    status: int = 200,
    trial: Trial | None = None,
) -> HttpResponse:
    """The whole page, or for htmx the parts of it that are different now."""
    page = "jobs/summary.html" if summary else "jobs/new.html"
    drawn = JobPage(form, form.redrawn(changes or {}), trial or _trial(request))
    context = {"form": form, "page": drawn, "summary": summary, "notice": notice}
    response = render(request, "jobs/_changes.html" if request.htmx else page, context, status=status)
    if summary and request.htmx:
        trigger_client_event(response, "showsummary", after="swap")
    elif focus and request.htmx:
        trigger_client_event(response, "focusfield", {"id": form[focus].auto_id}, after="settle")
    return response
