"""What somebody sees after too many wrong passwords."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ..problems import answer, problem

CODE = "login.locked"


def locked_out(request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None) -> HttpResponse:
    """Named in AXES_LOCKOUT_CALLABLE; the same words for page and API."""
    minutes = settings.ENVIRONMENT.login_lock_minutes
    message = f"Too many wrong passwords for this name from your address. Wait {minutes} minutes or ask staff."
    response = _response(request, message)
    response.headers["Retry-After"] = str(minutes * 60)
    return response


def _response(request: HttpRequest, message: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return answer(problem("username", CODE, message, 429))
    page = {"form": AuthenticationForm(request), "locked": message}
    return render(request, "registration/login.html", page, status=429)
