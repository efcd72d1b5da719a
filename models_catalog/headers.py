"""What a safetensors file holds, from its header alone: the weights are never read.

A file opens with eight bytes, the length of the header as a little-endian integer, and the header: JSON that
gives each tensor's type, shape and place. Format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

LARGEST_HEADER = 32 * 1024**2  # the largest of published models is about 1 MB
SIDE_TOWERS = {"visual", "vision_tower", "vision_model", "audio_tower", "multi_modal_projector"}
ROUTERS = {"gate", "router", "shared_expert_gate", "wg"}
EMBEDDINGS = {"embed_tokens", "embed_in", "wte", "word_embeddings"}
STACKS = {"layers", "h", "blocks"}
HEADS = {"lm_head", "embed_out"}
NOT_LINEAR = {"wte", "wpe", "lm_head", "head", "score", "decoder", "A_log"}


class UnreadableWeights(Exception):
    """A file is no safetensors file, or not all of one; the text says why."""


@dataclass
class Modules:
    """Names of the modules that hold 2-D weights, by their part in the model; the last part of their paths."""

    dense: set[str] = field(default_factory=set)
    experts: set[str] = field(default_factory=set)
    routers: set[str] = field(default_factory=set)
    embeddings: set[str] = field(default_factory=set)
    heads: set[str] = field(default_factory=set)
    parameters: int = 0
    layers: int = 0

    def add(self, name: str, shape: list[int]) -> None:
        self.parameters += math.prod(shape)
        *path, last = name.split(".")
        self.layers = max(self.layers, _layer(path) + 1)
        if last != "weight" or len(shape) != 2 or not path or SIDE_TOWERS.intersection(path):
            return
        leaf = path[-1]
        if leaf in EMBEDDINGS | HEADS:
            (self.heads if leaf in HEADS else self.embeddings).add(leaf)
            return
        if leaf.isdigit() or (leaf in NOT_LINEAR and leaf not in ROUTERS) or "embed" in leaf:
            return
        self._group(leaf, path).add(leaf)

    def _group(self, leaf: str, path: list[str]) -> set[str]:
        if "experts" in path:
            return self.experts
        return self.routers if leaf in ROUTERS else self.dense


def _layer(path: list[str]) -> int:
    """The number of the layer a tensor belongs to; -1 outside the stack of layers."""
    if SIDE_TOWERS.intersection(path):
        return -1
    numbers = (
        int(number) for stack, number in pairwise(path) if stack in STACKS and re.fullmatch("[0-9]{1,5}", number)
    )
    return next(numbers, -1)


def read_modules(files: Iterable[Path]) -> Modules:
    """The modules of a model whose weights lie in `files`. Raises `UnreadableWeights`."""
    modules = Modules()
    for file in files:
        for name, entry in _tensors(file).items():
            modules.add(name, entry["shape"])
    return modules


def _tensors(file: Path) -> dict[str, Any]:
    header = _header(file)
    header.pop("__metadata__", None)
    if not all(_is_tensor(entry) for entry in header.values()):
        raise UnreadableWeights(f"{file.name} has a header that does not describe tensors.")
    return header


def _is_tensor(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("shape"), list):
        return False
    return all(isinstance(size, int) and size >= 0 for size in entry["shape"])


def _header(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= LARGEST_HEADER:
                raise UnreadableWeights(f"{file.name} is not a safetensors file.")
            header = json.loads(stream.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableWeights(f"{file.name} cannot be read as safetensors.") from error
    if not isinstance(header, dict):
        raise UnreadableWeights(f"{file.name} has a header that is not an object.")
    _refuse_cut_off(file, length, header)
    return header


def _refuse_cut_off(file: Path, length: int, header: dict[str, Any]) -> None:
    """The last tensor must end where the file ends; an interrupted copy is shorter."""
    ends = [entry["data_offsets"][1] for entry in header.values() if _has_end(entry)]
    expected = 8 + length + max(ends, default=0)
    if file.stat().st_size < expected:
        raise UnreadableWeights(f"{file.name} is cut off: it has {file.stat().st_size} of {expected} bytes.")


def _has_end(entry: Any) -> bool:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    return isinstance(offsets, list) and len(offsets) == 2 and isinstance(offsets[1], int)
