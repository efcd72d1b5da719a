"""Models with vocabularies of real size, made in a moment: their weights are a stub, and their words nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from string import ascii_lowercase

from tests.inspection.small_tokenizers import CHATML

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def make_model_of(folder: Path, vocabulary: int) -> Path:
    """A Llama by its config.json, with a byte-pair tokenizer of `vocabulary` tokens."""
    import numpy
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(islice(_merges(), vocabulary - len(letters) - len(SPECIAL)))
    tokens = [*SPECIAL, *letters, *(first + second for first, second in merges)]
    raw = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(list(SPECIAL))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(_config(vocabulary)))
    save_file({"model.norm.weight": numpy.zeros(1024, "float32")}, folder / "model.safetensors")
    return folder


def _merges() -> Iterator[tuple[str, str]]:
    """ab, abc, abcd, …: each token is one that was there before, and a letter. There are 475,228."""
    for length in (1, 2, 3):
        yield from (("".join(word), letter) for *word, letter in product(ascii_lowercase, repeat=length + 1))


def _config(vocabulary: int) -> dict[str, object]:
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": 1024,
        "intermediate_size": 2816,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
        "eos_token_id": SPECIAL.index("<|im_end|>"),
        "bos_token_id": None,
    }
