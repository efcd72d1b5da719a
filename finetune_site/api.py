"""What all API views share: how JSON is read, how lists are paged, and the answer for unknown addresses."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework import parsers
from rest_framework.exceptions import ParseError
from rest_framework.pagination import PageNumberPagination

from .problems import answer, problem


class JSONParser(parsers.JSONParser):
    """Reads NaN and Infinity too: the finding of the field that holds one says more than "JSON parse error"."""

    strict = False

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply.") from error


class Pages(PageNumberPagination):
    """`?page=2&page_size=50`: answers `{"count", "next", "previous", "results"}`."""

    page_size = 25
    page_size_query_param = "page_size"
    max_page_size = 200


@csrf_exempt
@login_not_required
def unknown_address(request: HttpRequest) -> HttpResponse:
    """Everything under /api/ that is no call: JSON, for programs."""
    message = f"There is no call {request.path}. /api/schema/ lists them all."
    if _exists(f"{request.path}/"):
        message = f"There is no call {request.path}. Did you mean {request.path}/ ?"
    return answer(problem(None, "request.not-found", message, 404))


def _exists(path: str) -> bool:
    try:
        return resolve(path).func is not unknown_address
    except Resolver404:
        return False
