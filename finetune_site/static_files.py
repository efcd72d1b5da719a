"""Bootstrap's stylesheet, taken from its package: the one file of it that pages use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bootstrap_wrapper
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

PATH = "vendor/bootstrap.min.css"


class _Stylesheets(FileSystemStorage):
    prefix = "vendor"


class BootstrapFinder(BaseFinder):
    """Exposes one file: reading the whole package (1.5 MB of maps and scripts we do not use) slows every start."""

    def __init__(self, app_names: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.storage = _Stylesheets(Path(bootstrap_wrapper.__file__).parent.parent / "bootstrap" / "css")

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        found = self.storage.path("bootstrap.min.css") if path == PATH else None
        return ([found] if found else []) if find_all else found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, FileSystemStorage]]:
        yield "bootstrap.min.css", self.storage
