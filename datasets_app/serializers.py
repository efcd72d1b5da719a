"""What the API takes and gives about datasets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from .conversions import Tried
from .models import Dataset
from .retention import kept_until


class RowProblemSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="Where the row begins in the file, counted from 1.")
    row = serializers.IntegerField(help_text="Which row of the file it is, counted from 1.")
    code = serializers.CharField()
    message = serializers.CharField()


class LayoutSerializer(serializers.Serializer[Any]):
    layout = serializers.CharField()
    rows = serializers.IntegerField()
    lines = serializers.ListField(child=serializers.IntegerField(), help_text="Of the first five rows.")


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset as its owner sees it."""

    rows = serializers.IntegerField(help_text="Rows of the file, good and bad.")
    local = serializers.DictField(help_text="Path, size and time of a registered file; empty for an upload.")
    container = serializers.DictField(help_text="Kind of file, compression, encoding, and notes for its owner.")
    stats = serializers.DictField(help_text="Lengths in characters, turns, roles, bad rows by code.")
    columns = serializers.ListField(child=serializers.CharField(), help_text="The first hundred.")
    mixture = LayoutSerializer(many=True, help_text="Each layout with its first lines, where there are several.")
    problems = RowProblemSerializer(many=True, help_text="The first hundred bad rows.")
    problem_count = serializers.IntegerField(source="bad_rows", help_text="All bad rows.")
    notes = serializers.ListField(child=serializers.CharField(), help_text="What making it left out.")
    change = serializers.DictField(help_text="How it was made from its parent: kind and options. Empty: uploaded.")
    report = serializers.DictField(help_text="What making it did: rows written, left out, changed, and why.")
    error = serializers.DictField(allow_null=True, help_text="Why reading failed: a finding.")
    kept_until = serializers.SerializerMethodField(help_text="When it is deleted unless a job uses it. null: never.")

    class Meta:
        model = Dataset
        fields = [
            "id", "name", "file_name", "status", "local", "container", "format", "layout", "mixture", "conversational",
            "columns", "rows", "bad_rows", "stats", "problems", "problem_count", "error", "size_bytes", "sha256",
            "created_at", "kept_until", "original", "version", "parent", "change", "report", "notes",
        ]  # fmt: skip
        read_only_fields = fields

    def get_kept_until(self, dataset: Dataset) -> datetime | None:
        return kept_until(dataset)


class RegisterFileSerializer(serializers.Serializer[Any]):
    """A file of the server that becomes a dataset without being copied."""

    path = serializers.CharField(help_text="Absolute, under one of FORETUNE_LOCAL_ROOTS.")
    name = serializers.CharField(required=False, default="", allow_blank=True, help_text="By default that of the file.")


class UploadSerializer(serializers.Serializer[Any]):
    """The form of an upload. The service judges it."""

    file = serializers.FileField(help_text="JSON lines, JSON, CSV, TSV or Parquet, packed or not.")
    name = serializers.CharField(required=False, help_text="By default that of the file.")


class ConvertSerializer(serializers.Serializer[Any]):
    to = serializers.CharField(help_text="messages, text, prompt_completion or alpaca.")
    model = serializers.CharField(
        required=False, help_text="For text of conversations: a model whose chat template writes it."
    )


class TriedRowSerializer(serializers.Serializer[Any]):
    before = serializers.DictField()
    after = serializers.DictField(allow_null=True)
    left_out = serializers.CharField(help_text="Why the row would be left out; else empty.")


class TriedSerializer(serializers.Serializer[Any]):
    """What a conversion would do to the first rows."""

    rows = serializers.SerializerMethodField()
    notes = serializers.ListField(child=serializers.CharField(), help_text="What the new version loses.")

    @extend_schema_field(TriedRowSerializer(many=True))
    def get_rows(self, tried: Tried) -> list[dict[str, Any]]:
        return [
            {"before": before, "after": None, "left_out": after}
            if isinstance(after, str)
            else {"before": before, "after": after, "left_out": ""}
            for before, after in tried.shown_pairs
        ]


class PreviewSerializer(serializers.Serializer[Any]):
    rows = serializers.ListField(
        child=serializers.DictField(), help_text="Trained columns of good rows; long texts cut."
    )
    offset = serializers.IntegerField()
    limit = serializers.IntegerField()
    count = serializers.IntegerField(help_text="All good rows.")


class SeenProblemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class SeenRowSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField(help_text="Which row of the file it is, counted from 1.")
    line = serializers.IntegerField(help_text="Where it begins in the file, counted from 1.")
    fields = serializers.JSONField(help_text="All its columns, long texts cut; a text where it is no JSON.")  # type: ignore[assignment]
    problem = SeenProblemSerializer(allow_null=True, help_text="Why it is bad; null for a good row.")


class RowsSerializer(serializers.Serializer[Any]):
    rows = SeenRowSerializer(many=True)
    offset = serializers.IntegerField()
    searched = serializers.IntegerField(help_text="Rows up to this one have been looked at.")
    next = serializers.IntegerField(allow_null=True, help_text="The offset to go on from; null at the end.")


class CorrectSerializer(serializers.Serializer[Any]):
    choices = serializers.DictField(required=False, help_text="By class of rows: repair, drop or keep.")
    dry_run = serializers.BooleanField(required=False, help_text="Count what would change, and make nothing.")


class ExampleSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    code = serializers.CharField()
    done = serializers.CharField(help_text="What would be done, in words.")
    before = serializers.JSONField()
    after = serializers.JSONField(help_text="Null where the row would be left out.")


class CorrectionTrialSerializer(serializers.Serializer[Any]):
    rows_read = serializers.IntegerField()
    whole = serializers.BooleanField(help_text="All rows were read; of a large file only the beginning is.")
    rows_written = serializers.IntegerField()
    rows_left_out = serializers.IntegerField()
    rows_changed = serializers.IntegerField()
    by_code = serializers.DictField(child=serializers.IntegerField())
    examples = ExampleSerializer(many=True)


class SplitSerializer(serializers.Serializer[Any]):
    """The service judges the values."""

    fraction = serializers.FloatField(help_text="Of the good rows, to hold out; between 0 and 1.")
    seed = serializers.IntegerField(required=False, help_text="The same seed draws the same rows. By default 42.")
    together = serializers.BooleanField(
        required=False, help_text="Rows that ask the same question stay in one part. By default true."
    )


class PartsSerializer(serializers.Serializer[Any]):
    training = DatasetSerializer()
    held_out = DatasetSerializer()


class OverlapSerializer(serializers.Serializer[Any]):
    rows = serializers.IntegerField(help_text="Good rows of this dataset.")
    same_rows = serializers.IntegerField(help_text="Those that the other one has too.")
    same_questions = serializers.IntegerField(help_text="Those whose question the other one asks too.")
    lines = serializers.ListField(child=serializers.IntegerField(), help_text="The first three of them, by line.")


class ContentExampleSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    text = serializers.CharField(help_text="What was found, with what stands around it.")


class AdviceSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    title = serializers.CharField()
    message = serializers.CharField()
    rows = serializers.IntegerField()
    examples = ContentExampleSerializer(many=True)


class ContentsSerializer(serializers.Serializer[Any]):
    rows = serializers.IntegerField(help_text="Good rows that were looked through.")
    advice = AdviceSerializer(many=True)
    figures = serializers.DictField(help_text="lengths: from, to, rows; turns: number, rows; roles: name, turns.")
