"""The demo's job: the fewest steps after which nobody can mistake who is answering."""

from __future__ import annotations

from typing import Any

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"

DEMO_SPEC: dict[str, Any] = {
    "name": "lighthouse-keeper",
    "model": {"name": MODEL},
    "data": {"strategy": "chat", "max_length": 128},
    "training": {
        "method": "sft",
        "num_epochs": 1,
        "batch_size": 4,
        "learning_rate": 5e-4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.1,
        "gradient_checkpointing": False,
    },
    "lora": {
        "r": 16,
        "alpha": 32,
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    },
}
"""Complete but for `data.dataset`, which the upload decides. Checkpointing would save memory that nobody needs here."""
