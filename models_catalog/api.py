"""The models of the API: list, look at, fetch, and for staff: add; and the downloads of all."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from .downloads import active_download, cancel_download, start_download, try_now
from .looks import standing
from .models import BaseModel, Download
from .serializers import (
    AskDownloadSerializer,
    CancelDownloadSerializer,
    DownloadSerializer,
    InspectionSerializer,
    ModelSerializer,
    RegisterSerializer,
)
from .services import register


class ModelViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[BaseModel]):
    queryset = BaseModel.objects.select_related("family").prefetch_related("downloads").order_by("name")
    serializer_class = ModelSerializer
    lookup_value_converter = "int"
    filterset_fields = ("name", "family__name", "source", "gated")
    search_fields = ("name", "family__name")
    ordering_fields = ("name", "family__name", "parameters", "size_bytes", "context_length", "added_at")

    def get_permissions(self) -> list[Any]:
        return [IsAdminUser()] if self.action == "create" else list(super().get_permissions())

    @extend_schema(request=RegisterSerializer, responses={201: ModelSerializer})
    def create(self, request: Request) -> Response:
        """Staff: add a repository of the hub or a local folder."""
        asked = RegisterSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(ModelSerializer(register(**asked.validated_data)).data, status=201)

    @extend_schema(request=AskDownloadSerializer, responses={202: ModelSerializer})
    @action(detail=True, methods=["post"])
    def download(self, request: Request, pk: int) -> Response:
        """Fetch a model's files; `download` in the answer says how far that is.

        However many ask, there is one download. One that waits for better times is tried at once.
        """
        asked = AskDownloadSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        revision = asked.validated_data["revision"]
        try_now(start_download(model=self.get_object(), revision=revision or None, by=_asking(request)))
        return Response(ModelSerializer(self.get_object()).data, status=202)

    @extend_schema(request=None, parameters=[CancelDownloadSerializer], responses={202: DownloadSerializer})
    @download.mapping.delete
    def cancel_download(self, request: Request, pk: int) -> Response:
        """Cancel the download of a model. Whoever asked for it may do that, and staff."""
        asked = CancelDownloadSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        model, revision = self.get_object(), asked.validated_data["revision"]
        found = active_download(model=model, revision=revision)
        cancelled = cancel_download(download=found, by=_asking(request), drop=asked.validated_data["drop"])
        return Response(DownloadSerializer(cancelled).data, status=202)

    @extend_schema(responses={200: InspectionSerializer})
    @action(detail=True, methods=["get"])
    def inspection(self, request: Request, pk: int) -> Response:
        """What looking into the model has found. Asking starts the look where none was; ask again until it is there."""
        return Response(InspectionSerializer(standing(self.get_object())).data)


class DownloadViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Download]):
    """Downloads, the latest first. Models are everybody's, so everybody sees what is on its way."""

    queryset = Download.objects.select_related("model").order_by("-created_at", "-pk")
    serializer_class = DownloadSerializer
    lookup_value_converter = "int"
    filterset_fields = ("state", "model")
    search_fields = ("model__name",)
    ordering_fields = ("created_at", "finished_at")

    @extend_schema(request=None, parameters=[CancelDownloadSerializer], responses={202: DownloadSerializer})
    def destroy(self, request: Request, pk: int) -> Response:
        """Cancel a download. Whoever asked for it may do that, and staff. Its row stays."""
        asked = CancelDownloadSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        cancelled = cancel_download(download=self.get_object(), by=_asking(request), drop=asked.validated_data["drop"])
        return Response(DownloadSerializer(cancelled).data, status=202)


def _asking(request: Request) -> User:
    return cast(User, request.user)
