"""API tokens: made, and taken back."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User

from ..models import ApiToken


def create_token(*, user: User, name: str, days: int) -> tuple[ApiToken, str]:
    """The stored token and its text; the text is known only now."""
    token, text = ApiToken.objects.create(user, expiry=timedelta(days=days), name=name)
    return token, text
