"""The number format suits the GPU."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import use


@rule(
    code="precision.no-bf16",
    severity=Severity.ERROR,
    field="training.precision",
    message="training.precision is bf16, but the GPU of this machine cannot compute in bfloat16. Use auto, which takes "
    "fp16 there.",
    breaks={"precision": "bf16", "gpus": 1, "bf16": False},
)
def no_bf16(precision: str, gpus: int, bf16: bool | None = None) -> Broken | None:
    """The trainer refuses bf16 on a GPU without it, before the model is loaded."""
    if precision != "bf16" or gpus == 0 or bf16 is not False:
        return None
    return broken(fix=use("training.precision", "auto"))


@rule(
    code="precision.fp16-needless",
    severity=Severity.ADVICE,
    field="training.precision",
    message="training.precision is fp16, whose small range makes long runs overflow now and then. The GPU of this "
    "machine does bf16, which does not. Use bf16.",
    breaks={"precision": "fp16", "gpus": 1, "bf16": True},
)
def fp16_needless(precision: str, gpus: int, bf16: bool | None = None) -> Broken | None:
    """bf16 has the range of fp32 at the price of fp16."""
    if precision != "fp16" or gpus == 0 or not bf16:
        return None
    return broken(fix=use("training.precision", "bf16"))
