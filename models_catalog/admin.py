"""The catalogue in the admin: add, edit, search, filter, import and export."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from import_export import fields, resources, widgets
from import_export.admin import ImportExportModelAdmin

from .cache import cache_state
from .models import BaseModel, Download, ModelFamily
from .seed import UNKNOWN


class FamilyResource(resources.ModelResource):  # type: ignore[misc]  # the library is untyped
    """Families by name; every row is validated as in the form."""

    class Meta:
        model = ModelFamily
        import_id_fields = ("name",)
        exclude = ("id",)
        clean_model_instances = True
        skip_unchanged = True


class ModelResource(resources.ModelResource):  # type: ignore[misc]  # the library is untyped
    """Models by name, with the name of their family."""

    family = fields.Field("family", "family", widgets.ForeignKeyWidget(ModelFamily, "name"))

    class Meta:
        model = BaseModel
        import_id_fields = ("name",)
        exclude = ("id", "added_at", "path")
        clean_model_instances = True
        skip_unchanged = True


@admin.register(ModelFamily)
class ModelFamilyAdmin(ImportExportModelAdmin):  # type: ignore[misc]  # the library is untyped
    resource_classes = (FamilyResource,)
    list_display = ("name", "types", "targets", "supports_chat", "position_table", "trainable")
    list_filter = ("supports_chat", "position_table", "packing_leaks", "supports_checkpointing")
    search_fields = ("name", "model_types", "lora_targets", "notes")

    @admin.display(description="model types")
    def types(self, family: ModelFamily) -> str:
        return ", ".join(family.model_types)

    @admin.display(description="LoRA targets")
    def targets(self, family: ModelFamily) -> str:
        return ", ".join(family.lora_targets)

    @admin.display(boolean=True)
    def trainable(self, family: ModelFamily) -> bool:
        return not family.untrainable

    def get_readonly_fields(self, request: HttpRequest, obj: ModelFamily | None = None) -> tuple[str, ...]:
        return ("name",) if obj and obj.name == UNKNOWN else ()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say beforehand that the family Unknown stays; deleting it would be refused."""
        found, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return found, counts, lacking, [*protected, *(str(family) for family in objs if family.name == UNKNOWN)]


@admin.register(BaseModel)
class BaseModelAdmin(ImportExportModelAdmin):  # type: ignore[misc]  # the library is untyped
    resource_classes = (ModelResource,)
    list_display = ("name", "family", "source", "parameters", "context_length", "supports_chat", "gated", "files")
    list_filter = ("source", "gated", "supports_chat", "family")
    list_select_related = ("family",)
    search_fields = ("name", "family__name", "licence")
    autocomplete_fields = ("family",)
    readonly_fields = ("added_at",)

    @admin.display(description="files")
    def files(self, model: BaseModel) -> str:
        return cache_state(model).text


@admin.register(Download)
class DownloadAdmin(admin.ModelAdmin[Download]):
    list_display = ("model", "revision", "state", "text", "asked_by", "machine", "created_at", "finished_at")
    list_filter = ("state", "machine")
    search_fields = ("model__name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Download | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Download]:
        return super().get_queryset(request).select_related("model", "asked_by")
