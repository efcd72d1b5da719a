"""The job fits into the memory of where it would run, and if not, the smallest change that makes it fit.

A formula can be wrong, so it warns; it blocks only when even the weights cannot fit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

from humanize import intcomma

from ..cards import suitable
from ..engine import Broken, Together, broken, rule
from ..estimate import TIGHT, memory_needed, rows_longer
from ..findings import Fix, Severity
from ..fixes import advice
from ..memory import OPTIMIZER_COPIES
from ..settings_table import BY_FACT
from ..steps import parts_of
from ..words import count, names, size

SHORTEST = 128
"""Tokens below which a row hardly holds a question and its answer."""


@dataclass(frozen=True, kw_only=True)
class Job(Together):
    """All that decides how much memory a job takes, and how much there is."""

    parameters: int
    hidden_size: int
    intermediate_size: int
    attention_width: int
    key_value_width: int
    layers: int
    vocabulary_size: int
    batch_size: int
    max_length: int
    token_ceiling: int
    lora_enabled: bool
    method: str
    gradient_checkpointing: bool
    optim: str
    quantization: str
    precision: str
    gpus: int
    gradient_accumulation: int = 1
    num_processes: int = 1
    packing: bool = False
    active_width: int | None = None
    modules: Sequence[Mapping[str, Any]] | None = None
    renamed_targets: Mapping[str, str] | None = None
    target_modules: Any = None
    lora_targets: Any = None
    expert_modules: Any = ()
    lora_r: int = 16
    use_dora: bool = False
    ram: int | None = None
    gpu_memory: int | None = None
    packages: Collection[str] = ()
    supports_checkpointing: bool = True
    memory_history: Mapping[str, Any] | None = None
    gpu_list: Sequence[Mapping[str, Any]] = ()
    gpu_memories: Sequence[int] = ()
    row_tokens: Sequence[Sequence[int]] = ()

    @property
    def facts(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def room(self) -> int | None:
        """Bytes of the largest GPU, or of the machine where there is none; of several GPUs of the least of them."""
        if not self.gpus:
            return self.ram
        if 1 < self.num_processes <= len(self.gpu_memories):
            return sorted(self.gpu_memories, reverse=True)[self.num_processes - 1]
        return self.gpu_memory

    @property
    def place(self) -> str:
        if self.gpus and self.num_processes > 1:
            return f"the least of the {self.num_processes} largest GPUs of this machine"
        return "the largest GPU of this machine" if self.gpus else "this machine"

    def needs(self, **changes: Any) -> int | None:
        """Bytes at the peak after some changes, by fact."""
        needed = memory_needed(self.facts | changes)
        return needed[0] if needed else None

    def mends(self, **changes: Any) -> bool:
        """The changes make it fit with room to spare."""
        needed = self.needs(**changes)
        return bool(needed and self.room and needed <= TIGHT * self.room)


def _changes(steps: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Changes by fact: each alone, the mildest first, then two and three of them together."""
    for amount in (1, 2, 3):
        for chosen in combinations(steps, amount):
            named = [fact for step in chosen for fact in step]
            if len(named) == len(set(named)):
                yield {fact: value for step in chosen for fact, value in step.items()}


def _steps(job: Job) -> Iterator[dict[str, Any]]:
    """The same rows in every step, then shorter rows, then other ways to train."""
    if not job.gradient_checkpointing and job.supports_checkpointing:
        yield {"gradient_checkpointing": True}
    if job.precision == "fp32" and job.gpus:
        yield {"precision": "auto"}
    for batch in parts_of(job.batch_size):
        yield {"batch_size": batch, "gradient_accumulation": job.gradient_accumulation * job.batch_size // batch}
    if optimizer := _smaller_optimizer(job):
        yield {"optim": optimizer}
    length = job.max_length // 2
    while length >= SHORTEST:
        yield {"max_length": length}
        length //= 2
    quantized = {"quantization": "4bit"} if "bitsandbytes" in job.packages and job.gpus else {}
    if job.lora_enabled:
        if quantized and job.quantization != "4bit":
            yield quantized
        return
    yield {"lora_enabled": True}
    if quantized:
        yield {"lora_enabled": True, **quantized}


def _smaller_optimizer(job: Job) -> str | None:
    """Where all weights are trained, the optimizer holds more than they do."""
    if job.lora_enabled or OPTIMIZER_COPIES[job.optim] <= OPTIMIZER_COPIES["adamw_8bit"]:
        return None
    return "adamw_8bit" if "bitsandbytes" in job.packages and job.gpus else "adafactor"


_WORDS = {
    "gradient_checkpointing": "turn gradient checkpointing on",
    "batch_size": "batches of {batch_size}",
    "gradient_accumulation": "{gradient_accumulation} of them accumulated",
    "max_length": "keep {max_length} tokens of a row, {cut}",
    "quantization": "load the weights in 4 bits",
    "lora_enabled": "train a LoRA adapter",
    "precision": "compute in 16 bits",
    "optim": "use the optimizer {optim}",
}


def smallest_changes(job: Job, most: int = 3) -> tuple[Fix, ...]:
    """The first few that fit, each with what it would need; never one that holds an earlier one."""
    fixes: list[Fix] = []
    kept: list[dict[str, Any]] = []
    steps = list(_steps(job))
    if not job.mends(**{fact: value for step in steps for fact, value in step.items()}):  # the strongest of each
        return ()
    for changes in _changes(steps):
        if any(set(earlier) <= set(changes) for earlier in kept) or not job.mends(**changes):
            continue
        kept.append(changes)
        fixes.append(_fix(job, changes))
        if len(fixes) == most:
            break
    return tuple(fixes)


def _fix(job: Job, changes: Mapping[str, Any]) -> Fix:
    said = ", ".join(_WORDS[fact].format(**changes, cut=_cut(job, changes)) for fact in changes)
    needed, room = job.needs(**changes) or 0, job.room or 0
    label = f"{said[0].upper()}{said[1:]} (would need {size(needed)} of {size(room)})"
    return Fix(label, {BY_FACT[fact].path: value for fact, value in changes.items()})


def _cut(job: Job, changes: Mapping[str, Any]) -> str:
    """How many rows a shorter length cuts, where their lengths in tokens have been counted."""
    if "max_length" not in changes or not job.row_tokens:
        return "longer ones are cut"
    rows = rows_longer(job.row_tokens, changes["max_length"])
    return f"which cuts about {count(rows, 'row')} of {intcomma(sum(rows for _, rows in job.row_tokens))}"


_BREAKS = {
    "parameters": 8_030_000_000, "hidden_size": 4096, "intermediate_size": 14_336, "attention_width": 4096,
    "key_value_width": 1024, "layers": 32, "vocabulary_size": 128_256, "batch_size": 8, "max_length": 1024,
    "token_ceiling": 100_000, "lora_enabled": True, "method": "sft", "gradient_checkpointing": False,
    "optim": "adamw_torch", "quantization": "none", "precision": "auto", "gpus": 1, "gpu_memory": 48 * 10**9,
    "target_modules": ("q_proj", "v_proj"), "gradient_accumulation": 1, "lora_r": 16, "bf16": True,
}  # fmt: skip


@rule(
    code="memory.weights-too-large",
    severity=Severity.ERROR,
    field="model.name",
    message="The weights alone take {weights}, and {place} has {room}: the model cannot even be loaded. {advice}",
    breaks={**_BREAKS, "gpu_memory": 12 * 10**9, "packages": ("bitsandbytes",)},
)
def weights_too_large(job: Job) -> Broken | None:
    """Arithmetic that no setting of the run changes but the format of the weights."""
    needed = memory_needed(job.facts)
    if not needed or not job.room or needed[1] <= job.room:
        return None
    fixes = smallest_changes(job)
    todo = advice(fixes, "Choose a smaller model, or a machine with more memory.")
    return broken(fixes=fixes, weights=size(needed[1]), place=job.place, room=size(job.room), advice=todo)


@rule(
    code="memory.too-large",
    severity=Severity.WARNING,
    field="training.batch_size",
    message="The job would need about {needed} at its fullest, and {place} has {room}, so it will probably run out of "
    "memory. {advice}",
    breaks=_BREAKS,
)
def too_large(job: Job) -> Broken | None:
    """Memory runs out in the first long batch, after the model was loaded and all rows were tokenised."""
    needed = memory_needed(job.facts)
    if not needed or not job.room or needed[0] <= job.room or needed[1] > job.room:
        return None
    fixes = smallest_changes(job)
    todo = advice(fixes, "Choose a smaller model, or a machine with more memory.")
    return broken(fixes=fixes, needed=size(needed[0]), place=job.place, room=size(job.room), advice=todo)


@rule(
    code="memory.tight",
    severity=Severity.WARNING,
    field="training.batch_size",
    message="The job would need about {needed} of the {room} that {place} has; other programs, or a formula that is a "
    "little wrong, can make it run out of memory. {advice}",
    breaks={**_BREAKS, "gpu_memory": 80 * 10**9},
)
def tight(job: Job) -> Broken | None:
    """The estimate leaves out what the driver takes, and memory falls into pieces while it is used."""
    needed = memory_needed(job.facts)
    if not needed or not job.room or not TIGHT * job.room < needed[0] <= job.room:
        return None
    fixes = smallest_changes(job, most=2)
    todo = advice(fixes, "Start it all the same, or take a machine with more memory.")
    return broken(fixes=fixes, needed=size(needed[0]), place=job.place, room=size(job.room), advice=todo)


_CARDS = [{"index": 0, "name": "L4", "memory": 24 * 10**9, "free": 24 * 10**9},
          {"index": 1, "name": "H100", "memory": 80 * 10**9, "free": 80 * 10**9}]  # fmt: skip


@rule(
    code="memory.another-card",
    severity=Severity.ADVICE,
    field="training.batch_size",
    message="The job would need about {needed}, more than {small} {has} room for, so it will wait for {large}, "
    "{state}. {advice}",
    breaks={**_BREAKS, "gpus": 2, "gpu_memory": 80 * 10**9, "gpu_list": _CARDS, "gradient_checkpointing": True,
            "max_length": 2048},
)  # fmt: skip
def another_card(job: Job) -> Broken | None:
    """Whoever starts a job wants to know that it will not take the first GPU that is free, and why it waits."""
    needed = job.needs()
    chosen = suitable(needed, job.gpu_list, job.num_processes)
    others = [card for card in job.gpu_list if card not in chosen]
    if not needed or not others or needed > max(card["memory"] for card in chosen):
        return None
    idle = any(card["free"] >= needed for card in chosen)
    fixes = smallest_changes(replace(job, gpu_memory=min(card["memory"] for card in others), gpu_memories=()), most=2)
    return broken(
        fixes=fixes,
        advice=advice(fixes, "There is nothing to do."),
        needed=size(needed),
        small=names([_card(card) for card in others]),
        has="has" if len(others) == 1 else "have",
        large=names([_card(card) for card in chosen]),
        state="which is free now" if idle else "which is in use now",
    )


def _card(card: Mapping[str, Any]) -> str:
    return f"GPU {card['index']} ({card['name']}, {size(card['memory'])})"
