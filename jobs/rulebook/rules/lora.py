"""The strength of the LoRA adapter."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import use
from ..words import number


@rule(
    code="lora.alpha-unusual",
    severity=Severity.WARNING,
    field="lora.alpha",
    message="lora.alpha is {alpha} at rank {rank}: the update is scaled by alpha/r, which is {scale} here. {why} "
    "About twice the rank is usual. Use {double}.",
    breaks={"lora_r": 16, "lora_alpha": 256},
)
def alpha_unusual(lora_r: int, lora_alpha: float, use_rslora: bool = False) -> Broken | None:
    """Alpha over rank multiplies every update: far from the usual 2 it acts like another learning rate."""
    if use_rslora or lora_r < 1 or lora_alpha <= 0 or lora_r <= lora_alpha <= 4 * lora_r:
        return None
    return broken(
        fix=use("lora.alpha", 2 * lora_r),
        alpha=number(lora_alpha),
        rank=lora_r,
        scale=number(lora_alpha / lora_r),
        why="The adapter hardly shows." if lora_alpha < lora_r else "The adapter easily overshoots.",
        double=2 * lora_r,
    )
