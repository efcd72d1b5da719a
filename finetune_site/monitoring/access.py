"""Who may see how the portal is: staff, and the programs that an administrator has let in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from ..accounts.authentication import TokenAuthentication
from ..problems import answer, problem

View = Callable[[HttpRequest], HttpResponseBase]


def for_monitoring(view: View) -> View:
    """Answers 401 to everybody else, and tells them nothing but how to be let in."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if is_staff(request) or has_token(request) or comes_from_here(request):
            return view(request)
        message = (
            "Only staff and monitoring may read this. Log in as staff, send a token of staff, or ask an administrator "
            "to set FORETUNE_METRICS_TOKEN or FORETUNE_METRICS_FROM."
        )
        response = answer(problem(None, "request.not-authenticated", message, 401))
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    return login_not_required(guarded)


def is_staff(request: HttpRequest) -> bool:
    if request.user.is_authenticated:
        return request.user.is_staff
    try:
        known = TokenAuthentication().authenticate(Request(request))
    except AuthenticationFailed:
        return False
    return bool(known and known[0].is_staff)


def has_token(request: HttpRequest) -> bool:
    token = settings.ENVIRONMENT.metrics_token
    kind, _, sent = request.headers.get("Authorization", "").partition(" ")
    return bool(token) and kind == "Bearer" and secrets.compare_digest(sent.strip().encode(), token.encode())


def comes_from_here(request: HttpRequest) -> bool:
    """By its address; never what came through a proxy that nobody told us to believe, for then all have its address."""
    if not settings.ENVIRONMENT.proxies and {"X-Forwarded-For", "Forwarded", "X-Real-IP"} & set(request.headers):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ip_network(each, strict=False) for each in settings.ENVIRONMENT.metrics_from)
