"""The models of the API: list, look at, fetch, and for staff: add."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from .downloads import start_download
from .looks import standing
from .models import BaseModel
from .serializers import InspectionSerializer, ModelSerializer, RegisterSerializer
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

    @extend_schema(request=None, responses={202: ModelSerializer})
    @action(detail=True, methods=["post"])
    def download(self, request: Request, pk: int) -> Response:
        """Fetch a model's files; `download` in the answer says how far that is."""
        start_download(model=self.get_object())
        return Response(ModelSerializer(self.get_object()).data, status=202)

    @extend_schema(responses={200: InspectionSerializer})
    @action(detail=True, methods=["get"])
    def inspection(self, request: Request, pk: int) -> Response:
        """What looking into the model has found. Asking starts the look where none was; ask again until it is there."""
        return Response(InspectionSerializer(standing(self.get_object())).data)
