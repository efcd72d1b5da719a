"""Models as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from .knowledge import know
from .looks import Standing
from .models import BaseModel, Download


class DownloadSerializer(serializers.ModelSerializer[Download]):
    """How far a download is; `error` is a finding or null.

    One that is waiting goes on by itself at `not_before`; `error` then says what it waits for.
    """

    model = serializers.CharField(source="model.name", read_only=True)
    model_id = serializers.IntegerField(read_only=True)
    percent = serializers.IntegerField(read_only=True)
    text = serializers.CharField(read_only=True, help_text="How far it is, in words.")
    eta_seconds = serializers.SerializerMethodField(help_text="Seconds left at the present speed.")
    error = serializers.DictField(allow_null=True, read_only=True)

    class Meta:
        model = Download
        fields = (
            "id",
            "model",
            "model_id",
            "revision",
            "state",
            "bytes_done",
            "bytes_total",
            "bytes_per_second",
            "percent",
            "text",
            "eta_seconds",
            "not_before",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields

    def get_eta_seconds(self, download: Download) -> int | None:
        return round(download.time_left.total_seconds()) if download.time_left else None


class AskDownloadSerializer(serializers.Serializer[Any]):
    """What is to be fetched of a model."""

    revision = serializers.CharField(
        max_length=200, allow_blank=True, allow_null=True, default=None, help_text="Branch, tag or commit."
    )


class CancelDownloadSerializer(serializers.Serializer[Any]):
    """What becomes of what has arrived."""

    drop = serializers.BooleanField(default=False, help_text="Delete what has arrived.")
    revision = serializers.CharField(
        max_length=200, allow_blank=True, default="", help_text="Branch, tag or commit; left out, the newest."
    )


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


class InspectionProblemSerializer(serializers.Serializer[Any]):
    """Something about a model that could not be looked at."""

    code = serializers.CharField()
    message = serializers.CharField()


class FileSerializer(serializers.Serializer[Any]):
    """One file of a commit of the hub, fetched or not."""

    name = serializers.CharField()
    size = serializers.IntegerField()
    content = serializers.CharField(help_text="SHA-256 of large files, git's name of small ones.")


class InspectionSerializer(serializers.Serializer[Any]):
    """What looking into a model has found, without its weights; only `state` and `reason` as long as it has not."""

    state = serializers.ChoiceField(["at hand", "under way", "impossible"])
    reason = serializers.CharField(help_text="Why it is impossible; empty when it is not.")
    commit = serializers.CharField(help_text="The hub's name of what was looked into; empty for local folders.")
    files = FileSerializer(many=True)
    libraries = serializers.DictField(child=serializers.CharField(), help_text="Versions that it holds for.")
    seconds = serializers.FloatField(allow_null=True)
    facts = serializers.DictField(help_text="By the names that rules use.")
    tree = serializers.DictField()
    tokenizer = serializers.DictField()
    template = serializers.DictField()
    problems = InspectionProblemSerializer(many=True)

    def to_representation(self, instance: Standing) -> dict[str, Any]:
        found = instance.inspected.document if instance.inspected else {}
        parts = {name: found.get(name, {}) for name in ("libraries", "facts", "tree", "tokenizer", "template")}
        return {
            "state": instance.state,
            "reason": instance.reason,
            "commit": instance.commit,
            "files": [{"name": name, **vars(file)} for name, file in instance.files.items()],
            "seconds": found.get("seconds"),
            **parts,
            "problems": found.get("problems", []),
        }


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
