"""Mappings of columns for programs: kept ones, and applying one to a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from finetune_site.problems import problem

from .mappings import TriedMapping, keep_mapping, plan_of
from .models import ColumnMapping
from .reading.mapping import PURPOSES, Plan


class MappedColumnSerializer(serializers.Serializer[Any]):
    column = serializers.CharField()
    purpose = serializers.ChoiceField(choices=list(PURPOSES.items()))


class ColumnMappingSerializer(serializers.ModelSerializer[ColumnMapping]):
    """A kept mapping."""

    columns = MappedColumnSerializer(many=True, help_text="Each column that is used; in their order.")
    format = serializers.SerializerMethodField(help_text="The format that its purposes make.")

    class Meta:
        model = ColumnMapping
        fields = ["id", "name", "columns", "system", "chat", "format", "created_at"]

    @extend_schema_field(serializers.CharField())
    def get_format(self, mapping: ColumnMapping) -> str:
        return Plan.of({"columns": mapping.columns, "system": mapping.system, "chat": mapping.chat}).format


class MapSerializer(serializers.Serializer[Any]):
    """A kept mapping by its number, or one told here; with a name it is kept."""

    mapping = serializers.IntegerField(required=False, help_text="The number of a kept mapping.")
    columns = MappedColumnSerializer(many=True, required=False)
    system = serializers.CharField(required=False, help_text="A system prompt that all rows get.")
    chat = serializers.BooleanField(required=False, default=True, help_text="Prompts and answers become turns.")
    name = serializers.CharField(required=False, help_text="Keep the mapping under this name.")


class TriedMappingSerializer(serializers.Serializer[Any]):
    """What a mapping makes of the first rows."""

    format = serializers.CharField(source="plan.format")
    rows = serializers.IntegerField(help_text="Rows that were tried.")
    good = serializers.IntegerField(help_text="Those that can be trained on.")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why others cannot.")
    examples = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_examples(self, tried: TriedMapping) -> list[dict[str, Any]]:
        return [
            {"before": before, "after": None if isinstance(after, str) else after,
             "left_out": after if isinstance(after, str) else ""}
            for before, after in tried.pairs
        ]  # fmt: skip


def told_plan(owner: User, sent: Any) -> Plan:
    """The plan that a request names or holds, kept where it has a name. Raises `Problem`."""
    told: Mapping[str, Any] = sent if isinstance(sent, Mapping) else {}
    if (number := told.get("mapping")) is not None:
        whole = isinstance(number, int) or (isinstance(number, str) and number.isascii() and number.isdigit())
        kept = (
            ColumnMapping.objects.filter(owner=owner, pk=int(number)).first() if whole and int(number) < 2**63 else None
        )
        if kept is None:
            raise problem("mapping", "mapping.not-found", f"You have no mapping {str(number)[:20]}. Tell the columns.")
        return plan_of({"columns": kept.columns, "system": kept.system, "chat": kept.chat})
    plan = plan_of(told)
    if told.get("name"):
        keep_mapping(owner=owner, name=str(told["name"]), plan=plan)
    return plan


class MappingViewSet(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, GenericViewSet[ColumnMapping]):
    """Mappings of columns that one has kept."""

    serializer_class = ColumnMappingSerializer
    lookup_value_converter = "int"
    queryset = ColumnMapping.objects.none()

    def get_queryset(self) -> QuerySet[ColumnMapping]:
        return ColumnMapping.objects.filter(owner_id=self.request.user.pk)

    @extend_schema(request=ColumnMappingSerializer, responses={201: ColumnMappingSerializer})
    def create(self, request: Request) -> Response:
        """Keep a mapping. One of the same name is replaced."""
        sent: Any = request.data
        told: Mapping[str, Any] = sent if isinstance(sent, Mapping) else {}
        owner = cast(User, request.user)
        kept = keep_mapping(owner=owner, name=str(told.get("name", "")), plan=plan_of(told))
        return Response(self.get_serializer(kept).data, status=status.HTTP_201_CREATED)
