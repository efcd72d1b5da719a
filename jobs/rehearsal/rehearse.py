"""Rehearses a job: the real trainer, two steps, on a stand-in for the model and the rows that hurt most."""

from __future__ import annotations

from typing import Any

from .document import Document, TellingRow


def rehearse(model_folder: str, run: dict[str, Any], rows: list[TellingRow], scratch: str) -> Document:
    """Train a tiny stand-in of the model in `model_folder` as the run file `run` says, within the folder `scratch`.

    Never raises: what goes wrong is told in the document.
    """
    raise NotImplementedError
