"""The datasets_app application."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "datasets_app"
    verbose_name = "Datasets"

    def ready(self) -> None:
        from . import signals  # noqa: F401 - importing connects them
