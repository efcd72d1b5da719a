"""What a training that raises nothing may still do wrong. Each look answers with symptoms, none when all is well."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import extract_model_from_parallel
from peft import PeftModel
from transformers import AutoModelForCausalLM

from jobs.rulebook.settings_table import SETTINGS, Kind, Setting
from jobs.trainer.arguments import FOR_DPO, FOR_PEFT, FOR_SFT, FOR_TRL
from jobs.trainer.run import Prepared
from jobs.trainer.run_file import RunFile

IGNORED = -100
CLOSE = 2e-3
"""Logits of one model reckoned in two ways differ by less, in fp32."""
TOLERANCE = 1e-3
"""The same for two ways to reckon one loss."""
REVERSED = ("training.beta", "training.max_grad_norm", "training.weight_decay")
"""Below zero they turn around what they are for, without an error."""
LOUDER = 512
ROLES = ("system", "user", "assistant", "tool")
LAST = 4
"""A template may write a little after the token that ends a turn."""


def at_rows(run: RunFile, unread: Collection[str], rows: list[dict[str, Any]], prepared: Prepared) -> list[str]:
    """What became of the rows."""
    found = set(_not_as_asked(run, unread))
    trained = prepared.rows
    packing = run.method == "sft" and run.settings["data.packing"]
    given = len(rows) - (len(prepared.eval_rows) if prepared.eval_rows is not None else 0)
    if not packing and len(trained) < given:
        found.add("rows-lost")
    whole = not packing and prepared.eval_rows is None and len(trained) == len(rows)
    for number, row in enumerate(trained):
        if run.method == "dpo":
            found.update(_at_pair(run, row, prepared))
        elif not packing:
            found.update(_at_sequence(run, row, prepared))
        if whole:
            found.update(_at_contents(run, rows[number], row, prepared))
    return sorted(found)


def _not_as_asked(run: RunFile, unread: Collection[str]) -> Iterator[str]:
    if run.choices.unknown_keys:
        yield "setting-ignored"
    if run.settings["training.early_stopping_patience"] and not run.settings["data.eval_fraction"]:
        yield "setting-ignored"
    if any(setting.required and run.settings.get(setting.path) is None for setting in SETTINGS.values()):
        yield "setting-missing"  # the trainer gets along without, and whoever left it out meant something
    if run.settings["data.assistant_only_loss"] and not run.conversational:
        yield "setting-ignored"
    if run.settings["data.completion_only_loss"] and run.dataset_format != "prompt_completion":
        yield "setting-ignored"
    if any(_is_ignored(run, setting, unread) for setting in SETTINGS.values()):
        yield "setting-ignored"
    if any(_is_below_zero(run, path) for path in REVERSED) or _overshoots(run):
        yield "learns-backwards"
    if _is_below_zero(run, "training.logging_steps"):
        yield "setting-ignored"  # nothing is ever logged
    strategy = run.settings.get("data.strategy")
    if strategy and (strategy == "chat") != run.conversational:
        yield "strategy-ignored"


def _is_ignored(run: RunFile, setting: Setting, unread: Collection[str]) -> bool:
    """A setting that the trainer's libraries never see, with a value that none of our decisions knows."""
    value = run.settings.get(setting.path)
    if setting.kind is Kind.BOOLEAN and setting.path in unread:
        return True  # whatever it is counts as true
    if setting.kind in (Kind.INTEGER, Kind.NUMBER) and isinstance(value, bool):
        return True  # it counts as 1, whatever was meant
    if isinstance(value, float) and math.isnan(value):
        return True
    if setting.path in {**FOR_TRL, **FOR_SFT, **FOR_DPO, **FOR_PEFT} and setting.path != "training.max_steps":
        return False
    if setting.path in unread:
        return True
    return value is not None and setting.has_limits and not setting.admits(value)


def _is_below_zero(run: RunFile, path: str) -> bool:
    value = run.settings.get(path)
    return isinstance(value, int | float) and value < 0


def _overshoots(run: RunFile) -> bool:
    """AdamW takes the share rate × decay from each weight at every step: from 1 on it turns their signs."""
    rate, decay = run.settings.get("training.learning_rate"), run.settings.get("training.weight_decay")
    are_numbers = isinstance(rate, int | float) and isinstance(decay, int | float)
    return are_numbers and "adamw" in str(run.settings["training.optim"]) and rate * decay >= 1


def _at_sequence(run: RunFile, row: dict[str, Any], prepared: Prepared) -> Iterator[str]:
    ids, labels = row["input_ids"], row["labels"]
    learnt = [label for label in labels[1:] if label != IGNORED]
    start = prepared.tokenizer.bos_token_id
    if not learnt:
        yield "row-teaches-nothing"
    if start is not None and ids[:2] == [start, start]:
        yield "start-doubled"
    if len(ids) > _context(prepared.model):
        yield "beyond-context"
    cut = len(ids) >= run.settings["data.max_length"]
    if learnt and not cut and not _stops(prepared) & set(learnt[-LAST:]):
        yield "end-untrained"


def _stops(prepared: Prepared) -> set[int]:
    """Tokens at which generation with the trained model ends."""
    named = prepared.model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return {stop for stop in (*listed, prepared.tokenizer.eos_token_id) if stop is not None}


def _context(model: Any) -> float:
    config = model.config.get_text_config()
    return getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or math.inf


def _at_pair(run: RunFile, row: dict[str, Any], prepared: Prepared) -> Iterator[str]:
    prompt, chosen, rejected = row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]
    room = max(0, run.settings["data.max_length"] - len(prompt))
    if chosen[:room] == rejected[:room]:
        yield "pair-equal"
    if not prompt:
        yield "prompt-empty"
    longest = len(prompt) + max(len(chosen), len(rejected))
    if longest > run.settings["data.max_length"]:
        yield "rows-cut"
    if min(longest, run.settings["data.max_length"]) > _context(prepared.model):
        yield "beyond-context"
    start = prepared.tokenizer.bos_token_id
    if start is not None and prompt[:2] == [start, start]:
        yield "start-doubled"


def _at_contents(run: RunFile, row: dict[str, Any], trained: dict[str, Any], prepared: Prepared) -> Iterator[str]:
    """Whether what the row says is in what is trained."""
    columns = ("prompt_ids", "chosen_ids", "rejected_ids") if run.method == "dpo" else ("input_ids",)
    seen = "".join(prepared.tokenizer.decode(trained[column]) for column in columns)
    cut = run.method == "sft" and len(trained["input_ids"]) >= run.settings["data.max_length"]
    said = [content for content in _contents(row) if content.strip()]
    if cut and (not said or not seen.rstrip().endswith(tuple(_ends(said[-1])))):
        yield "rows-cut"
    elif not cut and any(content.strip() not in seen for content in said):
        yield "content-lost"
    if not said or not _contents(row)[-1].strip():
        yield "answer-empty"
    if run.dataset_format == "messages" and not any(turn["role"] == "assistant" for turn in row["messages"]):
        yield "answer-missing"
    if run.method == "sft" and not cut:
        yield from _at_answers(row, trained, seen, prepared)
    if any(role not in ROLES for role in _roles(row)):
        yield "role-unknown"
    if _repeats_prompt(row):
        yield "prompt-doubled"
    if "None" in seen and "None" not in json.dumps(row):
        yield "prints-none"


def _repeats_prompt(row: dict[str, Any]) -> bool:
    """Answers that are whole conversations, with their prompt in front."""
    prompt = row.get("prompt")
    sides = [row[side] for side in ("completion", "chosen", "rejected") if isinstance(row.get(side), list)]
    return isinstance(prompt, list) and bool(prompt) and any(side[: len(prompt)] == prompt for side in sides)


def _at_answers(row: dict[str, Any], trained: dict[str, Any], seen: str, prepared: Prepared) -> Iterator[str]:
    """Where not all of a conversation is learnt: whether that is all of its answers, and nothing else of it."""
    labels = [label for label in trained["labels"] if label != IGNORED]
    if len(labels) >= len(trained["input_ids"]) - 1:
        return
    learnt = prepared.tokenizer.decode(labels)
    turns = [
        (column, turn)
        for column, value in row.items()
        if isinstance(value, list)
        for turn in value
        if isinstance(turn, dict) and isinstance(turn.get("content"), str) and turn["content"].strip()
    ]
    answers = [turn["content"].strip() for _, turn in turns if turn.get("role") == "assistant"]
    others = [
        turn["content"].strip()
        for column, turn in turns
        if turn.get("role") != "assistant" and column != "completion"  # that is learnt whoever says it
    ]
    if any(answer in seen and answer not in learnt for answer in answers if "prompt" not in row):
        yield "answer-unlearnt"
    if any(other in learnt and not any(other in answer for answer in answers) for other in others):
        yield "question-learnt"


def _ends(content: str) -> Iterator[str]:
    """The end of a text, with whatever a template or tokenizer may put behind it."""
    yield content.rstrip()
    for end in ("</s>", "<|im_end|>"):
        yield content.rstrip() + end


def _contents(row: dict[str, Any]) -> list[str]:
    """Names of the tools that may be called, then what is said and called, in order."""
    tools = row.get("tools")
    found = [tool["function"]["name"] for tool in tools or () if isinstance(tool, dict)]
    for value in (value for column, value in row.items() if column != "tools"):
        if isinstance(value, str):
            found.append(value)
        for turn in value if isinstance(value, list) else ():
            if isinstance(turn, dict):
                content, calls = turn.get("content"), turn.get("tool_calls") or ()
                if content is not None or not calls:
                    found.append(content if isinstance(content, str) else json.dumps(content))
                found += [call["function"]["name"] for call in calls]
    return found


def _roles(row: dict[str, Any]) -> Iterator[Any]:
    for value in (value for column, value in row.items() if column != "tools"):
        yield from (turn.get("role") for turn in value if isinstance(turn, dict)) if isinstance(value, list) else ()


def at_first_loss(run: RunFile, prepared: Prepared) -> list[str]:
    """Whether TRL's loss, which it reckons without the model's head, is the model's own."""
    if run.method == "dpo" or not len(prepared.rows) or run.settings["data.packing"]:
        return []
    model, trainer = prepared.model, prepared.trainer
    coefficient = getattr(model.config.get_text_config(), "router_aux_loss_coef", 0) or 0
    if coefficient and trainer.args.router_aux_loss_coef != 0.0:
        return []
    batch = trainer.data_collator([prepared.rows[0]])
    model.eval()
    try:
        with torch.no_grad(), _loud(model):
            told = float(trainer.compute_loss(model, dict(batch)))
            logits = model(**{name: value for name, value in batch.items() if name != "labels"}).logits.float()
    except Exception:  # the first step fails then too, which is told there
        return []
    finally:
        model.train()
    labels = batch["labels"][:, 1:].reshape(-1)
    own = float(torch.nn.functional.cross_entropy(logits[:, :-1].reshape(labels.numel(), -1), labels))
    return ["other-loss"] if math.isfinite(own) and abs(told - own) > TOLERANCE * (1 + own) else []


def at_causality(prepared: Prepared) -> list[str]:
    """Whether what is said at a place depends on words that come after it, which the model should learn to write."""
    ids = torch.tensor(_PROBE, device=prepared.model.device)
    other = ids.clone()
    other[:, -1] += 1
    try:
        ours, theirs = (_logits(prepared.model, input_ids=each) for each in (ids, other))
    except Exception:  # the first step fails then too, which is told there
        return []
    changed = (ours - theirs).abs()
    return ["sees-ahead"] if float(changed[:, :-1].max()) > TOLERANCE * float(changed[:, -1].max()) else []


@contextmanager
def _loud(model: Any) -> Iterator[None]:
    """Logits as large as those of a trained model, where a cap on them shows. A power of two is undone exactly."""
    head = model.get_output_embeddings()
    if head is not None:
        head.weight.mul_(LOUDER)
    try:
        yield
    finally:
        if head is not None:
            head.weight.div_(LOUDER)


def at_packing(run: RunFile, prepared: Prepared) -> list[str]:
    """Whether the last row of a packed sequence sees those before it."""
    if run.method == "dpo" or not run.settings["data.packing"]:
        return []
    packed = max(prepared.rows, key=lambda row: len(row["seq_lengths"]), default=None)
    if packed is None or len(packed["seq_lengths"]) < 2:
        return []
    last = packed["seq_lengths"][-1]
    batch = prepared.trainer.data_collator([packed])
    try:
        together = _logits(prepared.model, **{name: value for name, value in batch.items() if name != "labels"})
        alone = _logits(prepared.model, input_ids=batch["input_ids"][:, -last:])
    except Exception:  # the first step fails then too, which is told there
        return []
    return ["packing-leaks"] if _differ(together[:, -last:], alone) else []


def _logits(model: Any, **inputs: Any) -> torch.Tensor:
    was = model.training
    model.eval()
    with torch.no_grad():
        logits: torch.Tensor = model(**inputs).logits.float()
    model.train(was)
    return logits


def _differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).abs().max()) > CLOSE * (1 + float(other.abs().max()))


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The trained weights as they are now."""
    return {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}


def at_steps(events: Path, prepared: Prepared) -> list[str]:
    """What the losses and gradients of the steps say."""
    written = [json.loads(line) for line in events.read_text().splitlines()]
    steps = [event for event in written if event["event"] == "step"]
    losses = [step["loss"] for step in steps]
    if not steps or not prepared.trainer.state.global_step:
        return ["no-steps"]
    found = []
    if any(loss is None for loss in losses):
        found.append("loss-not-finite")
    elif all(loss == 0 for loss in losses):
        found.append("loss-zero")
    elif losses[-1] > 4 * max(losses[0], 0.1):
        found.append("loss-explodes")
    if all(step["grad_norm"] == 0 for step in steps):
        found.append("gradient-zero")
    return found


def at_weights(run: RunFile, model: torch.nn.Module, before: dict[str, torch.Tensor]) -> list[str]:
    """Whether what should have moved has, each LoRA target for itself."""
    now = {name: each for name, each in model.named_parameters() if name in before}
    if not all(bool(torch.isfinite(each).all()) for each in now.values()):
        return ["weights-not-finite"]
    moved = {name for name, each in now.items() if not torch.equal(each, before[name])}
    if not moved:
        return ["nothing-changed"]
    if not run.lora:
        return []
    targets = {_target(name) for name in now if "lora_" in name}
    return [f"target-unmoved:{target}" for target in sorted(targets - {_target(name) for name in moved})]


def _target(parameter: str) -> str:
    return parameter.split(".lora_")[0].rsplit(".", 1)[-1]


_PROBE = [[5, 9, 40, 80, 120, 200, 11, 300]]


def at_output(run: RunFile, folder: Path, trained: Any) -> list[str]:
    """Whether what was saved loads again, and an adapter merges, to the same logits."""
    probe = torch.tensor(_PROBE)
    trained = extract_model_from_parallel(trained, keep_fp32_wrapper=False)  # else it computes as precision says
    ours = _logits(trained, input_ids=probe)
    if not isinstance(trained, PeftModel):
        again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return ["reload-differs"] if _differ(_logits(again, input_ids=probe), ours) else []
    base = AutoModelForCausalLM.from_pretrained(run.model_path, dtype=torch.float32)
    again = PeftModel.from_pretrained(base, str(folder))
    found = ["reload-differs"] if _differ(_logits(again, input_ids=probe), ours) else []
    merged = again.merge_and_unload()
    aside = folder.with_name("merged")
    merged.save_pretrained(aside)
    whole = AutoModelForCausalLM.from_pretrained(aside, dtype=torch.float32)
    if _differ(_logits(merged, input_ids=probe), ours) or _differ(_logits(whole, input_ids=probe), ours):
        found.append("merge-differs")
    return found
