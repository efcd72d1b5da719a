"""What staff may look at in the admin and not touch there: it changes through services alone."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """No adding, changing or deleting, whatever the permissions of the account. Stands before Django's classes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
