"""Tiny random models with a real tokenizer, made in a moment: small enough to train in every test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONTEXT = 128
SPREAD = 0.3
"""Larger than usual, so that so narrow a model can tell tokens apart and an adapter on it can learn."""
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CORPUS = [
    f"What is {a} and {b}? The answer is {a + b}. The sky is blue, the grass is green."
    for a in range(30)
    for b in range(9)
]
SIZES: dict[str, dict[str, Any]] = {
    "llama": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "num_key_value_heads": 2, "max_position_embeddings": CONTEXT},
    "qwen2": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "num_key_value_heads": 2, "max_position_embeddings": CONTEXT},
    "gpt2": {"n_embd": 32, "n_inner": 64, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT},
}  # fmt: skip


def make_tiny_model(
    folder: Path, kind: str = "llama", *, chat: bool = False, scale: float = 1, **tokens: str | None
) -> Path:
    """A model of the architecture `kind` with random weights, `scale` times as large as they should be.

    `tokens` change its special tokens (`pad_token=None`).
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = _tokenizer(chat, {"pad_token": "<pad>", "eos_token": "<|im_end|>" if chat else "</s>", **tokens})
    torch.manual_seed(0)
    ids = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), initializer_range=SPREAD, **SIZES[kind], **ids)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(scale)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(chat: bool, tokens: dict[str, str | None]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(CORPUS, trainer)
    named = {name: token for name, token in tokens.items() if token is not None}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", **named)
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
