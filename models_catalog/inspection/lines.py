"""The modules of a model as lines of the fact `modules`: twins in all layers are one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import _check_lora_target_modules_mamba as refuse_in_state_spaces
from peft.utils import transformers_weight_conversion as renaming
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from jobs.rulebook.tree import LAYER

from .towers import is_inside, towers

Line = dict[str, Any]


def renamed_targets(config: PretrainedConfig) -> dict[str, str]:
    """Older names of expert matrices that PEFT still takes for this architecture."""
    patterns = renaming._MODEL_TO_CONVERSION_PATTERN  # type: ignore[attr-defined]  # with an entry of its own
    return dict(renaming._MOE_TARGET_MODULE_MAPPING.get(patterns.get(config.model_type, ""), {}))


def module_lines(model: PreTrainedModel) -> list[Line]:
    """Every module that text passes through, and every matrix of experts or router, in the model's order."""
    layers: dict[tuple[Any, ...], list[int]] = {}
    for path, facts in _every(model):
        collapsed, layer = _collapse(path)
        at = layers.setdefault((collapsed, *facts.items()), [])
        if layer is not None:
            at.append(layer)
    return [{"path": path, "at": _ranges(at), **dict(facts)} for (path, *facts), at in layers.items()]


def _every(model: PreTrainedModel) -> Iterator[tuple[str, Line]]:
    roles, aside = _Roles(model), towers(model)
    endings = tuple(f".{ending}" for ending in set(renamed_targets(model.config).values()))
    for path, module in model.named_modules():
        if is_inside(path, aside):
            continue
        if path:
            yield path, _module(path, module, roles)
        for name, parameter in module.named_parameters(recurse=False):
            whole = f"{path}.{name}"
            if roles.holds_experts(path) and parameter.dim() == 3:
                count, one, other = parameter.shape
                yield whole, {"kind": "expert", "inputs": one, "outputs": other, "experts": count}
            elif endings and whole.endswith(endings) and parameter.dim() == 2:
                outputs, inputs = parameter.shape
                yield whole, {"kind": "parameter", "inputs": inputs, "outputs": outputs, "role": "router"}


def _module(path: str, module: nn.Module, roles: _Roles) -> Line:
    line = _shape(module)
    if line["kind"] == "other":
        return line
    refused = roles.is_refused(path)
    role = roles.of(path, module, line)
    return {**line, **({"role": role} if role else {}), **({"refused": True} if refused else {})}


def _shape(module: nn.Module) -> Line:
    """Kind and widths, by the classes that PEFT tells modules apart by (`peft/tuners/lora/layer.py`)."""
    if isinstance(module, nn.Embedding):
        return {"kind": "embedding", "inputs": module.num_embeddings, "outputs": module.embedding_dim}
    if isinstance(module, nn.Conv1d):
        sizes = {"inputs": module.in_channels, "outputs": module.out_channels, "kernel": module.kernel_size[0]}
        return {"kind": "conv", **sizes, "groups": module.groups}
    if isinstance(module, nn.Linear):
        return {"kind": "linear", "inputs": module.in_features, "outputs": module.out_features}
    if isinstance(module, Conv1D):
        inputs, outputs = module.weight.shape
        return {"kind": "conv1d", "inputs": inputs, "outputs": outputs}
    return {"kind": "other"}


class _Roles:
    """What modules are for, as far as it decides whether they should carry an adapter."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.modules = dict(model.named_modules())
        self.embedding: Any = model.get_input_embeddings()
        self.head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        self.experts = {path: count for path, module in self.modules.items() if (count := _experts_in(path, module))}
        self.mixtures = {path.rpartition(".")[0]: count for path, count in self.experts.items()}

    def holds_experts(self, path: str) -> bool:
        return path in self.experts

    def of(self, path: str, module: nn.Module, line: Line) -> str:
        if module is self.head:
            return "head"
        if module is self.embedding:
            return "embedding"
        if self.is_refused(path) or self._is_bypassed(path) or _reads_no_tokens(module):
            return "unfit"
        if isinstance(module, nn.Linear) and not _answers_plainly(module):
            return "unfit"
        return "router" if line["kind"] == "linear" and self._routes(path, line["outputs"]) else ""

    def is_refused(self, path: str) -> bool:
        """PEFT raises for some names in some state-space models."""
        try:
            refuse_in_state_spaces(_ANY_LORA, self.model, path.rpartition(".")[2])
        except ValueError:
            return True
        return False

    def _is_bypassed(self, path: str) -> bool:
        """Its parent uses its weight without calling it, so an adapter has no say and gets no gradient."""
        parent, _, name = path.rpartition(".")
        return name in _used_directly(type(self.modules[parent]).forward)

    def _routes(self, path: str, outputs: int) -> bool:
        """In a mixture, beside the experts: one output for each expert, or a gate of one output."""
        mixture = path
        while mixture := mixture.rpartition(".")[0]:
            if mixture in self.experts:
                return False
            if mixture in self.mixtures:
                return outputs in (1, self.mixtures[mixture])
        return False


_ANY_LORA = LoraConfig()


def _experts_in(path: str, module: nn.Module) -> int:
    """How many experts a module holds, 0 for all others: as 3-D matrices, or as a list of modules."""
    called = "expert" in path.rpartition(".")[2].lower() or "expert" in type(module).__name__.lower()
    if not called:
        return 0
    if isinstance(module, nn.ModuleList):
        return len(module)
    stacked = [each.shape[0] for each in module.parameters(recurse=False) if each.dim() == 3]
    return int(stacked[0]) if stacked else 0


@cache
def _used_directly(call: Callable[..., Any]) -> frozenset[str]:
    """Children whose weights a module's call uses without calling them.

    transformers names them itself, so that offloaded weights are there in time (`force_accelerate_hooks`).
    """
    return frozenset(inspect.getclosurevars(call).nonlocals.get("child_module_names", ()))


def _answers_plainly(module: nn.Linear) -> bool:
    """It answers with the numbers that a linear layer would, to which an adapter adds its own.

    Some with a call of their own answer by groups, or with more than numbers.
    """
    if type(module).forward is nn.Linear.forward:
        return True
    asked = torch.empty(1, 2, module.in_features, device=module.weight.device, dtype=module.weight.dtype)
    try:
        answer = module(asked)
    except Exception:  # it wants another shape, each in its own way
        return False
    return isinstance(answer, torch.Tensor) and answer.shape == (1, 2, module.out_features)


def _reads_no_tokens(module: nn.Module) -> bool:
    """An embedding with a call of its own, from masks and lengths to positions; an adapter is called with numbers."""
    if not isinstance(module, nn.Embedding):
        return False
    call = inspect.signature(type(module).forward)
    return len(call.parameters) > len(("self", "input"))


def _collapse(path: str) -> tuple[str, int | None]:
    """A path with {} for the number of its layer, and that number."""
    parts = path.split(".")
    place = next((place for place, part in enumerate(parts) if part.isdecimal()), None)
    if place is None:
        return path, None
    return ".".join([*parts[:place], LAYER, *parts[place + 1 :]]), int(parts[place])


def _ranges(numbers: list[int]) -> list[list[int]]:
    """Rising numbers as inclusive ranges."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges
