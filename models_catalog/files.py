"""What a model's own files say: config.json, tokenizer, chat template, weights. Nothing is loaded or run.

Reading never raises on bad files: what is wrong is said in `problems`, what could not be read stays unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from .config_numbers import numbers, text_part
from .headers import Modules, UnreadableWeights, read_modules

LARGEST_JSON = 64 * 1024**2
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class ModelFiles:
    """What the files of one folder say. `modules` is None when the weights do not name them.

    `problems` are sentences about files that cannot be read; `damage` is the one about weights, if there is one.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    weights: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    has_tokenizer: bool = False
    has_template: bool | None = None
    own_code: bool = False
    modules: Modules | None = None
    bytes_on_disk: int = 0
    problems: tuple[str, ...] = ()
    damage: str = ""

    @property
    def model_type(self) -> str:
        return str(text_part(self.config).get("model_type") or "")

    @property
    def architecture(self) -> str:
        """The class that will be loaded, as config.json names it."""
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""

    @property
    def numbers(self) -> dict[str, int]:
        return numbers(self.config)

    @property
    def weights_format(self) -> str:
        """safetensors, pickle or gguf; the method where safetensors are quantized; empty where nothing is known."""
        if self.weights or {"model.safetensors", INDEX} & self.names:
            return self._quantized or "safetensors"
        beside = [name for name in self.names if "/" not in name]
        if any(Path(name).suffix in PICKLES for name in beside):
            return "pickle"
        return "gguf" if any(name.endswith(".gguf") for name in beside) else self._quantized

    @property
    def _quantized(self) -> str:
        method = self.config.get("quantization_config")
        return str(method.get("quant_method") or "quantized").lower() if isinstance(method, dict) else ""

    @property
    def pickles_only(self) -> bool:
        return self.weights_format == "pickle"

    @property
    def gguf_only(self) -> bool:
        return self.weights_format == "gguf"

    @property
    def lacks(self) -> tuple[str, ...]:
        """What must be there before the model can be trained, and is not."""
        lacking = [] if "config.json" in self.names else ["config.json"]
        lacking += [] if self.has_tokenizer else ["a tokenizer (tokenizer.json)"]
        lacking += [] if self.weights else ["weights (model.safetensors)"]
        return (*lacking, *self.missing)


def read_folder(folder: Path) -> ModelFiles:
    """Read a model's folder. Remembered until a file in it changes."""
    return _read_once(folder, signature(folder))


Signature = tuple[tuple[str, int, int], ...]


def signature(folder: Path) -> Signature:
    """Name, time and size of each file; symbolic links are followed, dead ones left out."""
    try:
        files = [(entry.name, entry.stat()) for entry in folder.iterdir() if entry.is_file()]
    except OSError:
        return ()
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in files))


@lru_cache(maxsize=256)
def _read_once(folder: Path, signature: Signature) -> ModelFiles:
    names = frozenset(name for name, _, _ in signature)
    problems: list[str] = []
    config = _read_json(folder, "config.json", names, problems)
    tokenizer = _read_json(folder, "tokenizer_config.json", names, problems)
    weights, missing = _weights(_read_json(folder, INDEX, names, problems), names)
    modules, damage = _modules(folder, weights)
    packed = "quantization_config" in config  # quantized weights lie under other names and in other shapes
    return ModelFiles(
        config=config,
        names=names,
        weights=weights,
        missing=missing,
        has_tokenizer=any(name in names for name in TOKENIZERS),
        has_template=_has_template(folder, names, tokenizer),
        own_code="auto_map" in config or "auto_map" in tokenizer,
        modules=None if packed else modules,
        bytes_on_disk=sum(size for _, _, size in signature),
        problems=(*problems, damage) if damage else tuple(problems),
        damage=damage,
    )


def _read_json(folder: Path, name: str, names: frozenset[str], problems: list[str]) -> dict[str, Any]:
    """The object in a JSON file; empty when there is no such file, or with a problem when it is no such thing."""
    if name not in names:
        return {}
    try:
        with (folder / name).open("rb") as stream:
            content = json.loads(stream.read(LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        problems.append(f"{name} cannot be read as JSON.")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{name} does not hold a JSON object.")
        return {}
    return content


def _weights(index: Mapping[str, Any], names: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The weight files that will be loaded, and those of them that are missing."""
    if "model.safetensors" in names:
        return ("model.safetensors",), ()
    places = index.get("weight_map")
    shards = sorted({str(shard) for shard in places.values()}) if isinstance(places, dict) else []
    return tuple(s for s in shards if s in names), tuple(s for s in shards if s not in names)


def _has_template(folder: Path, names: frozenset[str], tokenizer: Mapping[str, Any]) -> bool | None:
    """Whether the tokenizer has a chat template; a file of its own beats the one in tokenizer_config.json."""
    for name in ("chat_template.jinja", "chat_template.json"):
        if name in names:
            return (folder / name).stat().st_size > 0
    if "tokenizer_config.json" not in names:
        return None
    return bool(tokenizer.get("chat_template"))


def _modules(folder: Path, weights: tuple[str, ...]) -> tuple[Modules | None, str]:
    """Module names from the weights, or what is wrong with the weights."""
    try:
        modules = read_modules(folder / name for name in weights)
    except UnreadableWeights as problem:
        return None, str(problem)
    return modules if modules.dense else None, ""
