"""Datasets in the admin site: staff may see that they exist, and how large they are, but not what is in them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from .models import Dataset


@admin.register(Dataset)
class DatasetAdmin(admin.ModelAdmin[Dataset]):
    list_display = ["name", "owner", "status", "format", "rows", "bad_rows", "size_bytes", "created_at"]
    list_filter = ["status", "format"]
    search_fields = ["name", "owner__username"]
    fields = ["name", "owner", "status", "format", "rows", "bad_rows", "size_bytes", "sha256", "created_at", "error"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
