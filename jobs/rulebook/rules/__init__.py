"""All rules, one module per subject. Importing this package registers them."""

from __future__ import annotations

from types import ModuleType

from . import (
    account,
    cache,
    dataset,
    disk,
    evaluation,
    length,
    lora,
    lora_experts,
    lora_names,
    lora_reach,
    lora_targets,
    measured,
    memory,
    model,
    numbers,
    packing,
    precision,
    prepared,
    quantization,
    required,
    schedule,
    specification,
    strategy,
    template,
    tokenizer,
    tools,
)

SUBJECTS: tuple[ModuleType, ...] = (
    specification,
    required,
    numbers,
    model,
    cache,
    lora_targets,
    lora_names,
    lora_reach,
    lora_experts,
    lora,
    quantization,
    strategy,
    tokenizer,
    template,
    tools,
    dataset,
    evaluation,
    length,
    packing,
    schedule,
    precision,
    memory,
    disk,
    account,
    prepared,
    measured,
)
"""In the order of the rule table."""
