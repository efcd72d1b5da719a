"""The model's tokenizer can be loaded, and writes only what the model has an embedding for."""

from __future__ import annotations

from collections.abc import Collection

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import advice, model_at_hand
from ..words import names

PATH = "model.name"
_OTHER = "Choose another model, or ask staff to correct its files."
TEXT = {"conversational": False, "model": "someone/broken"}


@rule(
    code="tokenizer.unreadable",
    severity=Severity.ERROR,
    field=PATH,
    message="The tokenizer of {model} cannot be loaded ({problem}). {advice}",
    breaks={"model": "someone/broken", "tokenizer_problem": "its files lack 'added_tokens'"},
)
def unreadable(tokenizer_problem: str, model: str, chat_model: str | None = None) -> Broken | None:
    """Without a tokenizer no row can be read; the trainer would stop as soon as it started."""
    if not tokenizer_problem:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, problem=tokenizer_problem, advice=advice([fix], _OTHER))


@rule(
    code="tokenizer.no-end",
    severity=Severity.ERROR,
    field=PATH,
    message="Neither the tokenizer of {model} nor its generation_config.json names a token that ends a text "
    "(eos_token): training on plain text would stop while rows are prepared. {advice}",
    breaks={**TEXT, "end_token": ""},
)
def no_end(conversational: bool, end_token: str, model: str, chat_model: str | None = None) -> Broken | None:
    """The trainer puts the end token behind each text, which is how a model learns to stop."""
    if conversational or end_token:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, advice=advice([fix], _OTHER))


@rule(
    code="tokenizer.text-beyond-model",
    severity=Severity.ERROR,
    field=PATH,
    message="The tokenizer of {model} puts {tokens} around every text, for which the model has no embedding: training "
    "would stop at the first step. {advice}",
    breaks={**TEXT, "text_tokens_beyond": ("</s>",)},
)
def text_beyond_model(
    conversational: bool, text_tokens_beyond: Collection[str], model: str, chat_model: str | None = None
) -> Broken | None:
    """A token id past the end of the embedding crashes the batch that holds it."""
    if conversational or not text_tokens_beyond:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, tokens=names(text_tokens_beyond), advice=advice([fix], _OTHER))


@rule(
    code="tokenizer.template-beyond-model",
    severity=Severity.ERROR,
    field=PATH,
    message="The chat template of {model} writes {tokens}, for which the model has no embedding: training would stop "
    "at the first step. {advice}",
    breaks={
        "strategy": "chat", "conversational": True, "model": "someone/broken", "template_tokens_beyond": ("<|im_end|>",)
    },
)  # fmt: skip
def template_beyond_model(
    strategy: str,
    conversational: bool,
    template_tokens_beyond: Collection[str],
    model: str,
    chat_model: str | None = None,
) -> Broken | None:
    """A template was added to a model whose embedding was not widened for its tokens."""
    if strategy != "chat" or not conversational or not template_tokens_beyond:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, tokens=names(template_tokens_beyond), advice=advice([fix], _OTHER))


@rule(
    code="tokenizer.beyond-model",
    severity=Severity.ADVICE,
    field=PATH,
    message="The tokenizer of {model} knows tokens for which the model has no embedding ({tokens}): a row that holds "
    "one of them stops the training. Padding with one does not, because another token is taken for that.",
    breaks={"model": "someone/odd", "tokens_beyond": ("<extra_0>",)},
)
def beyond_model(tokens_beyond: Collection[str], model: str) -> Broken | None:
    """Such tokens are rare in real rows, but the crash they cause never mentions them."""
    return broken(model=model, tokens=names(tokens_beyond)) if tokens_beyond else None
