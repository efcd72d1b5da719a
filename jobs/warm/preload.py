"""What the warm process imports once, and how it notices that this is no longer what is installed."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from .client import ROOT

LIBRARIES = (
    "torch",
    "safetensors.torch",
    "tokenizers",
    "transformers",
    "accelerate",
    "peft",
    "datasets",
    "datasets.io.json",
    "trl",
    "transformers.trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.models.qwen3.modeling_qwen3",
    "transformers.models.mistral.modeling_mistral",
    "transformers.models.gemma3.modeling_gemma3",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.phi3.modeling_phi3",
    "transformers.models.qwen3_moe.modeling_qwen3_moe",
    "transformers.models.mixtral.modeling_mixtral",
    "trl.trainer.sft_trainer",
    "trl.trainer.dpo_trainer",
)
OURS = tuple(
    ROOT / folder
    for folder in (
        "jobs/rulebook",
        "jobs/trainer",
        "jobs/preparation",
        "jobs/rehearsal",
        "jobs/warm",
        "models_catalog/inspection",
    )
)


def preload(names: Iterable[str]) -> None:
    """Import all of them, and keep the collector away from what the children share. One that fails is said."""
    for name in names:
        _attempt(import_module, name)
    _attempt(fill_caches)
    gc.collect()
    gc.freeze()


def _attempt(do: Callable[..., object], *arguments: str) -> None:
    try:
        do(*arguments)
    except Exception:
        traceback.print_exc()  # a task that needs it will say so too


def fill_caches() -> None:
    """What a library works out once in a process, so that it is not worked out anew in each child."""
    if conversion := sys.modules.get("transformers.conversion_mapping"):
        conversion.get_checkpoint_conversion_mapping("llama")  # compiles 900 patterns: 0.4 s


class Watch:
    """Remembers libraries and code as they are now."""

    def __init__(self, libraries: Iterable[str] = LIBRARIES, folders: Iterable[Path] = OURS) -> None:
        names = {name.partition(".")[0] for name in libraries}
        found = (find_spec(name) for name in names)
        self._libraries = [Path(spec.origin) for spec in found if spec and spec.origin]
        self._folders = tuple(folders)
        self._then = self._stamps()

    def has_changed(self) -> bool:
        return self._stamps() != self._then

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        """Time and number of each file; an installation writes files anew, so one of them changes."""
        ours = (file for folder in self._folders for file in folder.rglob("*.py"))
        return {file: _stamp(file) for file in (*self._libraries, *ours)}


def _stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_ino
