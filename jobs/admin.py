"""Jobs in the admin: to look at. What changes a job goes through its services, so there is nothing to edit here."""

from __future__ import annotations

from django.contrib import admin

from finetune_site.read_only_admin import ReadOnly

from .models import Job, Transition


class TransitionInline(ReadOnly, admin.TabularInline[Transition, Job]):
    model = Transition
    fields = readonly_fields = ("at", "from_state", "to_state", "attempt", "reason", "by")


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin[Job]):
    list_display = ("id", "name", "owner", "state", "base_model", "machine", "created_at", "started_at", "finished_at")
    list_filter = ("state", "machine", "created_at")
    list_select_related = ("owner", "base_model")
    search_fields = ("name", "owner__username", "base_model__name")
    date_hierarchy = "created_at"
    actions = None
    inlines = (TransitionInline,)
