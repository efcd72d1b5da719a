"""Errors of the libraries in our words: what they wrote, and what it means for the person who started the job.

Each was seen in real trainings. They are recognised by what they say, because most are a plain ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.rulebook import Finding, Fix, Severity

from .run_file import RunFile

TARGETS = "lora.target_modules"


def _recommended(run: RunFile) -> list[Fix]:
    names = run.facts.get("lora_targets")
    return [Fix(f"Use {', '.join(names)}", {TARGETS: list(names)})] if names else []


def _set(label: str, **changes: Any) -> Callable[[RunFile], list[Fix]]:
    """A fix that changes settings; their names have `__` for the dot."""
    fix = Fix(label, {name.replace("__", "."): value for name, value in changes.items()})
    return lambda run: [fix]


def _nothing(run: RunFile) -> list[Fix]:
    return []


@dataclass(frozen=True)
class Known:
    """`says` is searched for in `Name: message` of the error; `message` may use its groups, and {model}."""

    says: str
    code: str
    field: str
    message: str
    fixes: Callable[[RunFile], list[Fix]] = _nothing


KNOWN = (
    Known(
        r"Module '(?P<name>\w+)' is incompatible with Mamba-based models",
        "target-unfit",
        TARGETS,
        "LoRA cannot sit on {name} of {model}: its state-space layers use the weight directly. Name other modules.",
        _recommended,
    ),
    Known(
        r"Target modules? (?P<name>.{1,200}) not found in the base model|No modules were targeted for adaptation",
        "target-unmatched",
        TARGETS,
        "{model} has no module that the LoRA target modules name. Use those that are recommended for this model.",
        _recommended,
    ),
    Known(
        r"Target module (?P<name>\w+)\W[\s\S]*is not supported",
        "target-unsupported",
        TARGETS,
        "A LoRA target module of {model} is a {name}, which cannot carry an adapter. Name linear layers only.",
        _recommended,
    ),
    Known(
        r"PatternError|re\.error|^error: ",
        "target-pattern",
        TARGETS,
        "The pattern of the LoRA target modules cannot be read. Name the modules in a list instead.",
        _recommended,
    ),
    Known(
        r"ParamWrapper does not work with lora_dropout",
        "experts-dropout",
        "lora.dropout",
        "The LoRA target modules reach the experts of {model}, and adapters on experts take no dropout. Use 0.",
        _set("Use no dropout", lora__dropout=0),
    ),
    Known(
        r"Cannot convert PEFT target\(s\) (?P<name>\S+) without also targeting (?P<other>\S+)",
        "target-half",
        TARGETS,
        "{name} of {model} is one matrix with {other}: LoRA sits on both or on neither. Name {other} too, or leave "
        "{name} out.",
        _recommended,
    ),
    Known(
        r"adapter to `lm_head` is not supported",
        "target-head",
        TARGETS,
        "LoRA cannot sit on the output head: the loss is computed from its weight directly, so an adapter there would "
        "never be trained. Leave it out.",
        _recommended,
    ),
    Known(
        r"'MoeCausalLMOutputWithPast' object has no attribute 'last_hidden_state'",
        "architecture-untrainable",
        "model.name",
        "The training library cannot train models of the architecture of {model} yet. Choose another model.",
    ),
    Known(
        r"'tuple' object has no attribute 'dtype'",
        "target-router",
        TARGETS,
        "The LoRA target modules reach the router of {model}, which cannot carry an adapter. Leave it out.",
        _recommended,
    ),
    Known(
        r"does not support (?:activation|gradient) checkpointing",
        "no-checkpointing",
        "training.gradient_checkpointing",
        "{model} cannot do gradient checkpointing. Turn it off.",
        _set("Turn gradient checkpointing off", training__gradient_checkpointing=False),
    ),
    Known(
        r"can't keep packed sequences apart without `(?P<name>\w+)`",
        "packing-impossible",
        "data.packing",
        "{model} cannot keep packed rows apart without the package {name}, which is not installed. Turn packing off.",
        _set("Turn packing off", data__packing=False),
    ),
    Known(
        r"chat_template is not set",
        "no-template",
        "data.strategy",
        "{model} has no chat template, so conversations cannot become text. Choose a chat model, or convert the data.",
    ),
    Known(
        r"empty conversation",
        "empty-conversation",
        "data.dataset",
        "A row holds a conversation without a single message. Remove it.",
    ),
    Known(
        r"object has no attribute 'endswith'|endswith first arg must be",
        "row-not-text",
        "data.dataset",
        "A row holds something else where a text belongs, or nothing. Mend or remove it.",
    ),
    Known(
        r"IndexError: index out of range in self|index out of bounds",
        "position-unknown",
        "data.max_length",
        "A row has more tokens than {model} has positions for, or a token that the model has no room for. "
        "Keep fewer tokens of each row.",
    ),
    Known(
        r"num_samples should be a positive integer",
        "nothing-to-learn",
        "data.max_length",
        "No row is left to learn from: within the tokens that are kept there is nothing of an answer. "
        "Keep more tokens, or check the data.",
    ),
    Known(
        r"UnicodeEncodeError.*surrogates not allowed",
        "row-not-unicode",
        "data.dataset",
        "A row holds half a character (a lone surrogate), which cannot be written. Mend or remove it.",
    ),
    Known(
        r"specified `pad_token` .* is not found",
        "no-padding-token",
        "model.name",
        "The tokenizer of {model} has neither a padding nor an end token. Set eos_token in its tokenizer_config.json.",
    ),
)


def recognise(error: BaseException, run: RunFile | None) -> Finding | None:
    """The finding for what a library said, if it is one of those that are known."""
    if run is None:
        return None
    said = f"{type(error).__name__}: {error}"
    for known in KNOWN:
        if found := re.search(known.says, said):
            words = {name: text or "" for name, text in found.groupdict().items()}
            message = known.message.format(model=run.model_name, **words)
            return Finding(f"trainer.{known.code}", Severity.ERROR, known.field, message, tuple(known.fixes(run)))
    return None
