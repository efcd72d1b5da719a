"""Rows of every format, and tokenizers that really merge characters, trained on those rows in a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.inspection.small_tokenizers import make_tokenizer

SPECIAL = (
    "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>",
    "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<start_of_turn>", "<end_of_turn>", "<|start|>",
    "<|message|>", "<|return|>", "<|channel|>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>",
    "</think>", "<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>",
)  # fmt: skip


def turn(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def user(content: str) -> dict[str, Any]:
    return turn("user", content)


def assistant(content: str, **more: Any) -> dict[str, Any]:
    return turn("assistant", content, **more)


QUESTIONS = ("What is two and two?", " Wie heißt du? ", "数は\n何ですか", "One\n\ntwo 🙂", "the the the end")
ANSWERS = ("It is four.", "\nFour, of course.", " 四です", "🙂🙂 yes\n", "the end. " * 12)
LONG = "It goes on and on. " * 20

CHATS = [
    *({"messages": [user(question), assistant(answer)]} for question, answer in zip(QUESTIONS, ANSWERS, strict=True)),
    {"messages": [user(QUESTIONS[0]), assistant(ANSWERS[0]), user(QUESTIONS[1]), assistant(ANSWERS[1])]},
    {"messages": [user(LONG), assistant("No."), user("So?"), assistant(LONG)]},
]
TEXTS = [{"text": text} for text in (*ANSWERS, LONG, "", "ends by itself</s>")]
PROMPTS = [{"prompt": question, "completion": answer} for question, answer in zip(QUESTIONS, ANSWERS, strict=True)] + [
    {"prompt": "ab", "completion": "c</s>"},
    {"prompt": LONG, "completion": "No."},
]
PROMPT_CHATS = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in CHATS]
PAIRS = [{**row, "chosen": row["completion"], "rejected": " Never mind."} for row in PROMPTS]
for row in PAIRS:
    del row["completion"]
PAIR_CHATS = [
    {"prompt": row["prompt"], "chosen": row["completion"], "rejected": [assistant("Never mind.")]}
    for row in PROMPT_CHATS
]
IMPLICIT = [{"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]} for row in PAIRS]
IMPLICIT_CHATS = [
    {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]} for row in PAIR_CHATS
]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}
WITH_TOOLS = [{**row, "tools": [TOOL]} for row in CHATS]


def texts() -> Iterator[str]:
    for row in (*CHATS, *TEXTS, *PROMPTS):
        yield json.dumps(row, ensure_ascii=False)
        yield from (value for value in row.values() if isinstance(value, str))


def make_merging_tokenizer(folder: Path, template: Any = None, *, starts: bool = False, trims: bool = True) -> Path:
    """Like those of most models: byte-level BPE with merges. `starts`: it puts <s> before plain texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    make_tokenizer(folder, rows=900)  # for the config beside it
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    known = ["<pad>", "<s>", "</s>", *SPECIAL]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        texts(),
        trainers.BpeTrainer(vocab_size=800, special_tokens=known, initial_alphabet=alphabet, show_progress=False),
    )
    if starts:
        raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    elif trims:
        raw.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    if template is not None:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder
