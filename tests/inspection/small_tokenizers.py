"""Tokenizers of single bytes and a few special tokens, made in a moment, with a model's config.json beside them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

TEMPLATES = Path(str(importlib.util.find_spec("trl").origin)).parent / "chat_templates"  # type: ignore[union-attr]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def published(name: str) -> str:
    """A template as its model line ships it, from TRL's collection."""
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def make_tokenizer(
    folder: Path,
    template: Any = None,
    *,
    special: Collection[str] = ("<|im_start|>", "<|im_end|>"),
    starts: bool = False,
    rows: int = 400,
    generation: dict[str, Any] | None = None,
    **tokens: str | None,
) -> Path:
    """`tokens` name its special tokens (`eos_token=None`); `starts`: it puts <s> before every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", **tokens}
    known = ["<pad>", "<s>", "</s>", *special]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({token: number for number, token in enumerate([*known, *alphabet])}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(known)
    if starts:
        raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    there = {name: token for name, token in named.items() if token is not None}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, **there)
    if template is not None:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"eos_token_id": None, "bos_token_id": None, "pad_token_id": None}
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": rows, **sizes, **ids}
    (folder / "config.json").write_text(json.dumps(config))
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder
