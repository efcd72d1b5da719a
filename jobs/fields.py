"""API fields made from the settings table: what a program may send, with types, limits, choices, defaults and help.

The fields describe only. Reading and judging is the rulebook's, so that every surface says the same.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from .rulebook.settings_table import SETTINGS, Kind, Setting

Field = serializers.Field[Any, Any, Any, Any]
TYPES = {
    Kind.TEXT: "string",
    Kind.CHOICE: "string",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "number",
    Kind.BOOLEAN: "boolean",
    Kind.NAMES: "array",
}


class SettingField(serializers.Field[Any, Any, Any, Any]):
    """One setting, as it is in JSON."""

    def __init__(self, setting: Setting, **options: Any) -> None:
        super().__init__(required=setting.required, label=setting.label, help_text=setting.help, **options)
        self.setting = setting

    def to_representation(self, value: Any) -> Any:
        return value

    def to_internal_value(self, data: Any) -> Any:
        return data

    def __deepcopy__(self, memo: dict[int, Any]) -> SettingField:
        return SettingField(self.setting)


class SettingSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # the library is untyped
    """How a setting is described in the OpenAPI schema."""

    target_class = SettingField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return schema(self.target.setting)


def schema(setting: Setting) -> dict[str, Any]:
    """An OpenAPI 3.0 schema. Exclusive limits are flags beside the limit there; texts are limited in length."""
    return {
        "type": TYPES[setting.kind],
        "title": setting.label,
        "description": " ".join(filter(None, (setting.help, setting.why))),
        **({"items": {"type": "string"}} if setting.kind is Kind.NAMES else {}),
        **({"enum": list(setting.choices)} if setting.choices else {}),
        **({"nullable": True} if setting.nullable else {}),
        **({"default": setting.default} if setting.default is not None else {}),
        **_limits(setting),
    }


def _limits(setting: Setting) -> dict[str, Any]:
    if setting.kind is Kind.TEXT:
        return {} if setting.maximum is None else {"maxLength": int(setting.maximum)}
    limits = {
        "minimum": setting.minimum if setting.above is None else setting.above,
        "maximum": setting.maximum if setting.below is None else setting.below,
        "exclusiveMinimum": True if setting.above is not None else None,
        "exclusiveMaximum": True if setting.below is not None else None,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def spec_fields() -> dict[str, Field]:
    """The fields of a specification, nested in one serializer for each group."""
    groups = {name: kind(required=name in _NEEDED) for name, kind in _GROUPS.items()}
    return groups | _settings_of("")


def _settings_of(group: str) -> dict[str, Field]:
    rows = (setting for setting in SETTINGS.values() if setting.group == group)
    return {setting.path.rpartition(".")[2]: SettingField(setting) for setting in rows}


_GROUPS: dict[str, type[serializers.Serializer[Any]]] = {
    name: type(f"{name.capitalize()}Settings", (serializers.Serializer,), _settings_of(name))
    for name in dict.fromkeys(setting.group for setting in SETTINGS.values() if setting.group)
}
_NEEDED = {setting.group for setting in SETTINGS.values() if setting.required}
