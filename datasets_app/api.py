"""The datasets of the API: upload, read, look at rows, make versions, download, delete."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import IsAdminUser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from finetune_site.api import JSONParser
from finetune_site.problems import problem
from finetune_site.sending import FileRenderer, chunks_of, send

from . import corrections, services
from .browsing import find_rows, row_of_line
from .conversions import convert_dataset, try_conversion
from .exports import WAYS, export
from .local_files import notice_changes, register_file
from .mapping_api import MapSerializer, TriedMappingSerializer, told_plan
from .mappings import map_dataset, try_mapping
from .models import Dataset
from .preview import shown
from .serializers import (
    ContentsSerializer,
    ConvertSerializer,
    CorrectionTrialSerializer,
    CorrectSerializer,
    DatasetSerializer,
    OverlapSerializer,
    PartsSerializer,
    PreviewSerializer,
    RegisterFileSerializer,
    RowsSerializer,
    SplitSerializer,
    TriedSerializer,
    UploadSerializer,
)
from .splits import overlap, split_dataset
from .survey import survey_of
from .uploads import the_file
from .versions import family

PREVIEWED, MOST_PREVIEWED = 5, 100
PLAIN: dict[str, Any] = {
    "pagination_class": None, "filterset_fields": None, "search_fields": None, "ordering_fields": None,
}  # fmt: skip
"""An action that answers with one thing, to which nothing of the list applies."""
ROW_PARAMETERS = [
    OpenApiParameter("offset", int, description="Rows to leave out before the first, counted from 0."),
    OpenApiParameter("line", int, description="Begin at this line of the file instead."),
    OpenApiParameter("limit", int, description="At most 100."),
    OpenApiParameter("search", str),
    OpenApiParameter("problem", str, description="A code of bad rows, or `bad`."),
]


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
        notice_changes(owner=self._person)
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

    def get_permissions(self) -> list[Any]:
        return [IsAdminUser()] if self.action == "register" else list(super().get_permissions())

    @extend_schema(request=RegisterFileSerializer, responses={201: DatasetSerializer})
    @action(detail=False, methods=["post"], **PLAIN)
    def register(self, request: Request) -> Response:
        """Staff: make a file of the server a dataset where it lies. When it changes, it is read anew."""
        asked = RegisterFileSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        dataset = register_file(owner=self._person, **asked.validated_data)
        return Response(self.get_serializer(dataset).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a dataset and its file; 409 while a job uses it."""
        services.delete_dataset(dataset=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=MapSerializer,
        parameters=[OpenApiParameter("preview", bool, description="Only show what the first rows would become.")],
        responses={200: TriedMappingSerializer, 201: DatasetSerializer},
    )
    @action(detail=True, methods=["post"], url_path="map")
    def map_columns(self, request: Request, pk: int) -> Response:
        """Make a new version from columns whose purposes are told. With `preview`, only try it."""
        original = self.get_object()
        plan = told_plan(self._person, request.data)
        if "preview" in request.query_params:
            return Response(TriedMappingSerializer(try_mapping(dataset=original, plan=plan)).data)
        made = map_dataset(dataset=original, plan=plan)
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=ConvertSerializer,
        parameters=[OpenApiParameter("preview", bool, description="Only show what the first three rows would become.")],
        responses={200: TriedSerializer, 201: DatasetSerializer},
    )
    @action(detail=True, methods=["post"])
    def convert(self, request: Request, pk: int) -> Response:
        """Make a new version in another format; `notes` say what was left out. With `preview`, only try it."""
        original = self.get_object()
        sent: Any = request.data
        to = str(sent.get("to", "")) if isinstance(sent, Mapping) else ""
        model = str(sent.get("model", "") or "") if isinstance(sent, Mapping) else ""
        if "preview" in request.query_params:
            return Response(TriedSerializer(try_conversion(dataset=original, to=to, model=model)).data)
        converted = convert_dataset(dataset=original, to=to, model=model)
        return Response(self.get_serializer(converted).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("offset", int), OpenApiParameter("limit", int)], responses=PreviewSerializer
    )
    @action(detail=True, **PLAIN)
    def preview(self, request: Request, pk: int) -> Response:
        """Good rows from `offset` on, at most 100 at a time."""
        dataset = self.get_object()
        offset = _whole_number(request, "offset", default=0)
        limit = min(_whole_number(request, "limit", default=PREVIEWED), MOST_PREVIEWED)
        rows = [shown(row) for row in _rows(dataset, offset, limit)]
        return Response({"rows": rows, "offset": offset, "limit": limit, "count": dataset.usable_rows})

    @extend_schema(parameters=ROW_PARAMETERS, responses=RowsSerializer)
    @action(detail=True, **PLAIN)
    def rows(self, request: Request, pk: int) -> Response:
        """Rows as they stand in the file, good and bad, from `offset` on or from a `line`.

        With `search` those that hold these words, with `problem` those that are bad for this reason (`bad`: for any).
        A search stops after two seconds; `next` is the offset to go on from, null at the end of the file.
        """
        dataset = self.get_object()
        offset = _whole_number(request, "offset", default=0)
        line = _whole_number(request, "line", default=0)
        limit = min(_whole_number(request, "limit", default=PREVIEWED), MOST_PREVIEWED)
        corrections.require_read(dataset)
        offset = row_of_line(dataset, line) if line else offset
        search, problem = (request.query_params.get(name, "")[:200] for name in ("search", "problem"))
        found = find_rows(dataset, offset=offset, limit=limit, search=search, problem=problem)
        rows = [each.as_dict() for each in found.rows]
        return Response({"rows": rows, "offset": offset, "searched": found.searched, "next": found.next})

    @extend_schema(responses=DatasetSerializer(many=True))
    @action(detail=True, **PLAIN)
    def versions(self, request: Request, pk: int) -> Response:
        """All versions of this dataset, itself among them, the first one first."""
        return Response(self.get_serializer(family(self.get_object()), many=True).data)

    @extend_schema(responses=ContentsSerializer)
    @action(detail=True, **PLAIN)
    def contents(self, request: Request, pk: int) -> Response:
        """What stands in the texts that one may not want to teach, with examples; 409 until it is known."""
        dataset = self.get_object()
        found = survey_of(dataset)
        if found is None:
            message = f"The rows of “{dataset.name}” have not been looked through. Ask again when they have been read."
            raise problem("dataset", "contents.not-yet", message, 409)
        return Response(found)

    @extend_schema(request=CorrectSerializer, responses={200: CorrectionTrialSerializer, 201: DatasetSerializer})
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: int) -> Response:
        """Make a corrected copy, a new version with a report of every change; or with `dry_run` only count.

        `choices` says for classes of rows what is done: repair, drop or keep. Others are treated as usual: bad rows
        are repaired where that is possible and else dropped, doubles are dropped, all else is kept.
        """
        dataset = self.get_object()
        asked = CorrectSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        choices = asked.validated_data.get("choices", {})
        if asked.validated_data.get("dry_run"):
            return Response(corrections.try_correction(dataset=dataset, choices=choices).as_dict())
        made = corrections.correct_dataset(dataset=dataset, choices=choices)
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=SplitSerializer, responses={201: PartsSerializer})
    @action(detail=True, methods=["post"])
    def split(self, request: Request, pk: int) -> Response:
        """Make two new versions: rows to train on, and rows held out for evaluation. Stable for a seed."""
        dataset = self.get_object()
        asked = SplitSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        training, held_out = split_dataset(dataset=dataset, **asked.validated_data)
        parts = {"training": self.get_serializer(training).data, "held_out": self.get_serializer(held_out).data}
        return Response(parts, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("with", int, description="By default itself.")], responses=OverlapSerializer
    )
    @action(detail=True, **PLAIN)
    def overlap(self, request: Request, pk: int) -> Response:
        """How many rows of this dataset, to evaluate with, the dataset `with` has too; 409 while that is counted."""
        dataset = self.get_object()
        other = get_object_or_404(self.get_queryset(), pk=_whole_number(request, "with", default=pk))
        for each in (dataset, other):
            corrections.require_read(each)
        found = overlap(other, dataset)
        if found is None:
            raise problem("with", "overlap.not-yet", "The rows are being compared. Ask again in a minute.", 409)
        return Response(found.as_dict())

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, renderer_classes=[JSONRenderer, FileRenderer], **PLAIN)
    def report(self, request: Request, pk: int) -> HttpResponseBase:
        """Every change that was made for this version, one JSON object a line: line, code, what was done."""
        return _sent(request, self.get_object().report_path, f"dataset-{pk}-changes.jsonl")

    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=list(WAYS))],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    @action(detail=True, renderer_classes=[JSONRenderer, FileRenderer], **PLAIN)
    def download(self, request: Request, pk: int) -> HttpResponseBase:
        """The file, byte by byte; with `as` its good rows as JSON lines or Parquet, as `datasets` loads them."""
        dataset = self.get_object()
        if "as" in request.query_params:
            name, parts = export(dataset, request.query_params["as"])
            return send(request._request, parts, name)
        return _sent(request, dataset.path, dataset.file_name)


def _sent(request: Request, path: Path, name: str) -> HttpResponseBase:
    if not path.is_file():
        raise Http404
    return send(request._request, chunks_of(path), name, size=path.stat().st_size)


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
