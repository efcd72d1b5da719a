"""Models as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from .knowledge import know
from .models import BaseModel, Download


class DownloadSerializer(serializers.ModelSerializer[Download]):
    """How far a download is; `error` is a finding or null."""

    percent = serializers.IntegerField(read_only=True)
    error = serializers.DictField(allow_null=True, read_only=True)

    class Meta:
        model = Download
        fields = ("state", "bytes_done", "bytes_total", "percent", "error", "started_at", "finished_at")
        read_only_fields = fields


class ModelSerializer(serializers.Serializer[Any]):
    """A model with what is known about it; its files, when at hand, beat the catalogue."""

    id = serializers.IntegerField(source="model.pk")
    name = serializers.CharField(source="model.name")
    family = serializers.CharField(source="family.name")
    parameters = serializers.IntegerField(allow_null=True)
    size_bytes = serializers.IntegerField(allow_null=True)
    context_length = serializers.IntegerField(allow_null=True)
    supports_chat = serializers.BooleanField()
    lora_targets = serializers.ListField(child=serializers.CharField())
    lora_modules = serializers.ListField(child=serializers.CharField())
    cache = serializers.CharField(source="cache.state")
    bytes_on_disk = serializers.IntegerField(source="cache.bytes_on_disk")
    bytes_to_fetch = serializers.IntegerField(source="cache.bytes_to_fetch", allow_null=True)
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field called as an attribute of fields
        BaseModel.Source.choices, source="model.source"
    )
    gated = serializers.BooleanField(source="model.gated")
    licence = serializers.CharField(source="model.licence")
    disagreements = serializers.ListField(child=serializers.CharField())
    download = DownloadSerializer(source="last_download", allow_null=True)

    def to_representation(self, instance: BaseModel) -> dict[str, Any]:
        return super().to_representation(know(instance))


class RegisterSerializer(serializers.Serializer[Any]):
    """What staff say about a model to add. Everything is judged by the services, so that all is said at once."""

    name = serializers.CharField(allow_blank=True, default="")
    source = serializers.CharField(  # type: ignore[assignment]  # a field called as an attribute of fields
        allow_blank=True, default="", help_text="hub or local"
    )
    path = serializers.CharField(allow_blank=True, default="", help_text="Absolute path of a local folder.")
    family = serializers.CharField(
        allow_blank=True, allow_null=True, default=None, help_text="Name of a family; found out when left empty."
    )
