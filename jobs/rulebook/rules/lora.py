"""The strength of the LoRA adapter."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import use
from ..words import number


@rule(
    code="lora.alpha-zero",
    severity=Severity.ERROR,
    field="lora.alpha",
    message="lora.alpha is 0, so every update is multiplied by 0 and nothing is learnt. Use {double}, twice the rank.",
    breaks={"lora_r": 16, "lora_alpha": 0},
)
def alpha_zero(lora_r: int, lora_alpha: float) -> Broken | None:
    """Alpha 0 gives a zero gradient: nothing is learnt and no error is raised."""
    if lora_alpha or lora_r < 1:
        return None
    return broken(fix=use("lora.alpha", 2 * lora_r), double=2 * lora_r)


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
    usual = use_rslora or lora_r <= lora_alpha <= 4 * lora_r
    if lora_r < 1 or not lora_alpha or (lora_alpha > 0 and usual):
        return None
    return broken(
        fix=use("lora.alpha", 2 * lora_r),
        alpha=number(lora_alpha),
        rank=lora_r,
        scale=number(lora_alpha / lora_r),
        why=_why(lora_r, lora_alpha),
        double=2 * lora_r,
    )


def _why(rank: int, alpha: float) -> str:
    if alpha < 0:
        return "The sign turns the adapter around, which it learns to make up for."
    return "The adapter hardly shows." if alpha < rank else "The adapter easily overshoots."


@rule(
    code="lora.dropout-unused",
    severity=Severity.WARNING,
    field="lora.dropout",
    message="lora.dropout is {dropout}, but DPO is trained without dropout: TRL turns it off, so that the model and "
    "its reference are compared on the same inputs. It would have no effect. Use 0.",
    breaks={"method": "dpo", "lora_enabled": True, "lora_dropout": 0.1},
)
def dropout_unused(method: str, lora_enabled: bool, lora_dropout: float) -> Broken | None:
    """TRL sets every dropout of the model to zero before a DPO run, the adapter's too, and says nothing."""
    if method != "dpo" or not lora_enabled or not 0 < lora_dropout < 1:
        return None
    return broken(fix=use("lora.dropout", 0.0), dropout=number(lora_dropout))
