"""Tokenizers: one vocabulary, with special tokens and chat templates of every kind, the real ones of TRL among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.architectures import VOCABULARY
from tests.tiny_models import CHAT_TEMPLATE, CORPUS

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>")


@dataclass(frozen=True)
class Variant:
    """`begins` puts the beginning-of-text token before every text; `more` are tokens past the model's embedding."""

    template: str | None = None
    eos: str | None = "</s>"
    pad: str | None = "<pad>"
    bos: str | None = "<s>"
    begins: bool = False
    more: int = 0


def _turns(body: str, *, before: str = "", after: str = "") -> str:
    opening = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    return f"{before}{{% for message in messages %}}{body}{{% endfor %}}{after}{opening}"


_TURN = "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
_OWN_TURN = "{{ '<|im_start|>' + message.role + '\n' + %s + '<|im_end|>\n' }}"
WRITTEN: dict[str, str] = {
    "chat": CHAT_TEMPLATE,
    "chat-tags": _turns(
        "{% if message.role == 'assistant' %}{{ '<|im_start|>assistant\n' }}{% generation %}{{ message.content + "
        "'<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}" + _TURN + "{% endif %}"
    ),
    "chat-refuses-system": _turns(
        _TURN, before="{% if messages[0].role == 'system' %}{{ raise_exception('No system here.') }}{% endif %}"
    ),
    "chat-alternates": _turns(
        "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Take turns.') }}{% endif %}"
        + _TURN
    ),
    "chat-drops-system": _turns("{% if message.role in ('user', 'assistant') %}" + _TURN + "{% endif %}"),
    "chat-last-answer-only": _turns("{% if loop.last or message.role != 'assistant' %}" + _TURN + "{% endif %}"),
    "chat-last-four": _turns("{% if loop.revindex <= 4 %}" + _TURN + "{% endif %}"),
    "chat-own-system": _turns(
        _TURN,
        before="{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are kind.<|im_end|>\n' }}{% endif %}",
    ),
    "chat-thinks": CHAT_TEMPLATE.replace("assistant\n' }}{% endif", "assistant\n<think>\n' }}{% endif"),
    "chat-trims": _turns(_OWN_TURN % "message.content | trim"),
    "chat-shortens": _turns(_OWN_TURN % "message.content[:8]"),
    "chat-shouts": _turns(_OWN_TURN % "message.content | upper"),
    "chat-cuts-thoughts": _turns(_OWN_TURN % "message.content.split('</think>')[-1]"),
    "chat-escapes": _turns(_OWN_TURN % "message.content | e"),
    "chat-prints-objects": _turns("{{ message }}"),
    "chat-roles-only": _turns("{{ '<|im_start|>' + message.role + '<|im_end|>\n' }}"),
    "chat-prints-nothing": "{% for message in messages %}{% endfor %}",
    "chat-first-only": _turns("{% if loop.first %}" + _TURN + "{% endif %}"),
    "chat-no-end": _turns("{{ message.role + ': ' + message.content + '\n' }}"),
    "chat-ends-with-eos": _turns("{{ message.role + ': ' + message.content + eos_token + '\n' }}"),
    "chat-dated": _turns(_TURN, before="{{ strftime_now('%d %b %Y') }}\n"),
    "chat-broken": "{% for message in messages %}{{ message.content }",
    "chat-unknown-filter": _turns("{{ message.content | nicely }}"),
    "chat-unknown-variable": _turns("{{ message.author.name }}" + _TURN),
    "chat-needs-tools": _turns(_TURN, before="{{ tools[0].function.name }}"),
    "chat-never-ends": _turns("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}" + _TURN),
    "chat-explodes": _turns("{{ ('x' * 100000) * 100000 }}" + _TURN),
    "chat-reaches-out": _turns("{{ ''.__class__.__mro__[1].__subclasses__() | length }}" + _TURN),
}
_ENDS = {"chat-ends-with-eos": "</s>", "chat-no-end": "</s>"}
REAL: Mapping[str, str] = {
    "cohere": "<|END_OF_TURN_TOKEN|>", "cohere2": "<|END_OF_TURN_TOKEN|>", "deepseekv3": "<｜end▁of▁sentence｜>",
    "deepseek_r1_distill": "<｜end▁of▁sentence｜>", "gemma": "<end_of_turn>", "gemma3": "<end_of_turn>",
    "glm4moe": "<|user|>", "gptoss": "<|return|>", "lfm2": "<|im_end|>", "llama3": "<|eot_id|>",
    "llama3_1": "<|eot_id|>", "llama3_2": "<|eot_id|>", "phi3": "<|end|>", "phi3_5": "<|end|>",
    "qwen2_5": "<|im_end|>", "qwen3": "<|im_end|>", "qwen3_instruct_2507": "<|im_end|>",
    "qwen3_5_think": "<|im_end|>", "nemotron_3_nano": "<|im_end|>",
}  # fmt: skip
"""Templates that TRL brings along as they stand in public models, and the token each ends a turn with."""

PLAIN: dict[str, Variant] = {
    "plain": Variant(),
    "begins": Variant(begins=True),
    "no-bos": Variant(bos=None),
    "no-pad": Variant(pad=None, begins=True),
    "pad-is-eos": Variant(pad="</s>"),
    "pad-is-unk": Variant(pad="<unk>"),
    "no-eos": Variant(eos=None),
    "no-pad-no-eos": Variant(eos=None, pad=None),
    "pad-outside": Variant(pad="<outside>", more=VOCABULARY),
    "words-outside": Variant(more=VOCABULARY),
}
MODIFIED: dict[str, Variant] = {
    "chat-other-eos": Variant(CHAT_TEMPLATE, eos="</s>"),
    "chat-no-eos": Variant(CHAT_TEMPLATE, eos=None),
    "chat-no-pad": Variant(CHAT_TEMPLATE, eos="<|im_end|>", pad=None),
    "chat-pad-is-eos": Variant(CHAT_TEMPLATE, eos="<|im_end|>", pad="<|im_end|>"),
    "chat-begins": Variant(CHAT_TEMPLATE, eos="<|im_end|>", begins=True),
    "chat-begins-twice": Variant("{{ bos_token }}" + CHAT_TEMPLATE, eos="<|im_end|>", begins=True),
    "chat-unknown-tokens": Variant(CHAT_TEMPLATE.replace("<|im_", "<|turn_"), eos="</s>"),
}


@cache
def variants() -> Mapping[str, Variant]:
    """Every tokenizer by its name."""
    written = {name: Variant(text, eos=_ENDS.get(name, "<|im_end|>")) for name, text in WRITTEN.items()}
    real = {f"real-{name}": Variant(_of_trl(name), eos=end) for name, end in REAL.items()}
    return {**PLAIN, **written, **MODIFIED, **real}


def chats() -> list[str]:
    return [name for name, variant in variants().items() if variant.template is not None]


def _of_trl(name: str) -> str:
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


_TOKENS = re.compile(r"<[|｜]?[A-Za-z_▁/0-9]{2,30}[|｜]?>")


def make_tokenizer(folder: Path, name: str) -> None:
    """Write the tokenizer into a model's folder. Tokens that a template writes are special, as in its own model."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    variant = variants()[name]
    raw = _vocabulary()
    written = (
        _TOKENS.findall(variant.template or "") if variant.template != MODIFIED["chat-unknown-tokens"].template else []
    )
    known = {token for token in (*written, variant.eos) if token and raw.token_to_id(token) is None}
    raw.add_special_tokens(sorted(known))
    if variant.more:
        raw.add_tokens([f"filler{number}" for number in range(variant.more)])
        raw.add_tokens([" answer", "What"])
        raw.add_special_tokens(["<outside>"])
    if variant.begins:
        raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    named: dict[str, Any] = {"eos_token": variant.eos, "pad_token": variant.pad, "bos_token": variant.bos}
    given = {role: token for role, token in named.items() if token is not None}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", **given)
    if variant.template is not None:
        tokenizer.chat_template = variant.template
    tokenizer.save_pretrained(folder)


def _vocabulary() -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(_trained())


@cache
def _trained() -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(CORPUS, trainer)
    return str(raw.to_str())
