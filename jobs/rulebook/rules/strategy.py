"""How rows become text suits the model, the rows and the method."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, convert, use, use_model

PATH = "data.strategy"

_FIELDS: Mapping[str, str] = {
    "messages": "'messages' field",
    "text": "'text' field",
    "preference": "'chosen' and 'rejected' fields",
    "prompt_completion": "'prompt' and 'completion' fields",
}


def fitting(
    conversational: bool | None,
    supports_chat: bool | None,
    convertible_to: Collection[str],
    method: str | None,
    chat_model: str | None,
) -> list[Fix]:
    """Every way to make strategy, model and rows fit, those that only change settings first.

    What is not known (None) does not rule a way out, but rows that may be plain are taken as plain.
    """
    if not conversational:
        return [use(PATH, "standard")]
    if supports_chat is not False:
        ways = [use(PATH, "chat")]
    else:
        ways = [use_model(chat_model, **{PATH: "chat"})] if chat_model else []
    if "text" in convertible_to and method != "dpo":
        ways.append(convert("text", "Convert the dataset to text and use standard", **{PATH: "standard"}))
    return ways


@rule(
    code="strategy.no-chat-template",
    severity=Severity.ERROR,
    field=PATH,
    message="{model} has no chat template, so it cannot turn a conversation into text: training with chat would stop "
    "while the rows are prepared. {advice}",
    breaks={"strategy": "chat", "supports_chat": False, "model": "gpt2"},
)
def no_chat_template(
    strategy: str,
    supports_chat: bool,
    model: str,
    conversational: bool | None = None,
    convertible_to: Collection[str] = (),
    method: str | None = None,
    chat_model: str | None = None,
) -> Broken | None:
    """There are no default templates any more: without one in the tokenizer, every conversation is refused."""
    if strategy != "chat" or supports_chat:
        return None
    fixes = fitting(conversational, supports_chat, convertible_to, method, chat_model)
    return broken(fixes=fixes, model=model, advice=advice(fixes, "Choose a model that has one."))


@rule(
    code="strategy.needs-chat",
    severity=Severity.ERROR,
    field=PATH,
    message="Dataset has {fields} but strategy is not 'chat': its rows are conversations, which become text only "
    "through a chat template. {advice}",
    breaks={"strategy": "standard", "conversational": True, "dataset_format": "messages", "convertible_to": ("text",)},
)
def needs_chat(
    strategy: str,
    conversational: bool,
    dataset_format: str,
    supports_chat: bool | None = None,
    convertible_to: Collection[str] = (),
    method: str | None = None,
    chat_model: str | None = None,
) -> Broken | None:
    """The trainer would look for plain text in every row and find none."""
    if strategy != "standard" or not conversational or dataset_format not in _FIELDS:
        return None
    fixes = fitting(True, supports_chat, convertible_to, method, chat_model)
    return broken(
        fixes=fixes,
        fields=_fields(dataset_format, conversational),
        advice=advice(fixes, "Choose a dataset of plain text."),
    )


@rule(
    code="strategy.needs-standard",
    severity=Severity.ERROR,
    field=PATH,
    message="Dataset has {fields} but strategy is not 'standard': its rows are plain text, and a chat template needs "
    "messages with roles. {advice}",
    breaks={"strategy": "chat", "conversational": False, "dataset_format": "text"},
)
def needs_standard(
    strategy: str,
    conversational: bool,
    dataset_format: str,
    supports_chat: bool | None = None,
    convertible_to: Collection[str] = (),
    method: str | None = None,
) -> Broken | None:
    """Plain text has no turns; training it as chat would put it outside every turn the model knows."""
    if strategy != "chat" or conversational or dataset_format not in _FIELDS:
        return None
    can_convert = supports_chat and "messages" in convertible_to and method != "dpo"
    fixes = [use(PATH, "standard"), *([convert("messages", "Convert the dataset to messages")] if can_convert else [])]
    return broken(fixes=fixes, fields=_fields(dataset_format, conversational), advice=advice(fixes))


def _fields(dataset_format: str, conversational: bool) -> str:
    lists = conversational and dataset_format != "messages"
    return _FIELDS[dataset_format] + (" that hold messages" if lists else "")


@rule(
    code="strategy.dpo-needs-preference",
    severity=Severity.ERROR,
    field="training.method",
    message="training.method is dpo, but the dataset has {fields}: DPO learns from rows with a prompt, a chosen and a "
    "rejected answer. Use sft, or choose a dataset of preference rows.",
    breaks={"method": "dpo", "dataset_format": "messages", "conversational": True},
)
def dpo_needs_preference(method: str, dataset_format: str, conversational: bool = False) -> Broken | None:
    """Without a rejected answer there is nothing to prefer; the trainer stops at the first row."""
    if method != "dpo" or dataset_format not in _FIELDS or dataset_format == "preference":
        return None
    return broken(fix=use("training.method", "sft"), fields=_fields(dataset_format, conversational))


@rule(
    code="strategy.sft-gets-preference",
    severity=Severity.ERROR,
    field="training.method",
    message="training.method is sft, but the dataset has {fields}: SFT would not know which answer to "
    "imitate. {advice}",
    breaks={"method": "sft", "dataset_format": "preference", "convertible_to": ("prompt_completion",)},
)
def sft_gets_preference(
    method: str,
    dataset_format: str,
    conversational: bool = False,
    convertible_to: Collection[str] = (),
    rows: int | None = None,
    bad_row_count: int = 0,
    equal_pairs: int = 0,
) -> Broken | None:
    """Rows with two answers have no single text to learn; the trainer stops at the first row."""
    if method != "sft" or dataset_format != "preference":
        return None
    all_equal = rows is not None and equal_pairs >= rows - bad_row_count
    fixes = [] if all_equal else [use("training.method", "dpo")]
    if "prompt_completion" in convertible_to:
        fixes.append(convert("prompt_completion", "Convert the dataset to prompts with the chosen answer"))
    todo = advice(fixes, "Choose another dataset.")
    return broken(fixes=fixes, fields=_fields(dataset_format, conversational), advice=todo)
