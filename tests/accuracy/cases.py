"""The cases that the project makes itself: sweeps along one thing at a time, and mixtures of everything."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, cycle
from typing import Any

from jobs.rulebook.settings_table import SETTINGS, Kind, Setting
from tests.architectures import DECODERS, OTHERS, WITH_TOWERS

from . import shapes, tokenizers
from .case import Case, json_lines

STEPS = {"training.max_steps": 3, "training.learning_rate": 5e-4, "data.max_length": 128}
LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
FULL = {"lora__enabled": False}


def own_cases(seed: int = 1, mixtures: int = 150) -> list[Case]:
    """All of them, shuffled, so that the first hundred are a fair sample of the whole."""
    made = [
        *by_architecture(), *by_target(), *by_tokenizer(), *by_answers(), *by_shape(), *by_file(), *by_setting(),
        *by_misspelling(),
        *mixed(random.Random(seed), mixtures),  # noqa: S311 - the same cases every time
    ]  # fmt: skip
    random.Random(seed).shuffle(made)  # noqa: S311
    return made


def case(
    called: str, shape: str, kind: str = "llama", tokenizer: str | None = None, config: Any = None, **changes: Any
) -> Case:
    """A case with what suits its rows; changes by dotted name with `__` for the dot."""
    strategy = shapes.strategy_of(shape)
    suits = {"data.strategy": strategy, "training.method": shapes.method_of(shape), **STEPS}
    changed = {path.replace("__", "."): value for path, value in changes.items()}
    tokenizer = tokenizer or ("chat" if strategy == "chat" else "plain")
    return Case(called, kind, tokenizer, json_lines(shapes.SHAPES[shape]), suits | changed, config or {})


_WAYS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("text", {}),
    ("completion", FULL),
    ("preference", {}),
    ("text", {"data__packing": True}),
    ("chat", {"lora__dropout": 0.1}),
    ("preference-chat", FULL),
    ("text", {"lora__target_modules": "all-linear"}),
    ("chat", {"lora__enabled": False, "training__gradient_checkpointing": False}),
    ("text", {"lora__use_dora": True, "training__gradient_checkpointing": False}),
    ("text-long", {"data__max_length": 1024}),
    ("completion-chat", {"lora__use_rslora": True, "training__gradient_accumulation": 2}),
    ("text", {"data__packing": True, "lora__enabled": False}),
    ("text", {"lora__target_modules": list(LLAMA)}),
    ("text", {"training__gradient_checkpointing": True}),
)


def by_architecture() -> Iterator[Case]:
    """Each architecture as it is recommended, and in two more ways, taken in turn."""
    ways = cycle(_WAYS[1:])
    for kind in (*DECODERS, *OTHERS, *WITH_TOWERS):
        yield case(f"arch/{kind}/recommended", "text", kind)
        for shape, changes in (next(ways), next(ways)):
            yield case(f"arch/{kind}/{shape}/{_said(changes)}", shape, kind, **changes)


def _said(changes: Mapping[str, Any]) -> str:
    """Changes as part of a name."""
    parts = (f"{path.replace('__', '.').rpartition('.')[2]}={value}" for path, value in changes.items())
    return ",".join(parts)[:60] or "usual"


TARGETS: tuple[Any, ...] = (
    None, [], [""], "all-linear", ["all-linear"], "ALL-LINEAR", "all", "q_proj", "q_proj,v_proj", ["q_proj, v_proj"],
    ["q_proj ", "v_proj"], ["q_pro"], ["Q_PROJ"], ["q_proj.weight"], ["self_attn.q_proj"], ["self_attn"], ["mlp"],
    ["model.layers.0.self_attn.q_proj"], ["model.layers.9.self_attn.q_proj"], r".*\.(q|v)_proj", r"(q|v)_proj$", ".*",
    "(", ["q_proj", "q_proj"], ["q_proj", "c_attn"], ["lm_head"], ["q_proj", "lm_head"], ["embed_tokens"],
    ["q_proj", "embed_tokens"], ["norm"], ["input_layernorm"], ["rotary_emb"], ["w1", "w2", "w3"], list(LLAMA),
    ["c_attn"], ["c_attn", "c_proj", "c_fc"], ["wte"], ["query_key_value"], ["gate"], ["gate_proj"],
    ["gate_proj", "up_proj", "down_proj"], ["dt_proj"], ["in_proj"], ["out_proj"], ["router"], ["experts"],
)  # fmt: skip
_TARGETED = ("llama", "gpt2", "mixtral", "opt", "phi3", "qwen3_moe", "mamba", "jamba", "gpt_neox", "smollm3", "gpt_oss")


def by_target() -> Iterator[Case]:
    """What people write as LoRA targets, each on three architectures."""
    kinds = cycle(_TARGETED[1:])
    for targets in TARGETS:
        for kind in ("llama", next(kinds), next(kinds)):
            yield case(f"targets/{kind}/{targets}"[:80], "text", kind, lora__target_modules=targets)


_TALKS = ("chat", "chat-system", "chat-turns", "chat-tool", "completion-chat", "preference-chat", "chat-think-tags",
          "chat-user-last", "chat-assistant-first", "chat-systems", "chat-blanks-around", "completion-system",
          "chat-specials", "chat-many-turns", "chat-braces", "chat-unicode")  # fmt: skip
_TEXTS = ("text", "completion", "preference", "text-starts-marked", "text-specials", "text-short")


def by_tokenizer() -> Iterator[Case]:
    """Each chat template with four kinds of conversations, each other tokenizer with three kinds of text."""
    talks, texts = cycle(_TALKS[2:]), cycle(_TEXTS[1:])
    for name, variant in tokenizers.variants().items():
        if variant.template is None:
            tried = ["text", next(texts), next(texts), "chat"]
        else:
            tried = ["chat", "chat-system", next(talks), next(talks), next(texts)]
        for shape in tried:
            yield case(f"tokenizer/{name}/{shape}", shape, tokenizer=name)


def by_answers() -> Iterator[Case]:
    """Each chat template where only answers are to be learnt."""
    for name in tokenizers.chats():
        yield case(f"answers/{name}", "chat-turns", tokenizer=name, data__assistant_only_loss=True)


def by_shape() -> Iterator[Case]:
    """Each shape of data as it is, with bad rows left out, and with the other strategy or method."""
    for shape in shapes.SHAPES:
        yield case(f"shape/{shape}", shape)
        yield case(f"shape/{shape}/drop", shape, data__bad_rows="drop", training__batch_size=2)
    for shape in ("text", "chat", "completion", "completion-chat", "preference", "preference-chat"):
        for strategy in ("chat", "standard"):
            for method in ("sft", "dpo"):
                asked = {"data__strategy": strategy, "training__method": method}
                yield case(f"suits/{shape}/{strategy}-{method}", shape, tokenizer="chat", **asked)
                yield case(f"suits/{shape}/{strategy}-{method}/no-template", shape, tokenizer="plain", **asked)


def by_file() -> Iterator[Case]:
    for name, content in shapes.FILES.items():
        asked = {"data.strategy": "standard", "training.method": "sft", **STEPS}
        yield Case(f"file/{name}", "llama", "plain", content, asked)


def by_setting() -> Iterator[Case]:
    """Each value of each setting alone, on a run that is fine with its usual one."""
    for path, setting in SETTINGS.items():
        if path in ("model.name", "data.dataset", "data.eval_dataset", "model.revision", "lora.target_modules"):
            continue
        for value in values_of(setting):
            around = dict(_around(setting, value))
            shape = "preference" if setting.applies == ("method", "dpo") else around.pop("shape", "text")
            name = path.replace(".", "__")
            yield case(f"setting/{path}={value}"[:80], shape, **{**around, name: value})


def values_of(setting: Setting) -> list[Any]:
    """Usual ones, both ends of the limits and a step past them, and what people write by mistake."""
    odd: list[Any] = [None, "three", [1], True, ""]
    if setting.kind is Kind.BOOLEAN:
        return [True, False, "true", "no", "maybe", 1, 7]
    if setting.kind is Kind.CHOICE:
        first = next(iter(setting.choices))
        return [*setting.choices, first.upper(), f"{first}x", f" {first} ", None, 5]
    if setting.kind is Kind.TEXT:
        return ["a name", "x" * 500, "\x00", None, 5]
    step = 1 if setting.kind is Kind.INTEGER else 1e-6
    values: list[Any] = [setting.default, *(setting.recommended or ()), *odd, -1, 0, 1, 1.5, "2", "1e-3", "1,5"]
    for limit in (setting.above, setting.below, setting.minimum, setting.maximum):
        values += [] if limit is None else [limit - step, limit, limit + step, limit * 10]
    values += [] if setting.kind is Kind.INTEGER else ["NaN", 1e-9]
    seen: dict[str, Any] = {repr(value): value for value in values}
    return list(seen.values())


_SHAPES_FOR: Mapping[str, Mapping[str, Any]] = {
    "data.max_length": {"shape": "text-long"},
    "data.assistant_only_loss": {"shape": "chat-turns"},
    "data.completion_only_loss": {"shape": "completion"},
}


def _around(setting: Setting, value: Any) -> Mapping[str, Any]:
    """What else is set, so that the setting comes into play."""
    if setting.path == "training.num_epochs":
        return {"training__max_steps": None}
    if setting.path in ("training.eval_steps", "training.early_stopping_patience"):
        return {"data__eval_fraction": 0.25}
    return _SHAPES_FOR.get(setting.path, {})


_MISSPELT: tuple[Mapping[str, Any], ...] = (
    {"training.warmup_ratio": 0.1}, {"training.epochs": 2}, {"training.num_train_epochs": 2}, {"data.max_seq": 64},
    {"training.per_device_train_batch_size": 2}, {"training.gradient_accumulation_steps": 2}, {"lora.rank": 4},
    {"lora.lora_alpha": 8}, {"lora.lora_dropout": 0.1}, {"training.lr": 1e-3}, {"lora.bias": "all"},
    {"training.evaluation_strategy": "no"}, {"training.neftune": 5}, {"lora.modules_to_save": ["lm_head"]},
    {"training.assistant_only_loss": True}, {"seed": 3}, {"training.bf16": True}, {"load_in_4bit": True},
    {"training.report_to": "wandb"}, {"training.rpo_alpha": 1.0}, {"training.loss_type": "ipo"}, {"data.split": "a"},
)  # fmt: skip


def by_misspelling() -> Iterator[Case]:
    for extra in _MISSPELT:
        yield case(f"misspelt/{next(iter(extra))}", "text", **{path.replace(".", "__"): v for path, v in extra.items()})


FACTORS: Mapping[str, Sequence[Any]] = {
    "kind": ("llama", "gpt2", "qwen3", "opt", "gemma2", "mixtral", "phi3", "gpt_neox", "falcon", "olmoe", "mamba2",
             "smollm3", "deepseek_v3", "bloom", "starcoder2", "granitemoehybrid", "cohere", "lfm2"),
    "shape": ("text", "chat", "completion", "completion-chat", "preference", "preference-chat", "chat-system",
              "text-long", "chat-turns", "text-one-long", "preference-some-equal", "chat-user-last", "text-unicode",
              "completion-some-long-prompts", "chat-one-without-answer"),
    "tokenizer": (None, "plain", "chat", "real-qwen3", "real-llama3", "chat-alternates", "chat-no-pad", "pad-is-eos"),
    "lora.enabled": (True, False),
    "lora.r": (1, 4, 16, 64),
    "lora.alpha": (1, 16, 32.5, 512),
    "lora.dropout": (0.0, 0.1, 0.9),
    "lora.use_dora": (False, True),
    "lora.use_rslora": (False, True),
    "lora.target_modules": (None, "all-linear", list(LLAMA)),
    "data.max_length": (8, 32, 64, 128, 512),
    "data.packing": (False, True),
    "data.bad_rows": ("refuse", "drop"),
    "data.eval_fraction": (0.0, 0.05, 0.5),
    "training.batch_size": (1, 4, 16),
    "training.gradient_accumulation": (1, 3, 32),
    "training.max_steps": (None, 1, 4),
    "training.num_epochs": (0.5, 1, 2),
    "training.learning_rate": (1e-5, 1e-3, 0.05),
    "training.lr_scheduler_type": ("linear", "cosine", "constant", "constant_with_warmup"),
    "training.warmup_steps": (0, 0.1, 1),
    "training.optim": ("adamw_torch", "adafactor", "sgd"),
    "training.precision": ("auto", "bf16", "fp16", "fp32"),
    "training.gradient_checkpointing": (True, False),
    "training.eval_steps": (None, 1, 5),
    "training.save_steps": (None, 1),
    "training.early_stopping_patience": (None, 1),
    "training.logging_steps": (1, 5),
    "training.max_grad_norm": (0, 1.0),
    "training.weight_decay": (0.0, 0.1),
}  # fmt: skip
CANDIDATES = 25


def mixed(chance: random.Random, number: int) -> Iterator[Case]:
    """Mixtures that together show as many pairs of values as so few can: of some at random, the newest is taken."""
    seen: Counter[tuple[Any, ...]] = Counter()
    for each in range(number):
        drawn = [{name: chance.randrange(len(values)) for name, values in FACTORS.items()} for _ in range(CANDIDATES)]
        best = max(drawn, key=lambda mixture: sum(not seen[pair] for pair in combinations(mixture.items(), 2)))
        seen.update(combinations(best.items(), 2))
        yield _mixture(each, {name: FACTORS[name][index] for name, index in best.items()})


def _mixture(number: int, mixture: dict[str, Any]) -> Case:
    kind, shape, tokenizer = (mixture.pop(name) for name in ("kind", "shape", "tokenizer"))
    given = {name.replace(".", "__"): value for name, value in mixture.items() if value is not None}
    return case(f"mixed/{number}/{kind}/{shape}/{tokenizer or 'usual'}", shape, kind, tokenizer, **given)
