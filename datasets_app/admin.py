"""Datasets in the admin site: staff may see that they exist, and how large they are, but not what is in them."""

from __future__ import annotations

from django.contrib import admin

from finetune_site.read_only_admin import ReadOnly

from .models import Dataset


@admin.register(Dataset)
class DatasetAdmin(ReadOnly, admin.ModelAdmin[Dataset]):
    list_display = ["name", "owner", "status", "format", "rows", "bad_rows", "size_bytes", "created_at"]
    list_filter = ["status", "format"]
    search_fields = ["name", "owner__username"]
    fields = ["name", "owner", "status", "format", "rows", "bad_rows", "size_bytes", "sha256", "created_at", "error"]
