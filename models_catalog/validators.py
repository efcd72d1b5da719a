"""What a JSON list in the catalogue may hold. Used by the admin and by imports alike."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError

from .hub_files import HUB_ID
from .refusals import wrong_name

NAME = re.compile(r"[A-Za-z_][\w-]*")


def validate_names(value: Any) -> None:
    """A list of module names or model types, none of them twice."""
    _validate_list_of_text(value)
    if wrong := [name for name in value if not NAME.fullmatch(name)]:
        raise ValidationError(f"“{wrong[0]}” is not a name. Use the last part of the module's path, such as q_proj.")
    if len(set(value)) < len(value):
        raise ValidationError("A name is listed twice. List each once.")


def validate_patterns(value: Any) -> None:
    """A list of regular expressions."""
    _validate_list_of_text(value)
    for pattern in value:
        try:
            re.compile(pattern)
        except re.error as error:
            message = f"“{pattern}” is not a regular expression: {error}."
            raise ValidationError(message) from error


def _validate_list_of_text(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValidationError('Give a list of texts, such as ["q_proj", "v_proj"].')


def validate_model_name(value: str) -> None:
    """As on the hub: owner/name, or a name alone."""
    if not HUB_ID.fullmatch(value):
        raise ValidationError(wrong_name(value).message)
