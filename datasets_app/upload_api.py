"""Uploads in pieces, in the API: for files that take long, and connections that break."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from finetune_site.api import JSONParser

from . import resumable
from .models import Upload
from .serializers import DatasetSerializer


class PieceParser(BaseParser):
    """Hands on the body as it comes, whatever it is called."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return stream


class OpenUploadSerializer(serializers.ModelSerializer[Upload]):
    """An upload that is under way."""

    size = serializers.IntegerField(source="size_bytes", help_text="Bytes of the whole file.")
    received = serializers.IntegerField(source="received_bytes", help_text="So many have arrived; go on from there.")
    piece = serializers.SerializerMethodField(help_text="The longest piece that one call takes, in bytes.")

    class Meta:
        model = Upload
        fields = ["id", "name", "file_name", "size", "received", "sha256", "piece", "created_at"]
        read_only_fields = fields

    def get_piece(self, upload: Upload) -> int:
        return resumable.PIECE


class BeginSerializer(serializers.Serializer[Any]):
    """The service judges the values."""

    size = serializers.IntegerField(help_text="Bytes of the whole file.")
    file_name = serializers.CharField(required=False, max_length=1000)
    name = serializers.CharField(required=False, allow_blank=True, help_text="By default that of the file.")
    sha256 = serializers.CharField(required=False, allow_blank=True, help_text="Checked when all has arrived.")


class UploadViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Upload]):
    """One's own uploads that are under way; those of others are not found."""

    queryset = Upload.objects.none()  # for the schema
    serializer_class = OpenUploadSerializer
    parser_classes = (JSONParser,)
    lookup_value_converter = "uuid"
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Upload]:
        return Upload.objects.filter(owner=cast(User, self.request.user))

    @extend_schema(request=BeginSerializer, responses={201: OpenUploadSerializer})
    def create(self, request: Request) -> Response:
        """Begin: say how long the file is. Room is kept for it; a day without a piece, and it is forgotten."""
        asked = BeginSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = {"file_name": "dataset", **asked.validated_data}
        upload = resumable.begin_upload(owner=cast(User, request.user), **given)
        return Response(self.get_serializer(upload).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("offset", int, required=True)],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=OpenUploadSerializer,
    )
    def update(self, request: Request, pk: str) -> Response:
        """Send a piece that begins at `offset`. 409 when that is not where the last one ended: see `received`."""
        upload = self.get_object()
        text = request.META.get("CONTENT_LENGTH") or ""
        taken = resumable.take_piece(
            upload=upload,
            offset=request.query_params.get("offset", ""),
            stream=cast(resumable.Stream, request.data),
            length=int(text) if text.isdigit() else 0,
        )
        return Response(self.get_serializer(taken).data)

    @extend_schema(request=None, responses={201: DatasetSerializer})
    @action(detail=True, methods=["post"], pagination_class=None)
    def complete(self, request: Request, pk: str) -> Response:
        """Make a dataset of the file, which has arrived whole."""
        dataset = resumable.finish_upload(upload=self.get_object())
        return Response(DatasetSerializer(dataset).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Cancel: what has arrived is removed."""
        resumable.cancel_upload(upload=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def get_parsers(self) -> list[BaseParser]:
        return [PieceParser()] if self.request and self.request.method == "PUT" else super().get_parsers()
