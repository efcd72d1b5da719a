"""Base weights in fewer bits, and what that needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, use
from ..tree import read_modules
from ..words import names

OLDEST = (0, 46, 1)
"""The first release of bitsandbytes that transformers 5.23 takes (utils/import_utils.py)."""

CAPABILITY = {"8bit": (7, 5), "4bit": (6, 0)}
"""Compute capability that bitsandbytes needs of an NVIDIA GPU, as its installation guide has it."""

WORTH_IT = 0.5
"""Share of the weights that must be packed for it to be worth while."""


@rule(
    code="quantization.full-fine-tuning",
    severity=Severity.ERROR,
    field="quantization",
    message="quantization is {quantization}, but without LoRA the quantized weights themselves would have to be "
    "trained, which cannot be done. Train a LoRA adapter, or use none.",
    breaks={"quantization": "4bit", "lora_enabled": False},
)
def full_fine_tuning(quantization: str, lora_enabled: bool) -> Broken | None:
    """Weights in 4 or 8 bits take no gradient; the trainer refuses them after loading the model."""
    if quantization == "none" or lora_enabled:
        return None
    fixes = (Fix("Train a LoRA adapter", {"lora.enabled": True}), use("quantization", "none"))
    return broken(fixes=fixes, quantization=quantization)


@rule(
    code="quantization.package-missing",
    severity=Severity.ERROR,
    field="quantization",
    message="quantization is {quantization}, which needs the package bitsandbytes; it is not installed on this "
    "machine. Use none, or ask staff to install it.",
    breaks={"quantization": "4bit", "packages": ()},
)
def package_missing(quantization: str, packages: Collection[str]) -> Broken | None:
    """The import fails while the model is being loaded."""
    if quantization == "none" or "bitsandbytes" in packages:
        return None
    return broken(fix=use("quantization", "none"), quantization=quantization)


@rule(
    code="quantization.optimizer-package-missing",
    severity=Severity.ERROR,
    field="training.optim",
    message="training.optim is {optim}, which needs the package bitsandbytes; it is not installed on this machine. Use "
    "adamw_torch, or ask staff to install it.",
    breaks={"optim": "adamw_8bit", "packages": ()},
)
def optimizer_package_missing(optim: str, packages: Collection[str]) -> Broken | None:
    """The import fails only at the first step, after all rows are tokenised."""
    if "8bit" not in optim or "bitsandbytes" in packages:
        return None
    return broken(fix=use("training.optim", "adamw_torch"), optim=optim)


@rule(
    code="quantization.package-too-old",
    severity=Severity.ERROR,
    field="quantization",
    message="{field} is {value}, for which transformers needs bitsandbytes {oldest} or newer; this machine has "
    "{installed}. Use {instead}, or ask staff to update it.",
    breaks={"quantization": "4bit", "optim": "adamw_torch", "package_versions": {"bitsandbytes": "0.45.5"}},
)
def package_too_old(
    quantization: str, optim: str, package_versions: Mapping[str, str] | None = None
) -> Iterator[Broken]:
    """transformers treats an older package as if it were missing, while the model is loaded or at the first step."""
    installed = (package_versions or {}).get("bitsandbytes", "")
    if not installed or _numbers(installed) >= OLDEST:
        return
    oldest = ".".join(map(str, OLDEST))
    for path, value, instead in (("quantization", quantization, "none"), ("training.optim", optim, "adamw_torch")):
        if value in ("4bit", "8bit") or "8bit" in value:
            fix = use(path, instead)
            yield broken(fix=fix, field=path, value=value, instead=instead, oldest=oldest, installed=installed)


def _numbers(version: str) -> tuple[int, ...]:
    """0.46.1.dev0 reads (0, 46, 1): what stands before the first part that is no number."""
    found = []
    for part in version.split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    return tuple(found)


_OLD_CARD = [{"index": 0, "name": "Tesla V100", "memory": 16 * 10**9, "free": 16 * 10**9, "capability": [7, 0]}]


@rule(
    code="quantization.card-too-old",
    severity=Severity.ERROR,
    field="quantization",
    message="quantization is {quantization}, which needs a GPU of compute capability {needed} or newer; this machine "
    "has {cards}. {advice}",
    breaks={"quantization": "8bit", "gpu_list": _OLD_CARD},
)
def card_too_old(quantization: str, gpu_list: Sequence[Mapping[str, Any]] = ()) -> Broken | None:
    """The circuits for it came later, and without them the first step fails."""
    if quantization == "none" or not gpu_list or _newest(gpu_list) >= CAPABILITY[quantization]:
        return None
    fixes = [use("quantization", "4bit")] if _newest(gpu_list) >= CAPABILITY["4bit"] else []
    fixes.append(use("quantization", "none"))
    return broken(
        fixes=fixes,
        quantization=quantization,
        needed=".".join(map(str, CAPABILITY[quantization])),
        cards=names(sorted({f"{card['name']} ({'.'.join(map(str, card['capability']))})" for card in gpu_list})),
        advice=advice(fixes),
    )


def _newest(gpu_list: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    return max(tuple(card["capability"]) for card in gpu_list)


@rule(
    code="quantization.dora-on-processor",
    severity=Severity.ERROR,
    field="lora.use_dora",
    message="DoRA on weights in 8 bits fails in the first step on a machine without a GPU. Turn DoRA off, or load the "
    "weights in 4 bits.",
    breaks={"quantization": "8bit", "use_dora": True, "lora_enabled": True, "gpus": 0},
)
def dora_on_processor(quantization: str, use_dora: bool, lora_enabled: bool, gpus: int) -> Broken | None:
    """Seen with bitsandbytes 0.50 and PEFT 0.21: DoRA takes the weights' scales away, which the next layer misses."""
    if quantization != "8bit" or not use_dora or not lora_enabled or gpus:
        return None
    return broken(fixes=[use("lora.use_dora", False, "Turn DoRA off"), use("quantization", "4bit", "Load in 4 bits")])


_MIXTURE = [
    {"path": "model.layers.{}.self_attn.q_proj", "at": [(0, 31)], "kind": "linear", "inputs": 4096, "outputs": 4096},
]


@rule(
    code="quantization.experts-stay",
    severity=Severity.WARNING,
    field="quantization",
    message="quantization is {quantization}, but only {share} of the weights of {model} lie in layers that can be "
    "packed; the rest, mostly its experts, is loaded as it is, so little memory is saved. Use none, or a model without "
    "experts.",
    breaks={"quantization": "4bit", "lora_enabled": True, "model": "mistralai/Mixtral-8x7B-v0.1", "modules": _MIXTURE,
            "parameters": 46_702_800_000},
)  # fmt: skip
def experts_stay(
    quantization: str,
    lora_enabled: bool,
    model: str,
    modules: Sequence[Mapping[str, Any]] | None = None,
    parameters: int | None = None,
) -> Broken | None:
    """bitsandbytes packs linear layers. In transformers 5 the experts of a mixture are matrices without one."""
    if quantization == "none" or not lora_enabled or not modules or not parameters:
        return None
    linear = [each for each in read_modules(modules, {}).modules if each.is_linear and each.role != "head"]
    share = sum(each.count * each.inputs * each.outputs for each in linear) / parameters
    if share >= WORTH_IT:
        return None
    return broken(fix=use("quantization", "none"), quantization=quantization, share=f"{share:.0%}", model=model)
