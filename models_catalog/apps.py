"""The models_catalog application."""

from typing import Any

from django.apps import AppConfig
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete

from .seed import UNKNOWN


class ModelsCatalogConfig(AppConfig):
    name = "models_catalog"
    verbose_name = "Models"

    def ready(self) -> None:
        pre_delete.connect(_protect_unknown, sender="models_catalog.ModelFamily")


def _protect_unknown(instance: Any, **signal: Any) -> None:
    """Models of no other family belong to it, so that no way of deleting may take it away."""
    if instance.name == UNKNOWN:
        raise ProtectedError("The family Unknown is needed for models of no other family.", {instance})
