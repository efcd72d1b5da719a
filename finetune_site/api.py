"""What all API views share: how JSON is read, and how lists are ordered and paged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import filters, parsers
from rest_framework.exceptions import ParseError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

from .paging import FarPages


class JSONParser(parsers.JSONParser):
    """Reads NaN and Infinity too: the finding of the field that holds one says more than "JSON parse error"."""

    strict = False

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply.") from error


class Ordering(filters.OrderingFilter):
    """`?ordering=name,-rows`. Equal rows come newest first, so that none changes places between two pages.

    A view with `equal_rows` says by what else to order behind which order, as its indexes have it.
    """

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> Sequence[str] | None:
        asked = super().get_ordering(request, queryset, view)
        ties = getattr(view, "equal_rows", {})
        return [*asked, *ties.get(asked[-1], ["-pk"])] if asked else asked


class Pages(PageNumberPagination):
    """`?page=2&page_size=50`: answers `{"count", "next", "previous", "results"}`."""

    django_paginator_class = FarPages
    page_size = 25
    page_size_query_param = "page_size"
    max_page_size = 200
