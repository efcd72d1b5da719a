"""The datasets of the API: upload, read, convert, delete."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from finetune_site.api import JSONParser
from finetune_site.problems import problem

from . import services
from .conversions import convert_dataset
from .models import Dataset
from .preview import shown
from .serializers import ConvertSerializer, DatasetSerializer, PreviewSerializer, UploadSerializer
from .uploads import the_file

PREVIEWED, MOST_PREVIEWED = 5, 100


class DatasetViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Dataset]):
    """One's own datasets; those of others are not found."""

    queryset = Dataset.objects.none()  # for the schema
    serializer_class = DatasetSerializer
    parser_classes = (MultiPartParser, FormParser, JSONParser)
    lookup_value_converter = "int"
    filterset_fields = ("status", "format")
    search_fields = ("name", "file_name")
    ordering_fields = ("created_at", "name", "rows", "size_bytes")

    def get_queryset(self) -> QuerySet[Dataset]:
        services.revive_stalled(owner=self._person)
        return Dataset.objects.visible_to(self._person)

    @property
    def _person(self) -> User:
        return cast(User, self.request.user)

    @extend_schema(request={"multipart/form-data": UploadSerializer}, responses={201: DatasetSerializer})
    def create(self, request: Request) -> Response:
        """Upload a file. Small ones are read before the answer, larger ones afterwards: see `status`."""
        upload = the_file(request.FILES, "No file was sent. Send it as multipart form data, field “file”.")
        name = request.POST.get("name", "")
        dataset = services.create_dataset(owner=self._person, name=name, upload=upload)
        return Response(self.get_serializer(dataset).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a dataset and its file; 409 while a job uses it."""
        services.delete_dataset(dataset=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=ConvertSerializer, responses={201: DatasetSerializer})
    @action(detail=True, methods=["post"])
    def convert(self, request: Request, pk: int) -> Response:
        """Make a new dataset in another format beside this one; `notes` say what was left out."""
        original = self.get_object()
        sent: Any = request.data
        to = str(sent.get("to", "")) if isinstance(sent, Mapping) else ""
        converted = convert_dataset(dataset=original, to=to)
        return Response(self.get_serializer(converted).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("offset", int), OpenApiParameter("limit", int)], responses=PreviewSerializer
    )
    @action(detail=True, pagination_class=None, filterset_fields=None, search_fields=None, ordering_fields=None)
    def preview(self, request: Request, pk: int) -> Response:
        """Good rows from `offset` on, at most 100 at a time."""
        dataset = self.get_object()
        offset = _whole_number(request, "offset", default=0)
        limit = min(_whole_number(request, "limit", default=PREVIEWED), MOST_PREVIEWED)
        rows = [shown(row) for row in _rows(dataset, offset, limit)]
        return Response({"rows": rows, "offset": offset, "limit": limit, "count": dataset.usable_rows})


def _rows(dataset: Dataset, offset: int, limit: int) -> list[dict[str, Any]]:
    if dataset.status != Dataset.Status.READY or offset >= dataset.usable_rows:
        return []
    return list(islice(dataset.good_rows(), offset, offset + limit))


def _whole_number(request: Request, name: str, *, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise problem(name, f"preview.{name}", f"{name} must be a whole number from 0 on; “{text[:40]}” was given.")
    return int(text)
