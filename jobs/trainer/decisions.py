"""What the trainer decides by itself. Every decision comes with its reason, which the person gets to read."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jobs.rulebook.steps import held_out

from .arguments import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Decision(Generic[T]):
    value: T
    reason: str | None = None


@dataclass(frozen=True)
class Machine:
    """What the trainer computes on: `cuda` or `cpu`."""

    device: str
    name: str
    bf16: bool

    @property
    def gpu(self) -> bool:
        return self.device == "cuda"


@dataclass(frozen=True)
class Precision:
    """`weights` is the number format the base model is loaded in, `autocast` the one it computes in, if another."""

    weights: str
    autocast: str | None

    @property
    def name(self) -> str:
        return {"bfloat16": "bf16", "float16": "fp16"}.get(self.autocast or self.weights, "fp32")

    @property
    def arguments(self) -> dict[str, bool]:
        """TRL computes in bf16 unless it is told otherwise, which a machine without a GPU refuses."""
        return {"bf16": self.autocast == "bfloat16", "fp16": self.autocast == "float16"}


_HALF = {"bf16": "bfloat16", "fp16": "float16"}


def choose_precision(settings: Settings, machine: Machine) -> Decision[Precision]:
    """Trained weights stay in fp32, where small updates are not rounded away; frozen ones may be halved."""
    asked = settings["training.precision"]
    if asked == "auto":
        asked, reason = _automatic_precision(machine)
    else:
        reason = f"{asked} was asked for."
    if asked == "fp32":
        return Decision(Precision("float32", None), reason)
    frozen = settings["lora.enabled"] and machine.gpu
    weights = _HALF[asked] if frozen else "float32"
    return Decision(Precision(weights, _HALF[asked]), f"{reason} {_WHY_WEIGHTS[frozen]}")


_WHY_WEIGHTS = {
    True: "The frozen base weights are held in it too, the adapter's in fp32.",
    False: "The weights themselves stay in fp32, so that small updates are not rounded away.",
}


def _automatic_precision(machine: Machine) -> tuple[str, str]:
    if not machine.gpu:
        return "fp32", "Computing in fp32: there is no GPU, and processors are not faster in bf16."
    if machine.bf16:
        return "bf16", f"Computing in bf16, which {machine.name} does natively."
    return "fp16", f"Computing in fp16, because {machine.name} has no bf16."


_PLAIN = ("eager", "sdpa")
"""Ways to compute attention that torch brings along."""


def choose_attention(
    asked: str | None, machine: Machine, precision: Precision, packages: Collection[str]
) -> Decision[str | None]:
    """What config.json asks for, where it can run; some public models ask for kernels that need a package or a GPU.

    None leaves it to transformers, which takes sdpa where the architecture has it.
    """
    if asked is None or asked in _PLAIN:
        return Decision(asked)
    if not machine.gpu:
        why = "it does not train on a processor"
    elif asked.startswith("flash_attention") and "flash_attn" not in packages:
        why = "the package flash_attn is not installed"
    elif asked.startswith("flash_attention") and precision.weights == "float32":
        why = "it computes in 16 bits only, and these weights are in fp32"
    else:
        return Decision(asked, f"Attention is computed by {asked}, as config.json asks for.")
    return Decision(None, f"config.json asks for {asked}, but {why}; torch's own attention is used.")


def choose_checkpointing(settings: Settings, *, supported: bool) -> Decision[bool]:
    if not settings["training.gradient_checkpointing"]:
        return Decision(False)
    if not supported:
        return Decision(False, "Gradient checkpointing is off, because this architecture cannot do it.")
    return Decision(True)


def choose_targets(settings: Settings, recommended: list[str] | None) -> Decision[list[str] | str]:
    """What was asked for, else the catalogue's advice, else every linear layer but the output."""
    asked = settings["lora.target_modules"]
    if isinstance(asked, str):
        return Decision(asked)
    if asked:
        return Decision(list(asked))
    if recommended:
        return Decision(recommended, f"LoRA goes on {', '.join(recommended)}, as recommended for this model.")
    return Decision("all-linear", "LoRA goes on every linear layer, because none were named.")


def choose_left_out(towers: Sequence[str]) -> Decision[str | None]:
    """A pattern on whole paths, as PEFT matches it, of what carries no adapter whatever it is called."""
    if not towers:
        return Decision(None)
    pattern = rf"({'|'.join(map(re.escape, towers))})(\..*)?"
    return Decision(pattern, f"LoRA leaves out {', '.join(towers)}: no text passes through there.")


def choose_held_out(settings: Settings, rows: int, eval_rows: int = 0) -> Decision[int]:
    """How many rows are kept back for evaluation, counted as the rulebook promised.

    `eval_rows` of all `rows` are those of an evaluation dataset, which leaves no need to hold out others.
    """
    if eval_rows:
        return Decision(eval_rows, "Evaluation goes by the rows of the evaluation dataset.")
    fraction = settings["data.eval_fraction"]
    count = held_out(rows, fraction)
    if fraction and not count:
        return Decision(0, "Nothing is held out for evaluation, because there is a single row.")
    return Decision(count)


def choose_intervals(settings: Settings, *, evaluates: bool) -> Decision[dict[str, Any]]:
    """When to evaluate. Checkpoints are kept by `keeping`; only that of the best model is asked for by transformers."""
    every = settings["training.eval_steps"]
    saving = {"save_strategy": "no"}
    if not evaluates:
        wished = settings["training.early_stopping_patience"]
        reason = "Early stopping is off, because no rows are held out for evaluation." if wished else None
        return Decision(saving | {"eval_strategy": "no"}, reason)
    evaluating = {"eval_strategy": "steps", "eval_steps": every} if every else {"eval_strategy": "epoch"}
    if not settings["training.early_stopping_patience"]:
        return Decision(saving | evaluating)
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
    reason = "A checkpoint follows each evaluation that is the best so far, and the best one is kept."
    return Decision(evaluating | best | {"save_strategy": "best"}, reason)


def choose_aux_loss(config: Any) -> Decision[float | None]:
    """TRL 1.16 reads both numbers of a mixture's configuration for its balance loss; some name them otherwise."""
    wanted = hasattr(config, "output_router_logits") and getattr(config, "router_aux_loss_coef", 0) != 0
    if not wanted or (hasattr(config, "num_experts") and hasattr(config, "num_experts_per_tok")):
        return Decision(None)
    return Decision(0.0, "The experts' balance loss is off, because TRL cannot compute it for this architecture.")


@dataclass(frozen=True)
class SpecialTokens:
    """The tokenizer's end and padding tokens, and how many rows the model's embedding has."""

    eos: str | None
    pad: str | None
    pad_id: int | None
    embeddings: int


def choose_padding(tokens: SpecialTokens, fallback: str) -> Decision[str]:
    """Padding is masked, so any token inside the embedding will do; `fallback` is one that surely is."""
    if tokens.pad is not None and tokens.pad_id is not None and tokens.pad_id < tokens.embeddings:
        return Decision(tokens.pad)
    why = "has no padding token" if tokens.pad is None else f"pads with {tokens.pad}, which the model has no room for"
    return Decision(tokens.eos or fallback, f"Rows are padded with {tokens.eos or fallback}: the tokenizer {why}.")
