"""Failures that raise nothing: a training that learns nothing, learns noise, or trains less than was asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset
from jinja2 import TemplateError
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from jobs.rulebook import Fix

from .decisions import choose_targets
from .failures import TrainingError, failure, template_refused
from .folder import LINE
from .run_file import RunFile

IGNORED = -100
"""The label of a token that is not learnt from."""


def require_trained_tokens(run: RunFile, prepared: Dataset) -> int:
    """The number of tokens that are learnt from in one epoch. Raises when there is none."""
    columns = ["labels"] if run.method == "sft" else ["chosen_ids", "rejected_ids"]
    tokens = sum(_trained_tokens(batch) for batch in _arrow_batches(prepared, columns))
    if tokens == 0:
        length = run.settings["data.max_length"]
        message = (
            f"Not one token is left to learn from within the {length} tokens that are kept of a row: "
            "only prompts remain, or the rows are empty. Keep more tokens, or check the data."
        )
        fix = Fix(f"Keep {length * 2} tokens of each row", {"data.max_length": length * 2})
        raise failure("nothing-to-learn", "data.max_length", message, fix)
    return tokens


def _arrow_batches(prepared: Dataset, columns: list[str]) -> list[pa.Table]:
    return list(prepared.select_columns(columns).with_format("arrow").iter(batch_size=10_000))


def _trained_tokens(batch: pa.Table) -> int:
    flat = [pc.list_flatten(column) for column in batch.columns]
    return sum(pc.sum(pc.not_equal(ids, IGNORED)).as_py() or 0 for ids in flat)


def count_doubled_starts(run: RunFile, prepared: Dataset, start: int | None) -> int:
    """Rows that begin with the beginning-of-text token twice: once from the tokenizer, once from the text."""
    column = "input_ids" if run.method == "sft" else "prompt_ids"
    return sum(ids[:2] == [start, start] for ids in _lists(prepared, column))


def count_full_rows(run: RunFile, prepared: Dataset) -> int:
    """Rows that reach the length that is kept. Of packed ones nothing is known."""
    length = run.settings["data.max_length"]
    if run.method != "dpo":
        packing = run.settings["data.packing"]
        return 0 if packing else sum(len(ids) >= length for ids in _lists(prepared, "input_ids"))
    columns = (_lists(prepared, column) for column in ("prompt_ids", "chosen_ids", "rejected_ids"))
    sides = zip(*columns, strict=True)
    return sum(len(prompt) + max(len(chosen), len(rejected)) > length for prompt, chosen, rejected in sides)


def count_pairs_cut_alike(run: RunFile, prepared: Dataset) -> int:
    """Preference rows whose answers differ only beyond what is kept of prompt and answer together, or not at all."""
    if run.method != "dpo":
        return 0
    length = run.settings["data.max_length"]
    columns = (_lists(prepared, column) for column in ("prompt_ids", "chosen_ids", "rejected_ids"))
    rooms = (
        (max(0, length - len(prompt)), chosen, rejected) for prompt, chosen, rejected in zip(*columns, strict=True)
    )
    return sum(chosen[:room] == rejected[:room] for room, chosen, rejected in rooms)


def _lists(prepared: Dataset, column: str) -> Iterator[list[int]]:
    for batch in _arrow_batches(prepared, [column]):
        yield from batch.column(column).to_pylist()


def require_known_tokens(run: RunFile, prepared: Dataset, embeddings: int) -> None:
    """A token id past the end of the embedding crashes the first batch that holds it."""
    columns = ["input_ids"] if run.method == "sft" else ["prompt_ids", "chosen_ids", "rejected_ids"]
    highest = max((_highest(batch) for batch in _arrow_batches(prepared, columns)), default=0)
    if highest >= embeddings:
        message = (
            f"The tokenizer of {run.model_name} writes token {highest}, but the model knows {embeddings} tokens only. "
            "Tokenizer and model do not belong together; choose another model."
        )
        raise failure("unknown-token", "model.name", message)


def _highest(batch: pa.Table) -> int:
    return max((pc.max(pc.list_flatten(column)).as_py() or 0 for column in batch.columns), default=0)


def require_every_target(run: RunFile, model: PeftModel) -> dict[str, int]:
    """How many modules each LoRA target matched. PEFT is content when one of them matches anything."""
    tuner: Any = model.base_model
    targets = tuner.peft_config["default"].target_modules
    names = {targets} if isinstance(targets, str) else set(targets or ())
    modules = tuner.targeted_module_names
    counts = {target: sum(_matches(module, target) for module in modules) for target in sorted(names)}
    named = not isinstance(choose_targets(run.settings, run.facts.get("lora_targets")).value, str)
    lost = [target for target, count in counts.items() if named and not count]
    if lost:
        message = (
            f"{run.model_name} has no module called {', '.join(lost)}, so it would be trained without. "
            "Use the target modules that are recommended for this model."
        )
        raise failure("target-unmatched", "lora.target_modules", message, *_recommended(run))
    return {target: count for target, count in counts.items() if count}


def _matches(module: str, target: str) -> bool:
    return module == target or module.endswith(f".{target}")


def _recommended(run: RunFile) -> list[Fix]:
    names = run.facts.get("lora_targets")
    return [Fix(f"Use {', '.join(names)}", {"lora.target_modules": list(names)})] if names else []


def require_trainable(model: torch.nn.Module) -> None:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        message = "No weight of the model would be trained. Choose other LoRA target modules."
        raise failure("nothing-trainable", "lora.target_modules", message)


def require_finite_loss(run: RunFile, loss: float, step: int) -> None:
    """Adam and its kin survive much; once the loss is NaN or infinite the weights are lost for good."""
    if math.isfinite(loss):
        return
    if step <= 1:
        message = (
            f"The loss of the first step is {loss}, before anything was learnt: the weights of {run.model_name} are "
            "damaged, or the precision is too narrow for them. Use the precision fp32, or another model."
        )
        fix = Fix("Compute in fp32", {"training.precision": "fp32"})
        raise failure("loss-not-finite-at-start", "model.name", message, fix)
    rate = run.settings["training.learning_rate"]
    message = (
        f"The loss became {loss} at step {step}: the weights grew out of range, so the result would be useless. "
        f"The learning rate {rate:g} is probably too high; use {rate / 10:g}."
    )
    fix = Fix(f"Use a learning rate of {rate / 10:g}", {"training.learning_rate": rate / 10})
    raise failure("loss-not-finite", "training.learning_rate", message, fix)


def require_finite_weights(run: RunFile, model: torch.nn.Module, step: int) -> None:
    trained = (parameter for parameter in model.parameters() if parameter.requires_grad)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in trained):
        require_finite_loss(run, math.nan, step)


def no_gradient() -> TrainingError:
    message = (
        "Nothing is being learnt: the gradient was zero from the first step on. "
        "The rows leave nothing to learn, or the settings cancel every update; look at the data and at LoRA alpha."
    )
    return failure("no-gradient", "data.dataset", message)


def explain_template(error: TemplateError, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> TrainingError:
    """Find the row that a chat template refuses; the tokenising library does not say which it was."""
    for number, row in enumerate(rows, start=1):
        conversations = [value for value in row.values() if isinstance(value, list)]
        try:
            for messages in conversations:
                tokenizer.apply_chat_template(messages, tokenize=False)
        except TemplateError as again:
            return TrainingError(template_refused(str(again), number, row.get(LINE)))
    return TrainingError(template_refused(str(error)))
