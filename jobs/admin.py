"""Jobs and rehearsals in the admin: to look at. What changes a job goes through its services.

Rehearsals may be cleared, so that the same question is rehearsed anew; a job keeps what was found for it.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from finetune_site.paging import MOST_COUNTED, CountedPages
from finetune_site.read_only_admin import ReadOnly

from .filters import MOST_FOUND, found_by
from .models import Attempt, Job, Node, Place, Rehearsal, Transition, Trial


class TransitionInline(ReadOnly, admin.TabularInline[Transition, Job]):
    model = Transition
    fields = readonly_fields = ("at", "from_state", "to_state", "attempt", "reason", "by")


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, Job]):
    model = Attempt
    fields = readonly_fields = ("number", "machine", "slots", "started_at", "ended_at", "outcome", "exit_code")


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin[Job]):
    list_display = ("id", "name", "owner", "state", "base_model", "machine", "created_at", "started_at", "finished_at")
    list_filter = ("state", "created_at")
    list_select_related = ("owner", "base_model")
    search_fields = ("name",)
    search_help_text = "A part of the name of a job, its dataset or its model; or a whole user name."
    sortable_by = ("id", "name", "created_at")  # what indexes order
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None
    inlines = (AttemptInline, TransitionInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer("spec", "facts", "findings", "error", "result")

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[Job],
        per_page: int,
        orphans: int = 0,
        allow_empty_first_page: bool = True,
    ) -> CountedPages:
        most = MOST_FOUND if request.GET.get(SEARCH_VAR) else MOST_COUNTED
        return CountedPages(queryset, per_page, orphans, allow_empty_first_page, most=most)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        if not search_term:
            return queryset, False
        owners = User.objects.filter(username=search_term).values_list("pk", flat=True)
        return (queryset.filter(owner__in=list(owners)) if owners else found_by(queryset, search_term)), False


@admin.register(Node)
class NodeAdmin(ReadOnly, admin.ModelAdmin[Node]):
    list_display = ("name", "address", "started_at", "seen_at", "draining")


@admin.register(Place)
class PlaceAdmin(ReadOnly, admin.ModelAdmin[Place]):
    list_display = ("machine", "slot", "job")
    list_filter = ("machine",)
    list_select_related = ("job",)


class ToClear(ReadOnly):
    """Looked at, and deleted by those who may."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        account: Any = request.user
        return bool(account.is_superuser)


@admin.register(Rehearsal)
class RehearsalAdmin(ToClear, admin.ModelAdmin[Rehearsal]):
    list_display = ("id", "state", "created_at", "seconds", "key")
    list_filter = ("created_at",)
    search_fields = ("key",)
    fields = readonly_fields = ("key", "state", "created_at", "lease_until", "seconds", "told")

    @admin.display(description="document")
    def told(self, rehearsal: Rehearsal) -> SafeString:
        return _readable(rehearsal.document)


@admin.register(Trial)
class TrialAdmin(ToClear, admin.ModelAdmin[Trial]):
    list_display = ("id", "owner", "created_at", "is_done")
    list_filter = ("created_at",)
    list_select_related = ("owner",)
    search_fields = ("owner__username",)
    fields = readonly_fields = ("owner", "created_at", "lease_until", "asked", "answered")

    @admin.display(boolean=True, description="done")
    def is_done(self, trial: Trial) -> bool:
        return trial.answer is not None

    @admin.display(description="choices")
    def asked(self, trial: Trial) -> SafeString:
        return _readable(trial.choices)

    @admin.display(description="answer")
    def answered(self, trial: Trial) -> SafeString:
        return _readable(trial.answer)


def _readable(document: Any) -> SafeString:
    """JSON with its lines, escaped."""
    return format_html("<pre>{}</pre>", json.dumps(document, indent=2, ensure_ascii=False))
