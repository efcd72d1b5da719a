"""What a rehearsal proves beyond having come to its end. A proof that fails raises a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from jobs.trainer.endings import Endings
from jobs.trainer.failures import failure
from jobs.trainer.gradients import TargetGradients
from jobs.trainer.run_file import RunFile

from .document import Proof, TokenisedRow

STRENGTH = 0.1
"""Spread of the weights an adapter is given before it is saved. After two steps it would hardly do anything yet, and
nothing could be told about whether what it does survives."""
TOLERANCE = 0.02
"""Largest difference of two logits that should be the same, as a share of what the adapter changes. In fp32 merging
costs a millionth; a tied embedding that is merged into the head as well changes as much as the adapter did."""
NOISE = 1e-4
"""The same as a share of the logits themselves."""


def rows_tokenised(rows: Sequence[TokenisedRow]) -> Proof:
    tokens, trained = sum(row["tokens"] for row in rows), sum(row["trained_tokens"] for row in rows)
    cut = sum(row["cut"] for row in rows)
    text = f"The trainer read {_count(len(rows), 'row')}: {tokens:,} tokens, {trained:,} of them to learn from."
    return Proof(code="tokenises", text=text, evidence={"tokens": tokens, "trained_tokens": trained, "cut": cut})


def loss_finite(losses: Sequence[float]) -> Proof:
    """The trainer refuses any other, so having losses is proof enough."""
    told = " and ".join(f"{loss:.3f}" for loss in losses)
    return Proof(code="finite-loss", text=f"The loss was a number in every step: {told}.", evidence={"losses": losses})


def targets_trained(gradients: TargetGradients) -> Proof:
    counts = gradients.counts
    text = f"Every LoRA target got a gradient: {', '.join(counts)}."
    return Proof(code="targets-trained", text=text, evidence={"modules": counts})


def weights_trained(before: Mapping[str, Tensor], model: nn.Module) -> Proof:
    changed = sum(not torch.equal(before[name], weight) for name, weight in model.named_parameters() if name in before)
    text = f"The steps changed {changed} of {len(before)} weight matrices and vectors."
    return Proof(code="weights-trained", text=text, evidence={"changed": changed, "weights": len(before)})


def end_trained(endings: Endings, stops: Sequence[str]) -> Proof:
    text = f"{endings.ended} of {_count(endings.rows, 'row')} teach the model to stop, with {' or '.join(stops)}."
    return Proof(code="end-trained", text=text, evidence={"rows": endings.rows, "ended": endings.ended})


def evaluated(loss: float) -> Proof:
    return Proof(code="evaluates", text=f"Held-out rows were evaluated: loss {loss:.3f}.", evidence={"eval_loss": loss})


def strengthen(model: PeftModel) -> None:
    """Give the adapter weights whose effect can be seen."""
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and ".lora_" in name and "magnitude" not in name:
                weight.add_(torch.randn(weight.shape, generator=chance) * STRENGTH)


def model_reloads(run: RunFile, model: PreTrainedModel, output: Path, tokens: Tensor) -> Proof:
    """A fully trained model, read from its files, says what it said before it was written."""
    with torch.inference_mode():
        kept, read = logits(model, tokens), logits(_load(output), tokens)
    difference = _distance(kept, read)
    if difference > NOISE * float(kept.abs().max()):
        message = (
            f"The trained {run.model_name} would not be the same once it is saved and loaded again: its logits differ "
            f"by {difference:.3g}. Train an adapter instead."
        )
        raise failure("model-reloads-differently", "lora.enabled", message)
    text = "The trained model was saved, loaded again and gave the same logits."
    return Proof(code="reloads", text=text, evidence={"difference": difference})


def adapter_reloads(run: RunFile, model: PeftModel, base: Path, output: Path, tokens: Tensor) -> list[Proof]:
    """The adapter read into a fresh base model says what it said before, and so does the model it is merged into."""
    with torch.inference_mode():
        kept = logits(model, tokens)
        with model.disable_adapter():
            effect = _distance(kept, logits(model, tokens))
        fresh = PeftModel.from_pretrained(_load(base), str(output))
        read = logits(fresh, tokens)
        merged = logits(fresh.merge_and_unload(), tokens)
    allowed = max(TOLERANCE * effect, NOISE * float(kept.abs().max()))
    reloading, merging = _distance(kept, read), _distance(read, merged)
    if reloading > allowed:
        raise _differs(run, "adapter-reloads-differently", "loaded into a fresh model", reloading, effect)
    if merging > allowed:
        raise _differs(run, "merge-differs", "merged into the model", merging, effect)
    evidence = {"difference": reloading, "effect": effect}
    return [
        Proof(code="reloads", text="The adapter was saved, loaded again and gave the same logits.", evidence=evidence),
        Proof(
            code="merges",
            text="Merged into the model it gave the same logits.",
            evidence={"difference": merging, "effect": effect},
        ),
    ]


def _differs(run: RunFile, code: str, when: str, difference: float, effect: float) -> Exception:
    message = (
        f"{when[0].upper()}{when[1:]}, the adapter of {run.model_name} does something else than it was trained to: "
        f"logits differ by {difference:.3g} where the adapter changes them by {effect:.3g}. "
        "Leave embeddings out of the LoRA target modules."
    )
    return failure(code, "lora.target_modules", message)


def logits(model: nn.Module, tokens: Tensor) -> Tensor:
    found: Tensor = model.eval()(input_ids=tokens, use_cache=False).logits.float()
    return found


def _load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
