"""Base weights in fewer bits, and what that needs."""

from __future__ import annotations

from collections.abc import Collection

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import use


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
