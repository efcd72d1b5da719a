"""What every answer carries, and who may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from django_htmx.http import HttpResponseClientRedirect

from .bodies import REFUSED
from .error_pages import show

POLICY = ", ".join(f"{feature}=()" for feature in ("camera", "geolocation", "microphone", "payment", "usb"))


@sync_and_async_middleware
def permissions_policy(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Our pages need none of the browser's devices; say so, in case a script of somebody else's ever runs in one."""
    if iscoroutinefunction(get_response):

        async def async_answer(request: HttpRequest) -> HttpResponseBase:
            return _with_policy(await get_response(request))

        return async_answer

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _with_policy(get_response(request))

    return answer


def _with_policy(response: HttpResponseBase) -> HttpResponseBase:
    response.headers["Permissions-Policy"] = POLICY
    return response


class RefuseUnread(MiddlewareMixin):
    """Answers where `bodies.BodyLimit` did not take the body of a request in."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        refused = getattr(request, "scope", {}).get(REFUSED)
        if refused is None:
            return None
        response = show(request, refused)
        response.headers["Connection"] = "close"  # the rest of the body would have to be read before another request
        return response


class LoginRequired(LoginRequiredMiddleware):
    """Every page wants a login unless it is marked otherwise."""

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> Any:
        """When the session has ended, a fragment request moves the whole page to the login; no login inside a box."""
        response = super().handle_no_permission(request, view_func)
        if request.headers.get("HX-Request") == "true":
            return HttpResponseClientRedirect(resolve_url(self.get_login_url(view_func)))
        return response
